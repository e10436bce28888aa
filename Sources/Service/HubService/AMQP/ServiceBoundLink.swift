import AMQP
import AMQPCodec
import AMQPEndpoints
import HubContract
import HubEngine
import Synchronization

/// A service's link from a queue of the hub's own messages (contract §8.2): each is held until it is
/// settled.
final class ServiceBoundLink: AMQPLink {
  let requirement: AMQPRequirement?
  private let id: LinkID
  private let hub: Hub
  private unowned let peer: AMQPPeer
  private let queue: ServiceBoundQueue
  private var held: [DeliveryID: LockToken] = [:]
  private var isTaking = false
  /// The hub's count of changes when the queue was last found empty; nil while it may have some.
  private var emptyAt: UInt64?

  init(
    _ id: LinkID,
    _ hub: Hub,
    _ peer: AMQPPeer,
    _ requirement: AMQPRequirement,
    _ queue: ServiceBoundQueue
  ) {
    self.id = id
    self.hub = hub
    self.peer = peer
    self.requirement = requirement
    self.queue = queue
  }

  func credited() {
    if peer.connection.isDraining(id) { peer.connection.drained(id) }
    take()
  }

  func tick() { take() }

  private func take() {
    let changes = queue.changes(hub)
    guard !isTaking, emptyAt != changes, peer.connection.credit(of: id) > 0,
      let reply = peer.reply
    else { return }
    isTaking = true
    let (id, now, hub, queue) = (id, hub.now, hub, queue)
    hub.store.submit { engine throws(HubError) in
      try queue.take(&engine, now)
    } completion: { result in
      reply { peer in
        guard let link = peer.link(id, as: ServiceBoundLink.self) else {
          // The link ended meanwhile: somebody else shall have it.
          if case .success(let delivery?) = result { Self.abandon(delivery.token, queue, hub) }
          return
        }
        link.isTaking = false
        switch result {
        case .success(let delivery?):
          link.emptyAt = nil
          link.send(delivery)
          link.take()
        case .success: link.emptyAt = changes
        // Asks again with the next second.
        case .failure: link.emptyAt = nil
        }
      }
    }
  }

  private func send(_ delivery: ServiceBoundQueue.Delivery) {
    var message = AMQPMessage(body: .data([delivery.body]))
    message.properties.contentType = delivery.contentType
    message.properties.userID = Array((hub.settings.names.first ?? "").utf8)
    message.messageAnnotations = [
      "iothub-enqueuedtime": .timestamp(delivery.enqueuedTime.milliseconds)
    ]
    let sent = peer.connection.send(
      message.encoded.span,
      on: id,
      tag: delivery.token.bytes,
      isSettled: false
    )
    if let sent {
      held[sent] = delivery.token
    } else {
      Self.abandon(delivery.token, queue, hub)
    }
  }

  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let token = held.removeValue(forKey: id) else { return }
    guard outcome == .accepted else { return Self.abandon(token, queue, hub) }
    let (now, queue) = (hub.now, queue)
    hub.store.submitOwed { engine throws(HubError) in
      try queue.complete(&engine, token, now)
    }
  }

  func ended() {
    for token in held.values { Self.abandon(token, queue, hub) }
    held = [:]
  }

  private static func abandon(_ token: LockToken, _ queue: ServiceBoundQueue, _ hub: Hub) {
    let now = hub.now
    hub.store.submitOwed { engine throws(HubError) in try queue.abandon(&engine, token, now) }
  }
}

import AMQP
import AMQPCodec
import HubContract
import HubEngine
import Synchronization

/// A service's link from the feedback queue (contract §8.2): one batch of records a message, held
/// until it is settled.
final class FeedbackLink: AMQPLink {
  let requirement: AMQPRequirement?
  private let id: LinkID
  private unowned let peer: AMQPPeer
  private var held: [DeliveryID: LockToken] = [:]
  private var isTaking = false
  /// The hub's count of changes when the queue was last found empty; nil while it may have some.
  private var emptyAt: UInt64?

  init(_ id: LinkID, _ peer: AMQPPeer, _ requirement: AMQPRequirement) {
    self.id = id
    self.peer = peer
    self.requirement = requirement
  }

  func credited() {
    if peer.connection.isDraining(id) { peer.connection.drained(id) }
    take()
  }

  func tick() { take() }

  private func take() {
    let changes = peer.hub.feedbackChanges.load(ordering: .acquiring)
    guard !isTaking, emptyAt != changes, peer.connection.credit(of: id) > 0,
      let reply = peer.reply
    else { return }
    isTaking = true
    let (id, now, hub) = (id, peer.hub.now, peer.hub)
    hub.store.submit { engine throws(HubError) in
      try engine.takeFeedback(now: now)
    } completion: { result in
      reply { peer in
        guard let link = peer.link(id, as: FeedbackLink.self) else {
          // The link ended meanwhile: somebody else shall have them.
          if case .success(let batch?) = result { Self.abandon(batch.token, of: hub) }
          return
        }
        link.isTaking = false
        switch result {
        case .success(let batch?):
          link.emptyAt = nil
          link.send(batch)
          link.take()
        case .success: link.emptyAt = changes
        // Asks again with the next second.
        case .failure: link.emptyAt = nil
        }
      }
    }
  }

  private func send(_ batch: FeedbackBatch) {
    var message = AMQPMessage(body: .data([batch.body]))
    message.properties.contentType = FeedbackBatch.contentType
    message.properties.userID = Array((peer.hub.settings.names.first ?? "").utf8)
    message.messageAnnotations = [
      "iothub-enqueuedtime": .timestamp(batch.enqueuedTime.milliseconds)
    ]
    let sent = peer.connection.send(
      message.encoded.span,
      on: id,
      tag: batch.token.bytes,
      isSettled: false
    )
    if let sent { held[sent] = batch.token } else { Self.abandon(batch.token, of: peer.hub) }
  }

  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let token = held.removeValue(forKey: id) else { return }
    guard outcome == .accepted else { return Self.abandon(token, of: peer.hub) }
    let now = peer.hub.now
    peer.hub.store.submitOwed { engine throws(HubError) in
      try engine.completeFeedback(token, now: now)
    }
  }

  func ended() {
    for token in held.values { Self.abandon(token, of: peer.hub) }
    held = [:]
  }

  private static func abandon(_ token: LockToken, of hub: Hub) {
    let now = hub.now
    hub.store.submitOwed { engine throws(HubError) in
      try engine.abandonFeedback(token, now: now)
    }
  }
}

import AMQP
import AMQPCodec
import Endpoints
import HubContract
import HubEngine

/// A device's link for cloud-to-device messages (contract §4): accepted completes, rejected
/// dead-letters, anything else gives back.
final class DeviceBoundLink: AMQPLink {
  /// Messages at most that wait for the device's word.
  static let window = 16

  private let id: LinkID
  private unowned let device: AMQPDevice
  private let isPresettled: Bool
  private var held: [DeliveryID: LockToken] = [:]
  private var isPulling = false
  private var mayHaveMore = true

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ device: AMQPDevice, isPresettled: Bool) {
    self.id = id
    self.device = device
    self.isPresettled = isPresettled
  }

  func credited() {
    let peer = device.peer
    if peer.connection.isDraining(id) { peer.connection.drained(id) }
    take()
  }

  /// Messages may wait.
  func pull() {
    mayHaveMore = true
    take()
  }

  private func take() {
    let peer = device.peer
    let limit = min(peer.connection.credit(of: id), Self.window - held.count)
    guard !isPulling, mayHaveMore, limit > 0, let reply = peer.reply, let handle = device.handle
    else { return }
    isPulling = true
    mayHaveMore = false
    let (id, deviceID, hub, now) = (id, device.identity.deviceID, peer.hub, peer.hub.now)
    hub.store.submit { engine throws(HubError) in
      try engine.takeCloudToDevice(
        of: deviceID,
        limit: limit,
        holder: ConnectionID(handle.id),
        hold: .timed,
        now: now
      )
    } completion: { result in
      let messages = (try? result.get()) ?? []
      reply { peer in
        guard let link = peer.deviceLink(id, as: DeviceBoundLink.self) else {
          for message in messages { Self.giveBack(message.lock?.token, of: deviceID, hub) }
          return
        }
        link.isPulling = false
        if messages.count == limit { link.mayHaveMore = true }
        for message in messages { link.send(message) }
        link.take()
      }
    }
  }

  private func send(_ message: CloudToDeviceMessage) {
    guard let token = message.lock?.token else { return }
    let (peer, deviceID) = (device.peer, device.identity.deviceID)
    let sent = peer.connection.send(
      Self.encoded(message).span,
      on: id,
      tag: token.bytes,
      isSettled: isPresettled
    )
    if let sent {
      held[sent] = token
    } else if isPresettled {
      settle(token, .accepted)
    } else {
      Self.giveBack(token, of: deviceID, peer.hub)
    }
  }

  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let token = held.removeValue(forKey: id) else { return }
    settle(token, outcome)
    mayHaveMore = true
    take()
  }

  private func settle(_ token: LockToken, _ outcome: AMQPOutcome) {
    let (hub, deviceID, now) = (device.peer.hub, device.identity.deviceID, device.peer.hub.now)
    switch outcome {
    case .accepted:
      hub.store.submitOwed { engine throws(HubError) in
        try engine.completeCloudToDevice(of: deviceID, token: token, now: now)
      }
    case .rejected:
      hub.store.submitOwed { engine throws(HubError) in
        try engine.rejectCloudToDevice(of: deviceID, token: token, now: now)
      }
    case .released, .modified, .unknown: Self.giveBack(token, of: deviceID, hub)
    }
  }

  func ended() {
    for token in held.values {
      Self.giveBack(token, of: device.identity.deviceID, device.peer.hub)
    }
    held = [:]
  }

  private static func giveBack(_ token: LockToken?, of deviceID: String, _ hub: Hub) {
    guard let token else { return }
    let now = hub.now
    hub.store.submitOwed { engine throws(HubError) in
      try engine.abandonCloudToDevice(of: deviceID, token: token, now: now)
    }
  }

  /// The message as a device expects it.
  static func encoded(_ queued: CloudToDeviceMessage) -> [UInt8] {
    var message = AMQPMessage(body: .data([queued.body]))
    var application: [(String, AMQPValue)] = []
    for property in PropertyBag(queued.properties.span).properties() {
      guard let system = SystemProperty(rawValue: property.name), let value = property.value else {
        application.append((property.name, property.value.map { .string($0) } ?? .null))
        continue
      }
      switch system {
      case .messageID: message.properties.messageID = .string(value)
      case .correlationID: message.properties.correlationID = .string(value)
      case .userID: message.properties.userID = Array(value.utf8)
      case .to: message.properties.to = value
      case .contentType: message.properties.contentType = value
      case .contentEncoding: message.properties.contentEncoding = value
      case .expiry:
        message.properties.absoluteExpiryTime = Timestamp(iso8601: value)?.milliseconds
      default: application.append((property.name, .string(value)))
      }
    }
    message.applicationProperties = AMQPMap(strings: application)
    message.messageAnnotations = [
      "iothub-enqueuedtime": .timestamp(queued.enqueuedTime.milliseconds),
      "iothub-deliverycount": .ubyte(UInt8(clamping: queued.deliveryCount)),
      "x-opt-sequence-number": .ulong(queued.sequence),
    ]
    if let token = queued.lock?.token {
      message.messageAnnotations.pairs.append(
        .init(.symbol("x-opt-lock-token"), .uuid(token.bytes))
      )
    }
    return message.encoded
  }
}

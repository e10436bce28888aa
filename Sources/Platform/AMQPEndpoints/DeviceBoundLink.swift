import AMQP
import AMQPCodec
import Endpoints
import HubContract

/// A device's link for cloud-to-device messages (contract §4): accepted completes, rejected
/// dead-letters, anything else gives back.
final class DeviceBoundLink: AMQPLink {
  /// Messages at most that wait for the device's word.
  static let window = 16

  private let id: LinkID
  private unowned let device: AMQPDevice
  private let isPresettled: Bool
  private var held: [DeliveryID: [UInt8]] = [:]
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
    let (id, identity, devices) = (id, device.identity, peer.shared.devices)
    devices.takeCloudToDevice(handle, of: identity, limit: limit, isTimed: true) { messages in
      reply { peer in
        guard let link = peer.deviceLink(id, as: DeviceBoundLink.self) else {
          for message in messages {
            devices.returnCloudToDevice(token: message.token, of: identity)
          }
          return
        }
        link.isPulling = false
        if messages.count == limit { link.mayHaveMore = true }
        for message in messages { link.send(message) }
        link.take()
      }
    }
  }

  private func send(_ message: CloudToDeviceDelivery) {
    let sent = device.peer.connection.send(
      Self.encoded(message).span,
      on: id,
      tag: message.token,
      isSettled: isPresettled
    )
    if let sent {
      held[sent] = message.token
    } else {
      settle(message.token, isPresettled ? .accepted : .released)
    }
  }

  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {
    guard let token = held.removeValue(forKey: id) else { return }
    settle(token, outcome)
    mayHaveMore = true
    take()
  }

  private func settle(_ token: [UInt8], _ outcome: AMQPOutcome) {
    let (devices, identity) = (device.peer.shared.devices, device.identity)
    switch outcome {
    case .accepted: devices.completeCloudToDevice(token: token, of: identity)
    case .rejected: devices.rejectCloudToDevice(token: token, of: identity)
    case .released, .modified, .unknown: devices.returnCloudToDevice(token: token, of: identity)
    }
  }

  func ended() {
    for token in held.values { settle(token, .released) }
    held = [:]
  }

  /// The message as a device expects it.
  static func encoded(_ delivery: CloudToDeviceDelivery) -> [UInt8] {
    var message = AMQPMessage(
      body: delivery.body,
      bag: PropertyBag(delivery.bag.span),
      annotating: [:]
    )
    var annotations = message.messageAnnotations
    if let time = delivery.enqueuedTime {
      annotations.pairs.append(
        .init(.symbol("iothub-enqueuedtime"), .timestamp(time.milliseconds))
      )
    }
    if let count = delivery.deliveryCount {
      annotations.pairs.append(
        .init(.symbol("iothub-deliverycount"), .ubyte(UInt8(clamping: count)))
      )
    }
    annotations.pairs.append(
      .init(.symbol("x-opt-sequence-number"), .ulong(delivery.sequence))
    )
    annotations.pairs.append(.init(.symbol("x-opt-lock-token"), .uuid(delivery.token)))
    message.messageAnnotations = annotations
    return message.encoded
  }
}

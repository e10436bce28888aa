import AMQP
import AMQPCodec
import Endpoints

/// A device's link for requests to its twin (contract §4); the answers go the other way, on the link
/// that the device receives on.
final class TwinRequestLink: AMQPLink {
  static let window: Int32 = 32
  /// The resource of notifications.
  static let desired = "/notifications/twin/properties/desired"

  private unowned let device: AMQPDevice

  var requirement: AMQPRequirement? { nil }

  init(_ device: AMQPDevice) { self.device = device }

  func delivered(_ delivery: AMQPDelivery) {
    let peer = device.peer
    guard let message = peer.connection.read(delivery) else { return }
    let annotations = message.messageAnnotations
    let operation = annotations["operation"]?.text?.uppercased() ?? ""
    let resource = annotations["resource"]?.text?.lowercased() ?? ""
    let correlation = message.properties.correlationID
    guard let reply = peer.reply else { return }
    let identity = device.identity
    let respond: @Sendable (TwinReply) -> Void = { answer in
      reply { peer in
        peer.connection.settle(delivery.id, .accepted)
        peer.device(identity)?.answerTwin(answer, correlation)
      }
    }
    func answer(_ status: Int) {
      peer.connection.settle(delivery.id, .accepted)
      device.answerTwin(TwinReply(status: status), correlation)
    }
    switch (operation, resource) {
    case ("GET", _): peer.shared.devices.twin(of: identity, reply: respond)
    case ("PATCH", "/properties/reported"):
      peer.shared.devices.patchReported(
        message.payload ?? [],
        of: identity,
        onVersion: annotations["version"]?.integer,
        reply: respond
      )
    case ("PUT", Self.desired):
      device.wantsDesired = true
      if let handle = device.handle { peer.shared.devices.desiredSubscribed(handle, identity) }
      answer(200)
    case ("DELETE", Self.desired):
      device.wantsDesired = false
      answer(200)
    default: answer(400)
    }
  }
}

extension AMQPDevice {
  /// Answers a twin request.
  func answerTwin(_ reply: TwinReply, _ correlation: AMQPValue) {
    guard let id = twinAnswers else { return }
    var message = AMQPMessage(body: .data([reply.body]))
    message.properties.correlationID = correlation
    message.messageAnnotations = ["status": .int(Int32(clamping: reply.status))]
    if let version = reply.version {
      message.messageAnnotations.pairs.append(.init(.symbol("version"), .long(version)))
    }
    send(message, on: id)
  }
}

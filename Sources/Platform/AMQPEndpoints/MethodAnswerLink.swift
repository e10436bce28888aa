import AMQP
import AMQPCodec
import Endpoints

/// A device's link for the answers to direct methods (contract §4).
final class MethodAnswerLink: AMQPLink {
  static let window: Int32 = 32

  private unowned let device: AMQPDevice

  var requirement: AMQPRequirement? { nil }

  init(_ device: AMQPDevice) { self.device = device }

  func delivered(_ delivery: AMQPDelivery) {
    let peer = device.peer
    guard let message = peer.connection.read(delivery) else { return }
    peer.connection.settle(delivery.id, .accepted)
    // An answer that is late, doubled or unknown is dropped, as over MQTT.
    guard let request = device.takeMethod(message.properties.correlationID) else { return }
    peer.shared.devices.methodAnswered(
      requestID: Array(request.utf8),
      status: message.applicationProperties["IoThub-status"]?.integer.map { Int($0) },
      body: message.payload ?? [],
      by: device.identity
    )
  }
}

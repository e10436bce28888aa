import AMQP
import AMQPCodec
import AMQPEndpoints
import ByteIO
import HubContract
import HubEngine

/// A service's link to the devices' queues (contract §8.2).
///
/// Accepted means queued and durable. Credit bounds the messages whose outcome is still open.
final class CloudToDeviceLink: AMQPLink {
  /// Messages under way at a time.
  static let window: Int32 = 128

  let requirement: AMQPRequirement?
  private let hub: Hub
  private unowned let peer: AMQPPeer

  init(_ hub: Hub, _ peer: AMQPPeer, _ requirement: AMQPRequirement) {
    self.hub = hub
    self.peer = peer
    self.requirement = requirement
  }

  func delivered(_ delivery: AMQPDelivery) {
    let request: CloudToDeviceRequest
    do throws(AMQPError) {
      request = try Self.request(delivery)
    } catch {
      return settle(delivery, .rejected(error))
    }
    guard hub.throttles.allows(.cloudToDeviceSends) else {
      let error = AMQPError("com.microsoft:device-container-throttled", "too many sends")
      return settle(delivery, .rejected(error))
    }
    guard let reply = peer.reply else { return }
    let now = hub.now
    hub.store.submit { engine throws(HubError) in
      try engine.enqueue(request, now: now)
    } completion: { result in
      reply { peer in
        switch result {
        case .success: peer.connection.settle(delivery.id, .accepted)
        case .failure(let error):
          peer.connection.settle(delivery.id, .rejected(AMQPError(error)))
        }
      }
    }
  }

  private func settle(_ delivery: AMQPDelivery, _ outcome: AMQPOutcome) {
    peer.connection.settle(delivery.id, outcome)
  }

  /// What a message asks to be queued.
  ///
  /// - Throws: Why it can't be: no recipient, an unknown acknowledgement, no bytes.
  static func request(_ delivery: AMQPDelivery) throws(AMQPError) -> CloudToDeviceRequest {
    func invalid(_ text: String) -> AMQPError { AMQPError("com.microsoft:argument-error", text) }
    let message: AMQPMessage
    do throws(AMQPFault) {
      message = try AMQPMessage(delivery.message.span)
    } catch {
      throw AMQPError(AMQPError.decodeError, "\(error)")
    }
    guard let to = message.properties.to, let address = LinkAddress(to) else {
      throw invalid("properties.to must be /devices/<device>/messages/devicebound")
    }
    guard case .deviceBound(let recipient) = address, recipient.moduleID == nil else {
      throw invalid("modules get no cloud-to-device messages; properties.to must name a device")
    }
    guard let body = message.payload else { throw invalid("the body must be data") }
    var fields = MessageFieldList(message)
    var acknowledgement: DeliveryAcknowledgement?
    if let text = fields.take("iothub-ack") {
      guard let known = DeliveryAcknowledgement(rawValue: text.lowercased()) else {
        throw invalid("iothub-ack must be none, positive, negative or full")
      }
      acknowledgement = known
    }
    if let id = message.properties.messageIDText, id.utf8.count > PropertyBag.messageIDLimit {
      throw invalid("the message ID is longer than \(PropertyBag.messageIDLimit) bytes")
    }
    let bag = PropertyBagWriter.devicebound(
      deviceID: recipient.deviceID,
      system: fields.system.map { ($0.0, $0.1) },
      acknowledgement: acknowledgement,
      application: fields.application
    )
    return CloudToDeviceRequest(
      recipient: recipient,
      messageID: message.properties.messageIDText,
      acknowledgement: acknowledgement ?? .none,
      expiryTime: message.properties.absoluteExpiryTime.map { Timestamp(milliseconds: $0) },
      properties: bag,
      propertyByteCount: PropertyBag(bag.span).countedBytes,
      body: body
    )
  }
}

extension AMQPError {
  /// The condition that tells a refusal of the hub (contract §4, "Error conditions").
  init(_ error: HubError) {
    let condition =
      switch error.code {
      case .deviceNotFound, .moduleNotFound: Self.notFound
      case .deviceMaximumQueueDepthExceeded: Self.resourceLimitExceeded
      case .messageTooLarge: Self.messageSizeExceeded
      case .throttlingException: "com.microsoft:device-container-throttled"
      case .preconditionFailed: "com.microsoft:precondition-failed"
      case .deviceMessageLockLost: "com.microsoft:message-lock-lost"
      case .iotHubQuotaExceeded: "com.microsoft:quota-exceeded"
      case .iotHubUnauthorized, .iotHubUnauthorizedAccess: Self.unauthorizedAccess
      default:
        error.code.httpStatus < 500 ? "com.microsoft:argument-error" : Self.internalError
      }
    self.init(
      condition,
      error.message,
      info: ["com.microsoft:error-code": .int(Int32(clamping: error.code.rawValue))]
    )
  }
}

import AMQP
import AMQPCodec
import Endpoints
import HubContract
import MessageLog

/// A device's link for telemetry (contract §4): accepted means durable.
final class TelemetryLink: AMQPLink {
  /// Messages under way at a time.
  static let window: Int32 = 256
  /// Messages of a batch at most.
  private static let batchLimit = 1_024

  private unowned let device: AMQPDevice

  var requirement: AMQPRequirement? { nil }

  init(_ device: AMQPDevice) { self.device = device }

  func delivered(_ delivery: AMQPDelivery) {
    let peer = device.peer
    func settle(_ outcome: AMQPOutcome) {
      peer.connection.settle(delivery.id, outcome)
    }
    let batch: TelemetryBatch
    do throws(AMQPError) {
      batch = try records(delivery)
    } catch {
      return settle(.rejected(error))
    }
    guard peer.shared.backend.takesTelemetry() else {
      let error = AMQPError("com.microsoft:device-container-throttled", "too many messages")
      return settle(.rejected(error))
    }
    guard let reply = peer.reply else { return }
    guard let log = peer.shared.log else { return settle(.accepted) }
    log.submit(batch) { result in
      reply { peer in
        switch result {
        case .success: peer.connection.settle(delivery.id, .accepted)
        case .failure:
          let error = AMQPError(AMQPError.internalError, "the hub takes no events at the moment")
          peer.connection.settle(delivery.id, .rejected(error))
        }
      }
    }
  }

  private func records(_ delivery: AMQPDelivery) throws(AMQPError) -> TelemetryBatch {
    let batch = TelemetryBatch(limits: LogLimits(recordBytes: 1 << 20, batchBytes: 8 << 20))
    let message = try Self.message(delivery.message)
    guard delivery.isBatch, case .data(let sections) = message.body else {
      try append(message, to: batch)
      return batch
    }
    guard sections.count <= Self.batchLimit else {
      throw AMQPError(AMQPError.messageSizeExceeded, "more than \(Self.batchLimit) messages")
    }
    for section in sections { try append(try Self.message(section), to: batch) }
    return batch
  }

  private func append(_ message: AMQPMessage, to batch: TelemetryBatch) throws(AMQPError) {
    guard let body = message.payload else {
      throw AMQPError("com.microsoft:argument-error", "the body must be data")
    }
    let shared = device.peer.shared
    let bag = Self.bag(message, takesOutput: device.takesOutputs)
    let limit = shared.limits.messageBytes
    do throws(PropertyFault) {
      try PropertyBag(bag.span).check(bodyBytes: body.count, limit: limit)
    } catch .messageTooLarge {
      throw AMQPError(AMQPError.messageSizeExceeded, "more than \(limit) bytes")
    } catch {
      throw AMQPError("com.microsoft:argument-error", "\(error)")
    }
    let admitted = device.admitted
    let routing =
      shared.router?.route(admitted.stamp, flags: [], bag: bag.span, body: body.span) ?? .builtIn
    // Routed nowhere: acknowledged, and dropped (contract §9.1).
    if routing.isNowhere { return }
    batch.records.beginRecord(partition: admitted.partition)
    EventEncoder.append(
      stamp: admitted.stamp,
      routing: routing,
      bag: bag.span,
      body: body.span,
      to: &batch.records
    )
    do throws(LogFault) {
      try batch.records.endRecord()
    } catch {
      throw AMQPError(AMQPError.messageSizeExceeded, "the messages are too large together")
    }
  }

  private static func message(_ bytes: [UInt8]) throws(AMQPError) -> AMQPMessage {
    do throws(AMQPFault) {
      return try AMQPMessage(bytes.span)
    } catch {
      throw AMQPError(AMQPError.decodeError, "\(error)")
    }
  }

  /// What annotations of a message say as system properties.
  private static let annotated: [(String, SystemProperty)] = [
    ("iothub-interface-id", .interfaceID), ("dt-subject", .component),
    (outputName, .outputName),
  ]
  private static let outputName = "iothub-outputname"

  /// The properties as a device's event stores them.
  private static func bag(_ message: AMQPMessage, takesOutput: Bool) -> [UInt8] {
    var fields = MessageFieldList(message)
    var writer = PropertyBagWriter()
    if takesOutput { writer.append(.outputName, fields.take(outputName)) }
    for (property, value) in fields.system { writer.append(property, value) }
    for (name, property) in annotated {
      writer.append(property, message.messageAnnotations[name].flatMap(MessageFieldList.text))
    }
    for property in fields.application { writer.append(property) }
    return writer.bytes
  }
}

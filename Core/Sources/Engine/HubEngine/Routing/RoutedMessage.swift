import ByteIO
public import HubContract
import JSONTree

/// A message as an endpoint gets it: read from the log, with the enrichments of that endpoint.
public struct RoutedMessage: Sendable {
  /// What it tells about.
  public let source: EventSource
  /// Its properties.
  public let properties: EventProperties
  /// Its body.
  public let body: [UInt8]
  /// Its partition.
  public let partition: UInt16
  /// Its number in the partition.
  public let sequence: UInt64
  /// When it was enqueued.
  public let enqueuedTime: Timestamp

  /// Reads a message for `destination`; nil if it does not go there.
  public init?(
    _ view: EventView,
    at destination: EventDestinations,
    partition: UInt16,
    sequence: UInt64,
    enqueuedTime: Timestamp
  ) {
    guard !view.destinations.isDisjoint(with: destination) else { return nil }
    source = view.source
    properties = view.properties(at: destination)
    body = view.body.array()
    self.partition = partition
    self.sequence = sequence
    self.enqueuedTime = enqueuedTime
  }

  /// Its system properties under the names that routing uses, in the original's order.
  var systemProperties: [(key: String, value: String)] {
    let pairs: [(String, String?)] = [
      ("messageId", properties.messageID),
      ("correlationId", properties.correlationID),
      ("userId", properties.userID),
      ("connectionDeviceId", properties.annotation("iothub-connection-device-id")),
      ("connectionModuleId", properties.annotation("iothub-connection-module-id")),
      ("connectionAuthMethod", properties.annotation("iothub-connection-auth-method")),
      (
        "connectionDeviceGenerationId",
        properties.annotation("iothub-connection-auth-generation-id")
      ),
      ("contentType", properties.contentType),
      ("contentEncoding", properties.contentEncoding),
      ("dt-dataschema", properties.annotation("dt-dataschema")),
      ("dt-subject", properties.annotation("dt-subject")),
      ("enqueuedTime", enqueuedTime.iso8601),
    ]
    return pairs.compactMap { key, value in value.map { (key, $0) } }
  }

  /// Its application properties; a null is an empty text, since maps of text have no other.
  var applicationProperties: [(key: String, value: String)] {
    properties.application.map { ($0.name, $0.value ?? "") }
  }

  /// Its body as JSON if it is declared so and is, else its base64 text.
  var jsonBody: JSONValue {
    if properties.declaresJSON, let value = try? JSON.parse(body) { return value }
    return .string(Base64.encode(body))
  }

  /// One line of a JSON file, with its line feed.
  public var jsonLine: [UInt8] {
    let object: JSONValue = [
      "EnqueuedTimeUtc": .string(enqueuedTime.iso8601),
      "Properties": Self.object(applicationProperties),
      "SystemProperties": Self.object(systemProperties),
      "Body": jsonBody,
    ]
    return JSON.bytes(object) + [0x0A]
  }

  /// Its record in an Avro file; see `AvroContainer.schema`.
  public var avroRecord: [UInt8] {
    var writer = AvroWriter()
    writer.string(enqueuedTime.iso8601)
    writer.map(applicationProperties) { $0.string($1) }
    writer.map(systemProperties) { $0.string($1) }
    // The second branch of the union.
    writer.long(1)
    writer.bytes(body)
    return writer.bytes
  }

  static func object(_ pairs: [(key: String, value: String)]) -> JSONValue {
    .object(JSONObject(pairs.lazy.map { (key: $0.key, value: JSONValue.string($0.value)) }))
  }
}

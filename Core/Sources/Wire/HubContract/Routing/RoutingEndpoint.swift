/// A place besides the built-in stream that messages can be routed to.
public struct RoutingEndpoint: Equatable, Sendable {
  /// What kind of place it is, with its settings.
  public enum Kind: Equatable, Sendable {
    /// A further event stream, read as the built-in one under its own name.
    case eventStream
    /// Files in a container.
    case storage(StorageEndpoint)
    /// A URL that CloudEvents are posted to.
    case webhook(WebhookEndpoint)
    /// A topic of an MQTT server.
    case mqttTopic(MQTTTopicEndpoint)
  }

  /// Its name, unique but for case.
  public var name: String
  /// What kind of place it is.
  public var kind: Kind
  /// Its number in records, given by the hub when the endpoint is made; 0 before.
  public var slot = 0

  /// Creates an endpoint without a slot.
  public init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }

  /// Whether the hub brings events there; those of a stream are read where they are, in the log.
  public var isDelivered: Bool { kind != .eventStream }

  /// Its bit in records; nothing without a slot.
  public var destination: EventDestinations { EventDestinations(slot: slot) }
}

/// The settings of a storage endpoint.
public struct StorageEndpoint: Equatable, Sendable {
  /// How messages are written.
  public enum Encoding: String, Sendable, CaseIterable {
    /// An Avro object container file without compression.
    case avro = "Avro"
    /// One JSON object a line.
    case json = "JSON"
  }

  /// The folder under the hub's storage.
  public var container: String
  /// How files are named.
  public var fileNameFormat = BlobNameFormat.standard
  /// How messages are written.
  public var encoding = Encoding.avro
  /// A file is closed so many seconds after its first message.
  public var batchSeconds = 300
  /// A file is closed before it grows beyond so many bytes.
  public var batchBytes = 314_572_800

  /// What `batchSeconds` can be.
  public static let batchSecondsRange = 60...720
  /// What `batchBytes` can be.
  public static let batchBytesRange = 10_485_760...524_288_000

  /// Creates settings with the original's defaults.
  public init(container: String) { self.container = container }
}

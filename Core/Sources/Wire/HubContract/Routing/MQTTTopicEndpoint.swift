/// The settings of an endpoint that is a topic of an MQTT server.
///
/// What proves who the hub is stands in files of the hub's machine, for the reasons of
/// `WebhookEndpoint.Secret`; here are their names.
public struct MQTTTopicEndpoint: Equatable, Sendable {
  /// What a message holds.
  public enum Payload: String, Sendable, CaseIterable {
    /// A CloudEvent in JSON, with properties and system properties.
    case cloudEvents = "CloudEvents"
    /// The body as the device sent it, and nothing else.
    case body = "Body"
  }

  /// Name or address of the server.
  public var host: String
  /// Its port.
  public var port = Self.encryptedPort
  /// Whether the connection is encrypted.
  public var isEncrypted = true
  /// Where messages are published.
  public var topic: MQTTTopicFormat
  /// What they hold.
  public var payload = Payload.cloudEvents
  /// The client identifier; nil for one made of the names of hub and endpoint.
  public var clientID: String?
  /// The user name.
  public var userName: String?
  /// File with the user's password.
  public var passwordName: String?
  /// PEM file of the authorities that the server's certificate may come from; nil for the system's.
  public var authorityName: String?
  /// PEM file with the hub's certificate for the server, leaf first, and its key.
  public var certificateName: String?
  /// Most messages of one partition that wait for the server's acknowledgement.
  public var inFlightCount = 32
  /// Seconds after which an event that can't be delivered is dead-lettered.
  public var timeToLiveSeconds = 86_400

  /// The port that servers listen on with TLS.
  public static let encryptedPort = 8883
  /// The port that they listen on without.
  public static let plainPort = 1883
  /// What `inFlightCount` can be.
  public static let inFlightCountRange = 1...100

  /// Creates settings with the defaults.
  public init(host: String, topic: MQTTTopicFormat) {
    self.host = host
    self.topic = topic
  }

  /// Whether the server is on this machine itself.
  public var isLoopback: Bool { HostName.isLoopback(host) }

  /// The files that are named.
  public var fileNames: [String] {
    [passwordName, authorityName, certificateName].compactMap(\.self)
  }
}

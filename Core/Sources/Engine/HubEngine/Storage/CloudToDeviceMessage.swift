internal import ByteIO
public import HubContract

/// Which outcomes of a cloud-to-device message its sender wants to hear of (contract §3.5, §8.2).
public typealias CloudToDeviceAcknowledgement = DeliveryAcknowledgement

/// The name of one delivery of a message or of one feedback batch: 16 random bytes.
public struct LockToken: Hashable, Sendable, CustomStringConvertible {
  /// The bytes, as an AMQP delivery tag carries them.
  public let bytes: [UInt8]

  /// Creates a token; nil unless there are 16 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// Creates a token from its text: 32 hexadecimal digits, with or without hyphens as in a UUID.
  public init?(_ text: String) {
    guard let bytes = Hex.decode(text.utf8.filter { $0 != UInt8(ascii: "-") }) else { return nil }
    self.init(bytes: bytes)
  }

  /// The text of a UUID, in lower case.
  public var description: String {
    let digits = Array(Hex.encode(bytes).utf8)
    let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
    return groups.map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
  }
}

/// Who holds a delivered message: a connection's number.
///
/// Numbers rise from connection to connection as long as the hub runs, so that of two connections of
/// one device the later is known.
public struct ConnectionID: Hashable, Sendable {
  /// The number; the driver gives it, 0 stands for an HTTP request.
  public let rawValue: UInt64

  /// Creates the ID of connection number `rawValue`.
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// A holder without a connection: who takes messages by HTTP.
  public static let http = ConnectionID(0)
}

/// A cloud-to-device message in its device's queue (contract §3.5).
public struct CloudToDeviceMessage: Equatable, Sendable {
  /// One delivery that is under way; meanwhile nobody else sees the message.
  public struct Lock: Equatable, Sendable {
    /// Names the delivery.
    public var token: LockToken
    /// Who was given the message.
    public var holder: ConnectionID
    /// When the lock ends by itself; nil: with the holder's connection, as for MQTT.
    public var until: Timestamp?

    /// Creates a lock.
    public init(token: LockToken, holder: ConnectionID, until: Timestamp?) {
      self.token = token
      self.holder = holder
      self.until = until
    }
  }

  /// The device it is for.
  public var deviceID: String
  /// Place in the queue: rises with every message of the hub and is never used again.
  public var sequence: UInt64
  /// The sender's name for it, if any; feedback repeats it.
  public var messageID: String?
  /// Which outcomes the sender wants to hear of.
  public var acknowledgement: CloudToDeviceAcknowledgement
  /// When it was queued.
  public var enqueuedTime: Timestamp
  /// When it stops being delivered.
  public var expiryTime: Timestamp
  /// System and application properties as a property bag (contract §3.4), ready for the topic.
  public var properties: [UInt8]
  /// The body.
  public var body: [UInt8]
  /// Deliveries begun so far.
  public var deliveryCount: Int
  /// The delivery that is under way, if any.
  public var lock: Lock?

  /// Creates a message.
  public init(
    deviceID: String,
    sequence: UInt64 = 0,
    messageID: String? = nil,
    acknowledgement: CloudToDeviceAcknowledgement = .none,
    enqueuedTime: Timestamp,
    expiryTime: Timestamp,
    properties: [UInt8] = [],
    body: [UInt8],
    deliveryCount: Int = 0,
    lock: Lock? = nil
  ) {
    self.deviceID = deviceID
    self.sequence = sequence
    self.messageID = messageID
    self.acknowledgement = acknowledgement
    self.enqueuedTime = enqueuedTime
    self.expiryTime = expiryTime
    self.properties = properties
    self.body = body
    self.deliveryCount = deliveryCount
    self.lock = lock
  }
}

/// Which cloud-to-device messages are wanted.
public enum CloudToDeviceFilter: Equatable, Sendable {
  /// All of a device, held or not.
  case queued(deviceID: String)
  /// Those of a device that nobody holds.
  case available(deviceID: String)
  /// The one of a device that was delivered under this token.
  case delivered(deviceID: String, token: LockToken)
  /// Those of a device that this connection holds.
  case held(deviceID: String, holder: ConnectionID)
  /// Those of all devices that somebody holds.
  case allHeld
  /// Those of all devices that nobody holds and whose `expiryTime` is not after this.
  case expired(Timestamp)
  /// Those of all devices whose lock's `until` is not after this.
  case lapsed(Timestamp)
}

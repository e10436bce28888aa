public import HubContract

/// Which outcomes of a cloud-to-device message its sender wants to hear of (contract §3.5, §8.2).
public typealias CloudToDeviceAcknowledgement = DeliveryAcknowledgement

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

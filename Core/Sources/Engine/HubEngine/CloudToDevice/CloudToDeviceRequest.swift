public import HubContract

/// A message that a sender wants queued for a device (contract §3.5, §8.2).
public struct CloudToDeviceRequest: Equatable, Sendable {
  /// Where `properties.to` points; modules are refused.
  public var recipient: IdentityKey
  /// The sender's name for the message, if any.
  public var messageID: String?
  /// Which outcomes the sender wants to hear of.
  public var acknowledgement: CloudToDeviceAcknowledgement
  /// The sender's own expiry, if any.
  public var expiryTime: Timestamp?
  /// System and application properties as a property bag, ready for the topic.
  public var properties: [UInt8]
  /// What the properties count towards the size limit (contract §3.4).
  public var propertyByteCount: Int
  /// The body.
  public var body: [UInt8]

  /// Creates a request.
  public init(
    recipient: IdentityKey,
    messageID: String? = nil,
    acknowledgement: CloudToDeviceAcknowledgement = .none,
    expiryTime: Timestamp? = nil,
    properties: [UInt8] = [],
    propertyByteCount: Int = 0,
    body: [UInt8]
  ) {
    self.recipient = recipient
    self.messageID = messageID
    self.acknowledgement = acknowledgement
    self.expiryTime = expiryTime
    self.properties = properties
    self.propertyByteCount = propertyByteCount
    self.body = body
  }
}

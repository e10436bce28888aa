public import HubContract

/// What became of a cloud-to-device message, for its sender (contract §8.2).
public struct FeedbackRecord: Equatable, Sendable {
  /// How it ended.
  public enum Status: String, Sendable, CaseIterable {
    /// The device completed it.
    case success = "Success"
    /// It was not delivered in time.
    case expired = "Expired"
    /// It was delivered too often without being completed.
    case deliveryCountExceeded = "DeliveryCountExceeded"
    /// The device rejected it.
    case rejected = "Rejected"
    /// An operator emptied the queue.
    case purged = "Purged"
  }

  /// Place in the feedback queue: rises with every record and is never used again.
  public var sequence: UInt64
  /// The message's ID, empty if it had none.
  public var originalMessageID: String
  /// When the outcome was recorded.
  public var enqueuedTime: Timestamp
  /// How it ended.
  public var status: Status
  /// The device.
  public var deviceID: String
  /// The device's generation at that time.
  public var deviceGenerationID: String

  /// Creates a record.
  public init(
    sequence: UInt64 = 0,
    originalMessageID: String,
    enqueuedTime: Timestamp,
    status: Status,
    deviceID: String,
    deviceGenerationID: String
  ) {
    self.sequence = sequence
    self.originalMessageID = originalMessageID
    self.enqueuedTime = enqueuedTime
    self.status = status
    self.deviceID = deviceID
    self.deviceGenerationID = deviceGenerationID
  }
}

/// How cloud-to-device messages and their feedback are handled (contract §3.5, §8.2).
public struct CloudToDeviceRules: Equatable, Sendable {
  /// Seconds for which a taker may ask to hold a message.
  public static let lockSecondsRange: ClosedRange<Int64> = 5...300

  /// Life of a message whose sender states none, in seconds; 60 to 172,800.
  public var defaultTimeToLiveSeconds: Int64 = 3600
  /// Deliveries after which a message that was never completed is given up; 1 to 100.
  public var maximumDeliveryCount = 10
  /// How long a taker without a lasting connection holds a message, in seconds; within
  /// `lockSecondsRange`.
  public var lockSeconds: Int64 = 60
  /// Records in one feedback batch.
  public var feedbackBatchRecords = 64
  /// How long a consumer holds a feedback batch, in seconds.
  public var feedbackLockSeconds: Int64 = 60
  /// Life of a feedback record, in seconds.
  public var feedbackTimeToLiveSeconds: Int64 = 3600
  /// Feedback batches held at once; over: nothing is handed out until one comes back.
  public var heldFeedbackBatches = 64

  /// The documented defaults.
  public init() {}
}

internal import ByteIO
public import HubContract
internal import JSONTree

/// Feedback records that one consumer holds until it completes or abandons them (contract §8.2).
public struct FeedbackBatch: Equatable, Sendable {
  /// Names the batch: the AMQP delivery tag, the HTTP ETag.
  public var token: LockToken
  /// The records, oldest first, at least one.
  public var records: [FeedbackRecord]
  /// When the batch was made.
  public var enqueuedTime: Timestamp

  /// Creates a batch.
  public init(token: LockToken, records: [FeedbackRecord], enqueuedTime: Timestamp) {
    self.token = token
    self.records = records
    self.enqueuedTime = enqueuedTime
  }

  /// The content type of `body`.
  public static let contentType = "application/vnd.microsoft.iothub.feedback.json"

  /// The records as a JSON array (contract §8.2).
  public var body: [UInt8] {
    let array = records.map { record -> JSONValue in
      [
        "originalMessageId": .string(record.originalMessageID),
        "enqueuedTimeUtc": .string(record.enqueuedTime.iso8601),
        "statusCode": .string(record.status.rawValue),
        "description": .string(record.status.rawValue),
        "deviceId": .string(record.deviceID),
        "deviceGenerationId": .string(record.deviceGenerationID),
      ]
    }
    return JSON.bytes(.array(array))
  }
}

/// A batch as the engine remembers it.
struct HeldFeedback: Equatable, Sendable {
  /// The records' sequences.
  var sequences: [UInt64]
  /// When the hold ends by itself.
  var until: Timestamp
}

public import HubContract
internal import JSONTree

/// What services are told of an uploaded file (contract §8.2).
public struct FileNotification: Equatable, Sendable {
  /// Place in the queue: rises with every notification and is never used again.
  public var sequence: UInt64
  /// The device.
  public var deviceID: String
  /// The file.
  public var key: BlobKey
  /// How many bytes it has.
  public var byteCount: Int64
  /// When it was written.
  public var lastUpdatedTime: Timestamp
  /// When the device completed the upload.
  public var enqueuedTime: Timestamp
  /// Deliveries begun so far.
  public var deliveryCount: Int

  /// Creates a notification.
  public init(
    sequence: UInt64 = 0,
    deviceID: String,
    key: BlobKey,
    byteCount: Int64,
    lastUpdatedTime: Timestamp,
    enqueuedTime: Timestamp,
    deliveryCount: Int = 0
  ) {
    self.sequence = sequence
    self.deviceID = deviceID
    self.key = key
    self.byteCount = byteCount
    self.lastUpdatedTime = lastUpdatedTime
    self.enqueuedTime = enqueuedTime
    self.deliveryCount = deliveryCount
  }

  /// The content type of `body`.
  public static let contentType = "application/vnd.microsoft.iothub.filenotification.json"

  /// The notification as JSON, for a hub whose blobs are below `endpoint`, such as `https://hub.example`.
  public func body(endpoint: String) -> [UInt8] {
    JSON.bytes([
      "deviceId": .string(deviceID),
      "blobUri": .string("\(endpoint)/\(key.container)/\(key.urlName)"),
      "blobName": .string(key.name),
      "lastUpdatedTime": .string(lastUpdatedTime.iso8601),
      "blobSizeInBytes": .int(byteCount),
      "enqueuedTimeUtc": .string(enqueuedTime.iso8601),
    ])
  }
}

/// A notification that one consumer holds until it completes or abandons it.
public struct HeldFileNotification: Equatable, Sendable {
  /// Names the hold: the AMQP delivery tag, the HTTP ETag.
  public var token: LockToken
  /// What is held.
  public var notification: FileNotification
}

public import HubContract

/// An upload that a device has begun and not completed (contract §5).
public struct FileUpload: Equatable, Sendable {
  /// What the device calls it by: 32 hexadecimal digits.
  public var correlationID: String
  /// The device.
  public var deviceID: String
  /// Where the file goes.
  public var key: BlobKey
  /// When the upload and its signature end.
  public var expiryTime: Timestamp

  /// Creates an upload.
  public init(correlationID: String, deviceID: String, key: BlobKey, expiryTime: Timestamp) {
    self.correlationID = correlationID
    self.deviceID = deviceID
    self.key = key
    self.expiryTime = expiryTime
  }
}

/// How uploaded files are handled (contract §5, §8.2, §10).
public struct FileRules: Equatable, Sendable {
  /// The container of devices' uploads.
  public var container = "uploads"
  /// Life of an upload and of its signature, in seconds.
  public var uploadSeconds: Int64 = 3600
  /// How long an upload that was never completed is remembered past its life, in seconds, so that its
  /// device learns why it is too late.
  public var expiredUploadSeconds: Int64 = 86_400
  /// How long a block waits to become part of a blob, in seconds; then it is removed.
  public var blockSeconds: Int64 = 86_400
  /// Whether a completed upload is told to services.
  public var isNotifying = true
  /// Life of a notification, in seconds.
  public var notificationTimeToLiveSeconds: Int64 = 3600
  /// Deliveries after which a notification that was never completed is given up.
  public var notificationMaximumDeliveryCount = 10
  /// How long a consumer holds a notification, in seconds.
  public var notificationLockSeconds: Int64 = 60
  /// Notifications held at once; over: nothing is handed out until one comes back.
  public var heldNotifications = 1_024

  /// The documented defaults.
  public init() {}
}

/// What an identity's answers show of its connection, joined to it when it is read.
///
/// Kept apart from the identity, because it changes without touching the identity's ETag
/// (contract §7.3).
public struct IdentityActivity: Equatable, Sendable {
  /// Whether a client of this identity is connected.
  public var isConnected: Bool
  /// When `isConnected` last changed.
  public var connectionStateUpdatedTime: Timestamp
  /// When the identity last connected, sent or acknowledged something.
  public var lastActivityTime: Timestamp
  /// Cloud-to-device messages that wait.
  public var cloudToDeviceMessageCount: Int

  /// Creates a state; without arguments that of an identity that never connected.
  public init(
    isConnected: Bool = false,
    connectionStateUpdatedTime: Timestamp = .never,
    lastActivityTime: Timestamp = .never,
    cloudToDeviceMessageCount: Int = 0
  ) {
    self.isConnected = isConnected
    self.connectionStateUpdatedTime = connectionStateUpdatedTime
    self.lastActivityTime = lastActivityTime
    self.cloudToDeviceMessageCount = cloudToDeviceMessageCount
  }
}

public import HubContract

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

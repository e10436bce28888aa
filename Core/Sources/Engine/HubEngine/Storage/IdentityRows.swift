public import HubContract

/// What the storage remembers of an identity's connections.
public struct ConnectionRecord: Equatable, Sendable {
  /// When the identity last connected or disconnected.
  public var stateUpdatedTime: Timestamp
  /// When it last connected, sent or acknowledged something, as of the last write of this record.
  public var lastActivityTime: Timestamp
  /// Number of the last connection-state event, rising by one with each (contract §9.3).
  public var sequenceNumber: UInt64

  /// Creates a record; without arguments that of an identity that never connected.
  public init(
    stateUpdatedTime: Timestamp = .never,
    lastActivityTime: Timestamp = .never,
    sequenceNumber: UInt64 = 0
  ) {
    self.stateUpdatedTime = stateUpdatedTime
    self.lastActivityTime = lastActivityTime
    self.sequenceNumber = sequenceNumber
  }
}

/// A device with all that its answers and query rows show.
public struct DeviceRow: Equatable, Sendable {
  /// The identity.
  public var identity: DeviceIdentity
  /// Its twin.
  public var twin: TwinRecord
  /// What is known of its connections.
  public var connection: ConnectionRecord
  /// Cloud-to-device messages that wait, the locked ones included.
  public var cloudToDeviceCount: Int
  /// What configurations have done to it, if anything.
  public var configurations: ConfigurationState?

  /// Creates a row.
  public init(
    identity: DeviceIdentity,
    twin: TwinRecord,
    connection: ConnectionRecord = ConnectionRecord(),
    cloudToDeviceCount: Int = 0,
    configurations: ConfigurationState? = nil
  ) {
    self.identity = identity
    self.twin = twin
    self.connection = connection
    self.cloudToDeviceCount = cloudToDeviceCount
    self.configurations = configurations
  }
}

/// A module with all that its answers and query rows show.
public struct ModuleRow: Equatable, Sendable {
  /// The identity.
  public var identity: ModuleIdentity
  /// The device that it belongs to, whose status counts for the module.
  public var device: DeviceIdentity
  /// Its twin.
  public var twin: TwinRecord
  /// What is known of its connections.
  public var connection: ConnectionRecord
  /// What configurations have done to it, if anything.
  public var configurations: ConfigurationState?

  /// Creates a row.
  public init(
    identity: ModuleIdentity,
    device: DeviceIdentity,
    twin: TwinRecord,
    connection: ConnectionRecord = ConnectionRecord(),
    configurations: ConfigurationState? = nil
  ) {
    self.identity = identity
    self.device = device
    self.twin = twin
    self.connection = connection
    self.configurations = configurations
  }
}

/// Devices by status (contract §7.10).
public struct RegistryStatistics: Equatable, Sendable {
  /// Devices that may connect.
  public var enabledDeviceCount: Int
  /// Devices that may not.
  public var disabledDeviceCount: Int

  /// Creates a count.
  public init(enabledDeviceCount: Int = 0, disabledDeviceCount: Int = 0) {
    self.enabledDeviceCount = enabledDeviceCount
    self.disabledDeviceCount = disabledDeviceCount
  }

  /// All devices.
  public var totalDeviceCount: Int { enabledDeviceCount + disabledDeviceCount }
}

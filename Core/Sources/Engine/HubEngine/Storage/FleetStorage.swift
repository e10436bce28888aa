public import HubContract

/// What names a device's part in a job; ordered by device, then by job, each by its UTF-8 bytes.
public struct DeviceJobKey: Hashable, Comparable, Sendable {
  /// The device.
  public var deviceID: String
  /// The job.
  public var jobID: String

  /// Creates a key.
  public init(deviceID: String, jobID: String) {
    self.deviceID = deviceID
    self.jobID = jobID
  }

  /// Whether `first` comes before `second`.
  public static func < (first: DeviceJobKey, second: DeviceJobKey) -> Bool {
    // A job ID orders as a module ID would.
    IdentityKey(deviceID: first.deviceID, moduleID: first.jobID)
      < IdentityKey(deviceID: second.deviceID, moduleID: second.jobID)
  }
}

/// How far a walk through all devices has come, which a changed configuration asks for.
public struct ConfigurationSweep: Equatable, Sendable {
  /// The last device that was looked at, nil at the beginning.
  public var after: String?

  /// Creates a walk.
  public init(after: String? = nil) { self.after = after }
}

/// What the rules of configurations and jobs read, beside `HubStorageReader`.
///
/// Apart from it, so that a storage can do without. All IDs are ordered by their UTF-8 bytes.
public protocol FleetStorageReader: HubStorageReader {
  /// All configurations, in the order of their IDs.
  func configurations() throws(StorageFault) -> [Configuration]
  /// The configuration called `id`.
  func configuration(_ id: String) throws(StorageFault) -> Configuration?
  /// What configurations have done to a twin, nil if nothing.
  func configurationState(of key: IdentityKey) throws(StorageFault) -> ConfigurationState?
  /// At most `limit` identities that come after `key` and in whose states the configuration stands,
  /// in the order of `IdentityKey`.
  func twinKeys(
    configuredBy configurationID: String,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey]
  /// How far the walk through all devices has come, nil if there is none to do.
  func configurationSweep() throws(StorageFault) -> ConfigurationSweep?

  /// The job called `id`.
  func job(_ id: String) throws(StorageFault) -> ScheduledJob?
  /// At most `limit` jobs that come after `id`, in the order of their IDs.
  func jobs(after id: String?, limit: Int) throws(StorageFault) -> [ScheduledJob]
  /// All jobs that have not ended, in the order of their start, then of their IDs.
  func unfinishedJobs() throws(StorageFault) -> [ScheduledJob]
  /// At most `limit` jobs that ended before `time`, in the order of their ends.
  func jobs(endedBefore time: Timestamp, limit: Int) throws(StorageFault) -> [ScheduledJob]
  /// A device's part in a job.
  func deviceJob(_ key: DeviceJobKey) throws(StorageFault) -> DeviceJob?
  /// At most `limit` parts of all jobs that come after `key`, in the order of `DeviceJobKey`.
  func deviceJobs(after key: DeviceJobKey?, limit: Int) throws(StorageFault) -> [DeviceJob]
  /// At most `limit` parts of one job whose device comes after `deviceID`, in the order of devices;
  /// only those that have not ended where `openOnly`, in time that does not grow with the others.
  func deviceJobs(
    of jobID: String,
    openOnly: Bool,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceJob]
}

/// What the rules of configurations and jobs read and write, in the transactions of `HubStorage`.
///
/// `HubStorage.deleteTwin` deletes the twin's configuration state too, and `deviceRow`, `moduleRow`
/// and their lists fill in `configurations`.
public protocol FleetStorage: HubStorage, FleetStorageReader {
  /// Creates or replaces a configuration.
  mutating func put(_ configuration: Configuration) throws(StorageFault)
  /// Deletes a configuration alone: the engine cleans up after it.
  mutating func deleteConfiguration(_ id: String) throws(StorageFault)
  /// Sets what configurations have done to a twin; nil forgets it.
  mutating func setConfigurationState(
    _ state: ConfigurationState?,
    of key: IdentityKey
  ) throws(StorageFault)
  /// Sets how far the walk through all devices has come; nil ends it.
  mutating func setConfigurationSweep(_ sweep: ConfigurationSweep?) throws(StorageFault)

  /// Creates or replaces a job.
  mutating func put(_ job: ScheduledJob) throws(StorageFault)
  /// Deletes a job alone.
  mutating func deleteJob(_ id: String) throws(StorageFault)
  /// Creates or replaces a device's part in a job.
  mutating func put(_ deviceJob: DeviceJob) throws(StorageFault)
  /// Deletes a device's part in a job.
  mutating func deleteDeviceJob(_ key: DeviceJobKey) throws(StorageFault)
}

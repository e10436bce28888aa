public import HubContract
public import HubEngine

extension SimHubStorage: FleetStorage {
  /// All configurations.
  public func configurations() throws(StorageFault) -> [Configuration] {
    tables.configurations.values.sorted { HubTables.ordinal($0.id, $1.id) }
  }

  /// The configuration called `id`.
  public func configuration(_ id: String) throws(StorageFault) -> Configuration? {
    tables.configurations[id]
  }

  /// What configurations have done to a twin.
  public func configurationState(
    of key: IdentityKey
  ) throws(StorageFault) -> ConfigurationState? {
    tables.configurationStates[key]
  }

  /// The twins in whose states a configuration stands.
  public func twinKeys(
    configuredBy configurationID: String,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey] {
    let keys = tables.configurationStates.filter { candidate, state in
      state.entries.contains { $0.configurationID == configurationID }
        && (key.map { $0 < candidate } ?? true)
    }
    return Array(keys.keys.sorted().prefix(limit))
  }

  /// How far the walk through all devices has come.
  public func configurationSweep() throws(StorageFault) -> ConfigurationSweep? {
    tables.configurationSweep
  }

  /// The job called `id`.
  public func job(_ id: String) throws(StorageFault) -> ScheduledJob? { tables.jobs[id] }

  /// Jobs by ID.
  public func jobs(after id: String?, limit: Int) throws(StorageFault) -> [ScheduledJob] {
    tables.jobs.page(after: id, limit: limit, by: HubTables.ordinal)
  }

  /// Jobs that have not ended.
  public func unfinishedJobs() throws(StorageFault) -> [ScheduledJob] {
    tables.jobs.values.filter { !$0.status.isFinal }.sorted { first, second in
      first.startTime == second.startTime
        ? HubTables.ordinal(first.id, second.id) : first.startTime < second.startTime
    }
  }

  /// Jobs that ended before a time.
  public func jobs(
    endedBefore time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [ScheduledJob] {
    let ended = tables.jobs.values.compactMap { job in
      job.endTime.flatMap { $0 < time ? (end: $0, job: job) : nil }
    }
    return ended.sorted { ($0.end, $0.job.id) < ($1.end, $1.job.id) }.prefix(limit).map(\.job)
  }

  /// A device's part in a job.
  public func deviceJob(_ key: DeviceJobKey) throws(StorageFault) -> DeviceJob? {
    tables.deviceJobs[key]
  }

  /// Parts of all jobs.
  public func deviceJobs(
    after key: DeviceJobKey?,
    limit: Int
  ) throws(StorageFault) -> [DeviceJob] {
    tables.deviceJobs.page(after: key, limit: limit, by: <)
  }

  /// Parts of one job.
  public func deviceJobs(
    of jobID: String,
    openOnly: Bool,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceJob] {
    let parts = tables.deviceJobs.values.filter { part in
      part.jobID == jobID && !(openOnly && part.status.isFinal)
        && (deviceID.map { HubTables.ordinal($0, part.deviceID) } ?? true)
    }
    return Array(parts.sorted { $0.key < $1.key }.prefix(limit))
  }

  /// Creates or replaces a configuration.
  public mutating func put(_ configuration: Configuration) throws(StorageFault) {
    try write { $0.configurations[configuration.id] = configuration }
  }

  /// Deletes a configuration alone.
  public mutating func deleteConfiguration(_ id: String) throws(StorageFault) {
    try write { $0.configurations[id] = nil }
  }

  /// Sets what configurations have done to a twin.
  public mutating func setConfigurationState(
    _ state: ConfigurationState?,
    of key: IdentityKey
  ) throws(StorageFault) {
    try write { $0.configurationStates[key] = state }
  }

  /// Sets how far the walk through all devices has come.
  public mutating func setConfigurationSweep(
    _ sweep: ConfigurationSweep?
  ) throws(StorageFault) {
    try write { $0.configurationSweep = sweep }
  }

  /// Creates or replaces a job.
  public mutating func put(_ job: ScheduledJob) throws(StorageFault) {
    try write { $0.jobs[job.id] = job }
  }

  /// Deletes a job alone.
  public mutating func deleteJob(_ id: String) throws(StorageFault) {
    try write { $0.jobs[id] = nil }
  }

  /// Creates or replaces a device's part in a job.
  public mutating func put(_ deviceJob: DeviceJob) throws(StorageFault) {
    try write { $0.deviceJobs[deviceJob.key] = deviceJob }
  }

  /// Deletes a device's part in a job.
  public mutating func deleteDeviceJob(_ key: DeviceJobKey) throws(StorageFault) {
    try write { $0.deviceJobs[key] = nil }
  }
}

public import HubContract
internal import JSONTree
internal import QueryLanguage

extension HubEngine where Storage: FleetStorage {
  /// Lets the configurations follow what the commands of this transaction have changed.
  ///
  /// The driver calls it before it commits, so that a twin and what configurations make of it become
  /// durable together.
  ///
  /// - Parameters:
  ///   - facts: what the driver knows of each identity's connection.
  ///   - now: the time.
  /// - Throws: only what the storage's faults become.
  public mutating func settleConfigurations(
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) {
    guard !touchedDevices.isEmpty else { return }
    let configurations = try configurations()
    let touched = touchedDevices
    touchedDevices = []
    // What configurations that are gone have left in the states is cleared by the walk.
    guard !configurations.all.isEmpty else { return }
    for deviceID in touched.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      try settle(deviceID, configurations, facts: facts, now: now)
    }
    // What was written now is no reason to look again: a condition on what it sets itself would
    // never come to rest.
    touchedDevices = []
  }

  /// Looks at the next devices after a configuration has changed.
  ///
  /// How far it has come is durable with what was written, so that it goes on there after a crash.
  ///
  /// - Parameters:
  ///   - limit: devices to look at, above 0.
  ///   - facts: what the driver knows of each identity's connection.
  ///   - now: the time.
  /// - Returns: whether there is more to do.
  /// - Throws: only what the storage's faults become.
  public mutating func sweepConfigurations(
    limit: Int,
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) -> Bool {
    let sweep = try stored { storage throws(StorageFault) in try storage.configurationSweep() }
    guard let sweep else { return false }
    let configurations = try configurations()
    let devices = try stored { storage throws(StorageFault) in
      try storage.devices(after: sweep.after, limit: limit)
    }
    for device in devices {
      try settle(device.deviceID, configurations, facts: facts, now: now)
      touchedDevices.remove(device.deviceID)
    }
    let isOver = devices.count < limit
    let next = isOver ? nil : ConfigurationSweep(after: devices.last?.deviceID)
    try stored { storage throws(StorageFault) in try storage.setConfigurationSweep(next) }
    return !isOver
  }

  /// The configurations as they are compiled, read anew when one has changed.
  private mutating func configurations() throws(HubError) -> CompiledConfigurations {
    let revision = try stored { storage throws(StorageFault) in
      try storage.counter(.configuration)
    }
    if let known = compiledConfigurations, known.revision == revision { return known }
    let all = try stored { storage throws(StorageFault) in try storage.configurations() }
    let compiled = try CompiledConfigurations(all, revision: revision)
    compiledConfigurations = compiled
    return compiled
  }

  /// Lets the configurations follow one device with all its modules.
  private mutating func settle(
    _ deviceID: String,
    _ configurations: CompiledConfigurations,
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) {
    let row = try stored { storage throws(StorageFault) in try storage.deviceRow(deviceID) }
    guard let row else { return }
    let (plan, deployment) = configurations.plan(for: row, facts: facts(row.identity.key))
    try carryOut(plan, on: row.identity.key, configurations, now: now)
    try createModules(deployment.namedModules, of: deviceID, now: now)

    let modules = try stored { storage throws(StorageFault) in try storage.modules(of: deviceID) }
    for module in modules {
      var row: ModuleRow?
      if configurations.areForModules {
        row = try stored { storage throws(StorageFault) in try storage.moduleRow(module.key) }
        guard row != nil else { continue }
      }
      let plan = configurations.plan(
        forModule: module.moduleID,
        row,
        deployment: deployment,
        facts: facts(module.key)
      )
      try carryOut(plan, on: module.key, configurations, now: now)
    }
  }

  /// Creates the modules of a deployment that are missing; their edge device vouches for them.
  private mutating func createModules(
    _ moduleIDs: [String],
    of deviceID: String,
    now: Timestamp
  ) throws(HubError) {
    for moduleID in moduleIDs {
      let key = IdentityKey(deviceID: deviceID, moduleID: moduleID)
      let module = try stored { storage throws(StorageFault) in try storage.module(key) }
      guard module == nil else { continue }
      do throws(HubError) {
        _ = try createModule(.deployed(key), twin: nil, now: now)
      } catch {
        // A device that is full of modules keeps those that it has.
        if fault != nil { throw error }
      }
    }
  }

  /// Writes what a plan wants of a twin, if it is not what is there already.
  ///
  /// Nothing is written as long as the same configurations apply, so that a person's change of the
  /// twin stays until one of them is changed.
  private mutating func carryOut(
    _ plan: DesiredPlan,
    on key: IdentityKey,
    _ configurations: CompiledConfigurations,
    now: Timestamp
  ) throws(HubError) {
    let state = try stored { storage throws(StorageFault) in
      try storage.configurationState(of: key)
    }
    let old = state?.entries ?? []
    var new = plan.entries
    guard old != new else { return }
    do throws(HubError) {
      try write(plan, on: key, replacing: old.filter(configurations.has), now: now)
    } catch {
      if fault != nil { throw error }
      // The twin cannot hold it. What is there stays, and is tried again with the next change.
      new = Self.postponed(new, keeping: old)
    }
    let entries = new
    guard entries != old else { return }
    try stored { storage throws(StorageFault) in
      try storage.setConfigurationState(
        entries.isEmpty ? nil : ConfigurationState(entries: entries),
        of: key
      )
    }
  }

  /// Removes what `old` has set and lays the plan's layers upon the rest, in one patch.
  private mutating func write(
    _ plan: DesiredPlan,
    on key: IdentityKey,
    replacing old: [ConfigurationState.Entry],
    now: Timestamp
  ) throws(HubError) {
    let twin = try stored { storage throws(StorageFault) in try storage.twin(key) }
    guard let twin else { throw .noTwin(key) }
    let present = try TwinSection.object(twin.desired.properties)
    let wanted = plan.desired(from: present, replacing: old)
    try setDesired(wanted, from: present, of: key, now: now)
  }

  /// The state while the twin cannot hold what is wanted: nothing applies that did not before.
  private static func postponed(
    _ wanted: [ConfigurationState.Entry],
    keeping old: [ConfigurationState.Entry]
  ) -> [ConfigurationState.Entry] {
    var entries: [ConfigurationState.Entry] = []
    for var entry in old where !entry.paths.isEmpty {
      let isWanted = wanted.contains { $0.isAbout(entry) }
      if isWanted { continue }
      entry.status = .leaving
      entries.append(entry)
    }
    for var entry in wanted {
      entry.status = .targeted
      entry.paths = old.first { $0.isAbout(entry) }?.paths ?? []
      entries.append(entry)
    }
    return entries
  }
}

extension HubEngine {
  /// Makes a twin's desired properties `wanted`, as one patch; writes nothing if they are.
  ///
  /// - Throws: 400004 if they are above a limit.
  mutating func setDesired(
    _ wanted: JSONObject,
    from present: JSONObject,
    of key: IdentityKey,
    now: Timestamp
  ) throws(HubError) {
    let patch = present.patch(to: wanted)
    guard !patch.isEmpty else { return }
    _ = try updateTwin(
      key,
      TwinUpdate(desired: .set(patch)),
      replacing: false,
      ifMatch: .any,
      now: now
    )
  }
}

extension ConfigurationState.Entry {
  /// Whether both are about the same configuration.
  fileprivate func isAbout(_ other: ConfigurationState.Entry) -> Bool {
    configurationID == other.configurationID && createdTime == other.createdTime
  }
}

extension ModuleIdentityRequest {
  /// A module that an edge device's agent runs.
  static func deployed(_ key: IdentityKey) -> ModuleIdentityRequest {
    ModuleIdentityRequest(
      deviceID: key.deviceID,
      moduleID: key.moduleID ?? "",
      authentication: .given(.none),
      managedBy: "iotEdge"
    )
  }
}

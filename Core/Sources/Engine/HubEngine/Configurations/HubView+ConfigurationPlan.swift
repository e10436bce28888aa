public import HubContract
internal import JSONTree
internal import QueryLanguage

extension HubView where Storage: FleetStorageReader {
  /// Tells which twins a change of the configurations would change, and how, without making it.
  ///
  /// It goes through the same steps as the walk after the change: what it tells is what would be
  /// written if nothing else happened meanwhile. Twins that this configuration does not target are
  /// left out; such a walk looks at them too, and finds them as they should be, unless a condition
  /// depends on what configurations set.
  ///
  /// - Parameters:
  ///   - intent: the change.
  ///   - pageSize: changed twins after which a page ends with its device.
  ///   - continuation: what the page before answered, nil to begin.
  ///   - facts: what the driver knows of each identity's connection.
  ///   - now: the time.
  /// - Returns: a page, which may be short or empty although more follow.
  /// - Throws: what the change itself would be refused with, but for its ETag; 400004 for a
  ///   continuation of something else.
  public func plan(
    _ intent: ConfigurationIntent,
    pageSize: Int,
    continuation: String?,
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) -> ConfigurationPlan {
    let (compiled, target, action) = try outlook(intent, now: now)
    let id = intent.configurationID
    let name = "plan \(action.rawValue) \(id) \(target == nil ? "" : intent.targetCondition)"
    var walk = ConfigurationWalk(configurationID: id, target: target)
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: name),
        case .after(let key) = read.position
      else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this plan.")
      }
      walk.position = key.deviceID
    }
    var plan = ConfigurationPlan(configurationID: id, action: action)
    func end(after deviceID: String) -> ConfigurationPlan {
      let key = IdentityKey(deviceID: deviceID)
      plan.continuation = QueryContinuation(.after(key), rowsLeft: .max).text(query: name)
      return plan
    }
    var last = walk.position
    while !walk.isOver {
      for deviceID in try walk.next(in: self, facts: facts) {
        if plan.changes.count >= pageSize, let last { return end(after: last) }
        try look(at: deviceID, compiled, facts: facts, &plan)
        last = deviceID
      }
      if let position = walk.position, walk.isLong { return end(after: position) }
    }
    return plan
  }

  /// The configurations as they would be, the condition of the one that is meant, and what happens
  /// to it.
  private func outlook(
    _ intent: ConfigurationIntent,
    now: Timestamp
  ) throws(HubError) -> (CompiledConfigurations, TwinQuery?, ConfigurationPlan.Action) {
    var all = try configurations(top: nil)
    let id = intent.configurationID
    let existing = all.first { $0.id == id }
    all.removeAll { $0.id == id }
    guard case .put(let request) = intent else {
      guard existing != nil else {
        throw HubError(.configurationNotFound, "There is no configuration \(id).")
      }
      return (try CompiledConfigurations(all, revision: 0), nil, .delete)
    }
    guard let content = request.content else {
      throw HubError(.invalidConfigurationContent, "content is missing.")
    }
    guard existing != nil || all.count < quotas.configurations else {
      throw HubError(
        .configurationCountLimitExceeded,
        "The hub has its maximum of \(quotas.configurations) configurations."
      )
    }
    let configuration = Configuration(
      request,
      content: existing?.content ?? content,
      createdTime: existing?.createdTime ?? now,
      lastUpdatedTime: now,
      etagCounter: (existing?.etagCounter ?? 0) &+ 1
    )
    try ConfigurationRules(quotas: quotas).check(configuration)
    all.append(configuration)
    let isBlank = request.targetCondition.allSatisfy(\.isWhitespace)
    return (
      try CompiledConfigurations(all, revision: 0),
      isBlank ? nil : try CompiledConfiguration(configuration).target,
      existing == nil ? .create : .update
    )
  }

  /// Adds what would happen to a device and its modules.
  private func look(
    at deviceID: String,
    _ configurations: CompiledConfigurations,
    facts: (IdentityKey) -> ConnectionFacts,
    _ plan: inout ConfigurationPlan
  ) throws(HubError) {
    let row = try stored { storage throws(StorageFault) in try storage.deviceRow(deviceID) }
    guard let row else { return }
    plan.deviceCount += 1
    let first = plan.changes.count
    let key = row.identity.key
    let wanted = configurations.plan(for: row, facts: facts(key))
    try note(wanted.device, row.twin, row.configurations, configurations, &plan)

    let modules = try stored { storage throws(StorageFault) in try storage.modules(of: deviceID) }
    var rows: [(row: ModuleRow, isNew: Bool)] = []
    for module in modules {
      let row = try stored { storage throws(StorageFault) in try storage.moduleRow(module.key) }
      if let row { rows.append((row, false)) }
    }
    let known = Set(modules.map(\.moduleID))
    for moduleID in wanted.deployment.namedModules where !known.contains(moduleID) {
      guard rows.count < quotas.modulesPerDevice else {
        var change = ConfigurationPlan.Change(
          key: IdentityKey(deviceID: deviceID, moduleID: moduleID)
        )
        change.refusal =
          "Device \(deviceID) has its maximum of \(quotas.modulesPerDevice) modules."
        plan.changes.append(change)
        continue
      }
      rows.append((ModuleRow(deployed: moduleID, on: row.identity), true))
    }
    for (row, isNew) in rows.sorted(by: { $0.row.identity.key < $1.row.identity.key }) {
      let key = row.identity.key
      let wanted = configurations.plan(
        forModule: row.identity.moduleID,
        row,
        deployment: wanted.deployment,
        facts: facts(key)
      )
      try note(wanted, row.twin, row.configurations, configurations, isNew: isNew, &plan)
    }
    for index in plan.changes.indices[first...]
    where plan.changes[index].key.moduleID == ModuleID.edgeAgent {
      plan.changes[index].isConnected = facts(plan.changes[index].key).isConnected
      plan.changes[index].childCount = try childCount(of: row.identity)
    }
  }

  /// Adds what would happen to one twin, if anything.
  private func note(
    _ wanted: DesiredPlan,
    _ twin: TwinRecord,
    _ state: ConfigurationState?,
    _ configurations: CompiledConfigurations,
    isNew: Bool = false,
    _ plan: inout ConfigurationPlan
  ) throws(HubError) {
    let old = state?.entries ?? []
    var new = wanted.entries
    guard old != new || isNew else { return }
    var change = ConfigurationPlan.Change(key: twin.key, isCreated: isNew)
    let present = try TwinSection.object(twin.desired.properties)
    let desired = wanted.desired(from: present, replacing: old.filter(configurations.has))
    let patch = present.patch(to: desired)
    if !patch.isEmpty {
      let limits = TwinLimits(quotas: quotas, section: .desired)
      do throws(HubError) {
        try limits.check(patch)
        try limits.checkSize(of: desired)
        change.desired = patch
        if twin.key.moduleID == ModuleID.edgeAgent {
          change.noteModules(from: present, to: desired)
        }
      } catch {
        change.refusal = error.message
        for index in new.indices { new[index].status = .targeted }
      }
    }
    change.statuses = Self.statuses(old, new)
    if !change.isEmpty { plan.changes.append(change) }
  }

  private static func statuses(
    _ old: [ConfigurationState.Entry],
    _ new: [ConfigurationState.Entry]
  ) -> [ConfigurationPlan.Status] {
    func status(
      _ id: String,
      _ entries: [ConfigurationState.Entry]
    ) -> ConfigurationState.Status? {
      entries.first { $0.configurationID == id && $0.status != .leaving }?.status
    }
    let ids = Set((old + new).map(\.configurationID))
    return ids.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.compactMap { id in
      let (before, after) = (status(id, old), status(id, new))
      guard before != after else { return nil }
      return ConfigurationPlan.Status(configurationID: id, before: before, after: after)
    }
  }
}

/// The devices that a configuration targets, or has targeted, in the order of their IDs.
private struct ConfigurationWalk {
  /// What one look into the storage takes at most.
  private static let batch = 512
  /// Cost of a page after which it ends: some 250 ms.
  private static let costLimit = 240_000_000
  /// Behind every module of a device: `~` and above are in no ID.
  private static let behindModules = "\u{7F}"

  let configurationID: String
  /// Nil if it targets nothing afterwards.
  let target: TwinQuery?
  /// The last device that was handed out or is known not to be meant.
  var position: String?
  private(set) var isOver = false
  private var cost = 0
  private let lookup: PropertyLookup?

  init(configurationID: String, target: TwinQuery?) {
    self.configurationID = configurationID
    self.target = target
    lookup = target.flatMap(PropertyLookup.init)
  }

  var isLong: Bool { cost > Self.costLimit }

  mutating func next<Storage: FleetStorageReader>(
    in view: HubView<Storage>,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> [String] {
    let last = position.map { IdentityKey(deviceID: $0, moduleID: Self.behindModules) }
    var devices: Set<String> = []
    var bound: String?
    func note(end: IdentityKey?) {
      guard let end = end?.deviceID else { return }
      if bound.map({ end.utf8.lexicographicallyPrecedes($0.utf8) }) ?? true { bound = end }
    }
    let id = configurationID
    let keys = try view.stored { storage throws(StorageFault) in
      try storage.twinKeys(configuredBy: id, after: last, limit: Self.batch)
    }
    devices.formUnion(keys.map(\.deviceID))
    if keys.count == Self.batch { note(end: keys.last) }
    cost += keys.count * SearchCost.key
    if let target {
      let found = try view.candidates(
        target,
        lookup,
        after: last,
        limit: Self.batch,
        facts: facts
      )
      for row in found.rows where target.matches(row) { devices.insert(row.key.deviceID) }
      note(end: found.end)
      cost += found.cost + found.rows.count * SearchCost.row
      cost += found.rows.reduce(0) { $0 + $1.byteCount } * SearchCost.byte
    }
    // Each device costs about what a whole row does, once it is looked at.
    cost += devices.count * SearchCost.whole
    isOver = bound == nil
    position = bound ?? position
    var ordered = devices.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    if let bound { ordered.removeAll { bound.utf8.lexicographicallyPrecedes($0.utf8) } }
    return ordered
  }
}

extension ConfigurationIntent {
  fileprivate var targetCondition: String {
    if case .put(let request) = self { request.targetCondition } else { "" }
  }
}

extension ModuleRow {
  /// A module that a deployment would create.
  fileprivate init(deployed moduleID: String, on device: DeviceIdentity) {
    let module = ModuleIdentity(
      deviceID: device.deviceID,
      moduleID: moduleID,
      generationID: "",
      etagCounter: 0,
      authentication: .none,
      managedBy: "iotEdge"
    )
    self.init(identity: module, device: device, twin: TwinRecord(key: module.key))
  }
}

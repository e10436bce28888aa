public import HubContract
internal import JSONTree

extension HubView {
  /// Children that are counted of one edge device, and listed of one tree.
  public static var childLimit: Int { 1_000 }
  /// Devices that one page looks at.
  private static var scanLimit: Int { 2_000 }
  /// What continuations are bound to.
  private static var edgeList: String { "edges" }

  /// A page of the edge devices by ID, with how they are.
  ///
  /// - Parameters:
  ///   - pageSize: edge devices at most.
  ///   - continuation: what the page before answered, nil to begin.
  ///   - facts: what the driver knows of each identity's connection.
  /// - Returns: the edge devices, which may be few although more follow, and where the next page begins;
  ///   nil at the end.
  /// - Throws: 400004 for a continuation of something else.
  public func edges(
    pageSize: Int,
    continuation: String?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> (edges: [EdgeOverview], continuation: String?) {
    var edges: [EdgeOverview] = []
    var last: String?
    var seen = 0
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: Self.edgeList),
        case .after(let key) = read.position
      else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this list.")
      }
      last = key.deviceID
    }
    func next(_ last: String?) -> String? {
      last.map {
        QueryContinuation(.after(IdentityKey(deviceID: $0)), rowsLeft: .max)
          .text(query: Self.edgeList)
      }
    }
    while seen < Self.scanLimit {
      let after = last
      let batch = try stored { storage throws(StorageFault) in
        try storage.devices(after: after, limit: 200)
      }
      for device in batch {
        if edges.count == pageSize { return (edges, next(last)) }
        last = device.deviceID
        if device.isEdge { edges.append(try overview(of: device, facts)) }
      }
      if batch.count < 200 { return (edges, nil) }
      seen += batch.count
    }
    return (edges, next(last))
  }

  /// One edge device with all that is below it.
  ///
  /// - Throws: 404001; 400028 for a device that is no edge device.
  public func edge(
    _ deviceID: String,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> EdgeOverview {
    let device = try device(deviceID).identity
    guard device.isEdge else {
      throw HubError(.invalidDeviceScope, "\(deviceID) is no edge device.")
    }
    var overview = try overview(of: device, facts)
    var children: [EdgeOverview.Child] = []
    try appendChildren(of: device, depth: 0, to: &children, facts)
    overview.children = children
    return overview
  }

  private func appendChildren(
    of parent: DeviceIdentity,
    depth: Int,
    to children: inout [EdgeOverview.Child],
    _ facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) {
    guard let scope = parent.deviceScope, depth < DeviceScope.maximumDepth else { return }
    let left = Self.childLimit - children.count
    guard left > 0 else { return }
    let rows = try stored { storage throws(StorageFault) in
      try storage.deviceRows(inScope: scope, after: nil, limit: left)
    }
    for row in rows where children.count < Self.childLimit {
      children.append(
        EdgeOverview.Child(
          deviceID: row.identity.deviceID,
          parentID: parent.deviceID,
          isEdge: row.identity.isEdge,
          status: row.identity.status,
          activity: row.activity(facts(row.identity.key))
        )
      )
      if row.identity.isEdge {
        try appendChildren(of: row.identity, depth: depth + 1, to: &children, facts)
      }
    }
  }

  /// Devices directly below an edge device, counted up to `childLimit`.
  func childCount(of device: DeviceIdentity) throws(HubError) -> Int {
    guard let scope = device.deviceScope else { return 0 }
    return try stored { storage throws(StorageFault) in
      try storage.deviceRows(inScope: scope, after: nil, limit: Self.childLimit)
    }.count
  }

  private func overview(
    of device: DeviceIdentity,
    _ facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> EdgeOverview {
    func row(_ moduleID: String) throws(HubError) -> ModuleRow? {
      let key = IdentityKey(deviceID: device.deviceID, moduleID: moduleID)
      return try stored { storage throws(StorageFault) in try storage.moduleRow(key) }
    }
    func activity(_ row: ModuleRow?) -> IdentityActivity {
      row.map { $0.activity(facts($0.identity.key)) } ?? IdentityActivity()
    }
    let (agent, hub) = (try row(ModuleID.edgeAgent), try row(ModuleID.edgeHub))
    let desired = try TwinSection.object(agent?.twin.desired.properties ?? TwinSection.emptyObject)
    let reported = try TwinSection.object(
      agent?.twin.reported.properties ?? TwinSection.emptyObject
    )
    let count = try childCount(of: device)
    let status = reported["lastDesiredStatus"]
    return EdgeOverview(
      deviceID: device.deviceID,
      status: device.status,
      parentID: device.parentScopes.first.flatMap { DeviceScope.deviceID($0) },
      agent: activity(agent),
      hub: activity(hub),
      deployment: EdgeOverview.Deployment(
        desiredVersion: agent?.twin.desired.version ?? 0,
        reportedVersion: reported["lastDesiredVersion"]?.int64Value,
        code: status?["code"]?.int64Value,
        description: status?["description"]?.stringValue ?? ""
      ),
      modules: Self.modules(desired, reported),
      childCount: count,
      isCountCut: count == Self.childLimit
    )
  }

  private static func modules(
    _ desired: JSONObject,
    _ reported: JSONObject
  ) -> [EdgeOverview.Module] {
    ["systemModules", "modules"].flatMap { section -> [EdgeOverview.Module] in
      let wanted = desired[section]?.objectValue ?? JSONObject()
      let found = reported[section]?.objectValue ?? JSONObject()
      let names = Set(wanted.keys).union(found.keys).sorted {
        $0.utf8.lexicographicallyPrecedes($1.utf8)
      }
      return names.map { name in
        let (want, have) = (wanted[name], found[name])
        return EdgeOverview.Module(
          name: name,
          // The agent's own status is always running, and not written.
          desiredStatus: want.map { $0["status"]?.stringValue ?? "running" },
          runtimeStatus: have?["runtimeStatus"]?.stringValue,
          restartCount: have?["restartCount"]?.int64Value,
          exitCode: have?["exitCode"]?.int64Value,
          statusDescription: have?["statusDescription"]?.stringValue,
          image: have?["settings"]?["image"]?.stringValue
            ?? want?["settings"]?["image"]?.stringValue,
          lastStart: have?["lastStartTimeUtc"]?.stringValue
        )
      }
    }
  }
}

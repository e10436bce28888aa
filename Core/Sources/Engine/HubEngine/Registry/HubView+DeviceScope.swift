public import HubContract

/// Identities in an edge device's scope: what its edge hub must know to serve them (contract §3.10).
public struct DeviceScopePage: Sendable {
  /// The edge device itself on the first page, then its children in ID order.
  public var devices: [DeviceRow]
  /// The edge device's modules, on the first page; or the one that was asked for.
  public var modules: [ModuleRow]
  /// The last child of this page, nil if no more follow.
  public var last: String?

  /// Creates a page.
  public init(devices: [DeviceRow], modules: [ModuleRow] = [], last: String? = nil) {
    self.devices = devices
    self.modules = modules
    self.last = last
  }
}

/// Someone below an edge device, for whom its edge hub acts.
public struct ChildStanding: Equatable, Sendable {
  /// The identity's generation ID.
  public let generationID: String
  /// Its client ID, then for a module its device, and each device's parent up to the edge device.
  public let authChain: [String]
}

extension HubView {
  /// The edge device that `actor` asks on behalf of (contract §3.10).
  ///
  /// - Parameters:
  ///   - authChain: IDs joined by `;` from the device asked for, each followed by its parent, up to
  ///     `actor`. It may begin with a module of the first device.
  ///   - actor: the edge device whose edge hub proved who it is.
  /// - Returns: the first device of the chain.
  /// - Throws: 400005 for an empty chain; 400028 if it does not lead to `actor`, or if one of its
  ///   devices is no enabled edge device. Which of these it is stays unsaid: the asker may know only
  ///   what is below it.
  public func edgeDevice(
    authChain: String,
    actor: String
  ) throws(HubError) -> DeviceIdentity {
    var names = authChain.utf8.split(separator: UInt8(ascii: ";")).compactMap { String($0) }
    guard let first = names.first else {
      throw HubError(.argumentNull, "authChain is empty; send the edge devices up to the caller.")
    }
    if let key = IdentityKey(clientID: first), key.moduleID != nil {
      names.removeFirst()
      guard names.first == key.deviceID else { throw Self.brokenChain }
    }
    guard names.last == actor, let target = try devices(upwards: names).first, target.isEdge else {
      throw Self.brokenChain
    }
    return target
  }

  /// The edge device whose edge hub connects for `key` (contract §3.10).
  ///
  /// - Parameters:
  ///   - key: the device or module that is connected.
  ///   - authChain: its client ID, then for a module its device, and each device's parent up to the
  ///     edge device that acts; that one's edge hub may stand in its place.
  /// - Returns: the last device of the chain, an enabled edge device.
  /// - Throws: 400028 if the chain is not like that, or `key`'s device is disabled.
  public func actingEdgeDevice(
    for key: IdentityKey,
    authChain: [String]
  ) throws(HubError) -> DeviceIdentity {
    guard authChain.first == key.clientID else { throw Self.brokenChain }
    var names = authChain
    if key.moduleID != nil { names.removeFirst() }
    if let last = names.last.flatMap(IdentityKey.init(clientID:)), last.moduleID == ModuleID.edgeHub
    {
      names[names.count - 1] = last.deviceID
      if names.dropLast().last == last.deviceID { names.removeLast() }
    }
    // An edge hub acts for its device's modules and for children, not for its own device.
    guard names.first == key.deviceID, names.count > 1 || key.moduleID != nil,
      let edge = try devices(upwards: names).last, edge.isEdge
    else { throw Self.brokenChain }
    return edge
  }

  /// The devices of a chain: all are enabled, and each but the first is the edge device that the one
  /// before names as its parent.
  private func devices(upwards names: [String]) throws(HubError) -> [DeviceIdentity] {
    guard names.count <= DeviceScope.maximumDepth + 1 else { throw Self.brokenChain }
    var chain: [DeviceIdentity] = []
    for name in names {
      let found = try stored { storage throws(StorageFault) in try storage.device(name) }
      guard let device = found, device.status == .enabled else { throw Self.brokenChain }
      if let child = chain.last {
        guard device.isEdge, let scope = device.deviceScope, child.parentScopes.first == scope
        else { throw Self.brokenChain }
      }
      chain.append(device)
    }
    return chain
  }

  /// A page of an edge device's scope: itself with its modules first, and its children.
  ///
  /// A child that is an edge device has a scope of its own, which is asked for by itself. Disabled
  /// children are among them, so that an edge hub learns that they are.
  ///
  /// - Parameters:
  ///   - edgeID: the edge device.
  ///   - deviceID: the last child of the page before, nil to begin.
  ///   - limit: children at most.
  /// - Returns: the page.
  /// - Throws: 404001; 400028 for a device that is no edge device.
  public func scope(
    of edgeID: String,
    after deviceID: String?,
    limit: Int
  ) throws(HubError) -> DeviceScopePage {
    let edge = try device(edgeID)
    guard edge.identity.isEdge, let scope = edge.identity.deviceScope else {
      throw HubError(.invalidDeviceScope, "\(edgeID) is no edge device and has no scope.")
    }
    let children = try stored { storage throws(StorageFault) in
      try storage.deviceRows(inScope: scope, after: deviceID, limit: limit)
    }
    var page = DeviceScopePage(
      devices: children,
      last: children.count == limit ? children.last?.identity.deviceID : nil
    )
    if deviceID == nil {
      page.devices.insert(edge, at: 0)
      page.modules = try modules(of: edgeID)
    }
    return page
  }

  /// One identity in the scope of an edge device or of an edge device below it.
  ///
  /// - Parameters:
  ///   - key: a device, or a module with its device.
  ///   - edgeID: the edge device.
  /// - Returns: the device, and the module if `key` names one.
  /// - Throws: 400028 if there is no such identity in the scope, be it unknown or elsewhere: stock edge
  ///   hubs take 400, and only that, for "no longer yours".
  public func identity(
    _ key: IdentityKey,
    inScopeOf edgeID: String
  ) throws(HubError) -> DeviceScopePage {
    let device = try stored { storage throws(StorageFault) in try storage.deviceRow(key.deviceID) }
    guard let device, try isInScope(device.identity, of: edgeID) else { throw Self.outside(key) }
    guard key.moduleID != nil else { return DeviceScopePage(devices: [device]) }
    let module = try stored { storage throws(StorageFault) in try storage.moduleRow(key) }
    guard let module else { throw Self.outside(key) }
    return DeviceScopePage(devices: [device], modules: [module])
  }

  /// What an edge hub that acts for an identity on its own connection has to know of it.
  ///
  /// - Parameters:
  ///   - key: a device or module below the edge device, or a module of it.
  ///   - edgeID: the edge device.
  /// - Returns: its generation ID, and the chain that leads to the edge device.
  /// - Throws: 400028 if there is no such identity in the scope, or a device up to the edge device is
  ///   disabled.
  public func standing(
    of key: IdentityKey,
    below edgeID: String
  ) throws(HubError) -> ChildStanding {
    let page = try identity(key, inScopeOf: edgeID)
    // As with a chain: for its device's modules, not for its own device.
    guard key != IdentityKey(deviceID: edgeID), let device = page.devices.first?.identity,
      let path = try path(of: device, to: edgeID, where: { $0.status == .enabled })
    else { throw Self.outside(key) }
    return ChildStanding(
      generationID: page.modules.first?.identity.generationID ?? device.generationID,
      authChain: key.moduleID == nil ? path : [key.clientID] + path
    )
  }

  private func isInScope(
    _ device: DeviceIdentity,
    of edgeID: String
  ) throws(HubError) -> Bool {
    try path(of: device, to: edgeID) != nil
  }

  /// The devices from `device` to the edge device, parent by parent; nil if it is not below it.
  private func path(
    of device: DeviceIdentity,
    to edgeID: String,
    where isGood: (DeviceIdentity) -> Bool = { _ in true }
  ) throws(HubError) -> [String]? {
    var path: [String] = []
    var current = device
    for _ in 0...DeviceScope.maximumDepth {
      guard isGood(current) else { return nil }
      path.append(current.deviceID)
      if current.deviceID == edgeID { return path }
      guard let scope = current.parentScopes.first, let parentID = DeviceScope.deviceID(scope),
        let parent = try stored({ storage throws(StorageFault) in try storage.device(parentID) }),
        parent.deviceScope == scope
      else { return nil }
      current = parent
    }
    return nil
  }

  private static var brokenChain: HubError {
    HubError(
      .invalidDeviceScope,
      "authChain does not lead from an enabled edge device, parent by parent, to the caller."
    )
  }

  private static func outside(_ key: IdentityKey) -> HubError {
    HubError(.invalidDeviceScope, "\(key) is not in the scope of this edge device.")
  }
}

extension DeviceIdentity {
  /// The edge hub of this device, if it is an edge device.
  public var edgeHub: IdentityKey {
    IdentityKey(deviceID: deviceID, moduleID: ModuleID.edgeHub)
  }
}

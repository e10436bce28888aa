public import HubContract

/// What edges below may know and do: the edge as their parent (edge contract sections 5.2 and 9.3).
extension EdgeScope {
  /// The chain by which the edge hub of `edge`, below this edge, may act for `child`; nil if `child` is
  /// not below that one, or a device from there up to this edge is disabled.
  ///
  /// An edge hub acts for the modules of its own device, and not for that device.
  public func standing(of child: IdentityKey, below edge: String) -> [String]? {
    guard child != IdentityKey(deviceID: edge), isAllowed(child),
      let way = way(from: child.deviceID, to: edge)
    else { return nil }
    return child.moduleID == nil ? way : [child.clientID] + way
  }

  /// The edge device below whose edge hub acts for `key` by a chain (edge contract section 9.3).
  ///
  /// - Parameters:
  ///   - key: Who is acted for.
  ///   - authChain: Its client ID, then for a module its device, and each device's parent up to the
  ///     one that acts, whose edge hub may stand in its place.
  /// - Returns: The last device; nil if the chain is not like that, or one of its devices is disabled.
  public func actingEdge(for key: IdentityKey, authChain: [String]) -> String? {
    guard authChain.first == key.clientID, key.moduleID == nil || module(key) != nil else {
      return nil
    }
    var names = authChain
    if key.moduleID != nil { names.removeFirst() }
    if let last = names.last.flatMap({ IdentityKey(clientID: $0) }),
      last.moduleID == ModuleID.edgeHub
    {
      names[names.count - 1] = last.deviceID
      if names.dropLast().last == last.deviceID { names.removeLast() }
    }
    guard names.first == key.deviceID, names.count > 1 || key.moduleID != nil,
      let edge = names.last, edge != edgeID, isLinked(names), device(edge)?.isEdge == true
    else { return nil }
    return edge
  }

  /// The edge device that `actor` asks about.
  ///
  /// - Parameters:
  ///   - authChain: IDs joined by `;` from the device asked for, each followed by its parent, up to
  ///     `actor`. It may begin with a module of the first device.
  ///   - actor: The edge device below whose edge hub asks.
  /// - Returns: The first device of the chain.
  /// - Throws: 400005 for an empty chain, 400028 for one that is not like that. Which of the links is
  ///   wrong stays unsaid: the asker may know only what is below it.
  public func target(authChain: String, actor: String) throws(HubError) -> String {
    guard !authChain.isEmpty else {
      throw HubError(.argumentNull, "authChain is empty; send the edge devices up to the caller.")
    }
    guard var names = UserName.authChain(authChain), let first = names.first else {
      throw Self.brokenChain
    }
    if let key = IdentityKey(clientID: first), key.moduleID != nil {
      names.removeFirst()
      guard names.first == key.deviceID else { throw Self.brokenChain }
    }
    guard let target = names.first, names.last == actor, actor != edgeID, isLinked(names),
      device(target)?.isEdge == true
    else { throw Self.brokenChain }
    return target
  }

  /// Whether each of `names` is a device whose parent is the next, the last is below this edge, and all
  /// are enabled.
  private func isLinked(_ names: [String]) -> Bool {
    guard let first = names.first, let last = names.last,
      isAllowed(IdentityKey(deviceID: first))
    else { return false }
    return way(from: first, to: last).map { $0 == names } ?? false
  }

  /// A page of an edge device's scope, as the hub above would answer: itself with its modules on the
  /// first page, and its children in the order of their IDs.
  ///
  /// - Parameters:
  ///   - edge: The edge device, below this one.
  ///   - deviceID: The last child of the page before, nil to begin.
  ///   - limit: Children at most.
  /// - Returns: The entries, and the last child of this page, nil if no more follow.
  public func page(
    of edge: String,
    after deviceID: String?,
    limit: Int
  ) -> (entries: [ScopeEntry], last: String?) {
    var children: [DeviceIdentity] = []
    var page: [ScopeEntry] = []
    for entry in all {
      switch entry {
      case .device(let device):
        if device.deviceID == edge, deviceID == nil { page.insert(entry, at: 0) }
        guard parent(of: device) == edge, deviceID.map({ $0 < device.deviceID }) ?? true else {
          continue
        }
        children.append(device)
      case .module(let module):
        if module.deviceID == edge, deviceID == nil { page.append(entry) }
      }
    }
    children.sort { $0.deviceID < $1.deviceID }
    let isLast = children.count <= limit
    let some = children.prefix(limit)
    return (page + some.map { .device($0) }, isLast ? nil : some.last?.deviceID)
  }

  /// One identity in the scope of an edge device below, as the hub above would answer: its device, and
  /// the module if `key` names one; nil if it is not below that one.
  public func entries(of key: IdentityKey, below edge: String) -> [ScopeEntry]? {
    guard way(from: key.deviceID, to: edge) != nil, let device = device(key.deviceID) else {
      return nil
    }
    guard key.moduleID != nil else { return [.device(device)] }
    return module(key).map { [.device(device), .module($0)] }
  }

  /// Whether another edge stands between `key` and this one, or `key` is of another edge device.
  public func isBehindAnotherEdge(_ key: IdentityKey) -> Bool {
    guard key.deviceID != edgeID, let device = device(key.deviceID) else { return false }
    return device.isEdge || parent(of: device) != edgeID
  }

  private static var brokenChain: HubError {
    HubError(
      .invalidDeviceScope,
      "authChain does not lead from an enabled edge device, parent by parent, to the caller."
    )
  }
}

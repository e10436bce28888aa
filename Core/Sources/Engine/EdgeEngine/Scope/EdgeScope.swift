public import ByteIO
public import HubContract

/// Who may connect to an edge: the identities below it, as last heard (edge contract section 5.2).
///
/// Without the hub above it stays as it is, for as long as that takes. Its owner asks for a whole
/// refresh now and then, and for single ones when a client is unknown or fails.
public struct EdgeScope: Sendable {
  /// A client that fails leads to a look at the hub above once in so many milliseconds.
  public static let retryMilliseconds: UInt64 = 120_000
  /// Identities whose last look is remembered; beyond, the oldest are forgotten.
  static let lookLimit = 4096

  private var entries: [IdentityKey: ScopeEntry] = [:]
  private var looks: [IdentityKey: Instant] = [:]

  /// An empty scope: nobody may connect.
  public init() {}

  /// How many identities there are.
  public var count: Int { entries.count }

  /// All of them, in no particular order.
  public var all: some Collection<ScopeEntry> & Sendable { entries.values }

  /// The device called `deviceID`.
  public func device(_ deviceID: String) -> DeviceIdentity? {
    if case .device(let device)? = entries[IdentityKey(deviceID: deviceID)] { device } else { nil }
  }

  /// The module `key`.
  public func module(_ key: IdentityKey) -> ModuleIdentity? {
    if case .module(let module)? = entries[key] { module } else { nil }
  }

  /// Whether `key` is there and may connect.
  public func isAllowed(_ key: IdentityKey) -> Bool {
    guard let device = device(key.deviceID), device.status == .enabled else { return false }
    return key.moduleID == nil || module(key) != nil
  }

  /// Takes over everything that the hub above has named; answers whose entry is another one now, or
  /// gone.
  public mutating func replace(by all: [ScopeEntry]) -> [IdentityKey] {
    let before = entries
    entries = Dictionary(all.map { ($0.key, $0) }) { _, last in last }
    return before.compactMap { key, entry in entries[key] == entry ? nil : key }
  }

  /// Takes over what the hub above says of `key` and its device; answers whose entry has changed.
  public mutating func update(_ key: IdentityKey, by found: [ScopeEntry]) -> [IdentityKey] {
    var changed: [IdentityKey] = []
    for entry in found {
      if let old = entries.updateValue(entry, forKey: entry.key), old != entry {
        changed.append(entry.key)
      }
    }
    for known in Set([key, key.device])
    where !found.contains(where: { $0.key == known }) && entries.removeValue(forKey: known) != nil {
      changed.append(known)
    }
    return changed
  }

  /// Whether the hub above may be asked for `key` now; if so, it counts as asked.
  public mutating func mayLook(for key: IdentityKey, now: Instant) -> Bool {
    if let last = looks[key], now < last.adding(milliseconds: Self.retryMilliseconds) {
      return false
    }
    if looks.count >= Self.lookLimit {
      let end = now
      looks = looks.filter { end < $0.value.adding(milliseconds: Self.retryMilliseconds) }
      if looks.count >= Self.lookLimit { return false }
    }
    looks[key] = now
    return true
  }

  /// The edge devices from `child` up to this edge, as an `auth-chain` names them; nil if `child` is
  /// not below `edge`.
  public func chain(from child: IdentityKey, to edge: String) -> [String]? {
    var chain = [child.clientID]
    guard var device = device(child.deviceID) else { return nil }
    if child.moduleID != nil { chain.append(child.deviceID) }
    // As deep as edges may be nested, so that a circle ends.
    for _ in 0..<UserName.authChainLimit {
      if device.deviceID == edge { return chain }
      guard let scope = device.parentScopes.first ?? (device.isEdge ? nil : device.deviceScope),
        let parent = parent(scope)
      else { return nil }
      chain.append(parent.deviceID)
      device = parent
    }
    return nil
  }

  private func parent(_ scope: String) -> DeviceIdentity? {
    for case .device(let device) in entries.values where device.isEdge {
      if device.deviceScope == scope { return device }
    }
    return nil
  }
}

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

  /// The edge device whose scope this is.
  public let edgeID: String

  private var entries: [IdentityKey: ScopeEntry] = [:]
  /// The edge device that spans each scope, so that a parent is found without a search.
  private var edges: [String: String] = [:]
  /// The edge devices of whose scopes all is known: a list that lacks some would have the edge below
  /// forget them.
  private var listed: Set<String> = []
  private var looks: [IdentityKey: Instant] = [:]
  /// When single identities were taken over last: what a list says that was begun before is older.
  private var taken: [IdentityKey: Instant] = [:]

  /// An empty scope of the edge device `edgeID`: nobody may connect.
  public init(edgeID: String) { self.edgeID = edgeID }

  /// Rises with each change of an entry: then it is to be kept.
  public private(set) var revision: UInt64 = 0

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

  /// Whether `key` is there and may connect: its device, and each up to this edge, is enabled.
  public func isAllowed(_ key: IdentityKey) -> Bool {
    guard key.moduleID == nil || module(key) != nil else { return false }
    return way(from: key.deviceID, to: edgeID, where: { $0.status == .enabled }) != nil
  }

  /// Takes up what was stored; before anything else.
  public mutating func restore(_ all: [ScopeEntry]) {
    _ = replace(by: all)
    listed = []
  }

  /// Whether everybody in the scope of `edge` is known, as of the last list from above.
  public func isListed(_ edge: String) -> Bool { listed.contains(edge) }

  /// Takes over everything that the hub above has named.
  ///
  /// - Parameters:
  ///   - all: What it has named.
  ///   - closed: Edge devices of whose scopes it said nothing, as it does of disabled ones: what was
  ///     known below them stays.
  ///   - begun: When it was asked. What was learnt of single identities since then is newer.
  /// - Returns: Whose entry is another one now, or gone.
  public mutating func replace(
    by all: [ScopeEntry],
    keepingBelow closed: [String] = [],
    begun: Instant = Instant(nanoseconds: .max)
  ) -> [IdentityKey] {
    let before = entries
    let kept = closed.flatMap { below($0) }
    let newer = taken.filter { $0.value >= begun }.keys.map { ($0, before[$0]) }
    taken = [:]
    entries = Dictionary((kept + all).map { ($0.key, $0) }) { _, last in last }
    for (key, entry) in newer { entries[key] = entry }
    edges = [:]
    for entry in entries.values { index(entry) }
    listed = Set(edges.values).subtracting(closed)
    if entries != before { revision += 1 }
    return before.compactMap { key, entry in entries[key] == entry ? nil : key }
  }

  /// Takes over what the hub above says of `key`, and of its device if it is named; answers whose entry
  /// has changed.
  public mutating func update(
    _ key: IdentityKey,
    by found: [ScopeEntry],
    now: Instant
  ) -> [IdentityKey] {
    var changed: [IdentityKey] = []
    if taken.count >= Self.lookLimit { taken = [:] }
    for entry in found {
      if let old = set(entry), old != entry { changed.append(entry.key) }
      taken[entry.key] = now
    }
    // Who asks for a module that is not there says nothing of the device.
    if !found.contains(where: { $0.key == key }), remove(key) { changed.append(key) }
    taken[key] = now
    return changed
  }

  private mutating func set(_ entry: ScopeEntry) -> ScopeEntry? {
    let old = entries.updateValue(entry, forKey: entry.key)
    if old != entry { revision += 1 }
    if let old { unindex(old) }
    index(entry)
    return old
  }

  private mutating func remove(_ key: IdentityKey) -> Bool {
    guard let old = entries.removeValue(forKey: key) else { return false }
    unindex(old)
    revision += 1
    return true
  }

  private mutating func index(_ entry: ScopeEntry) {
    if case .device(let device) = entry, device.isEdge, let scope = device.deviceScope {
      edges[scope] = device.deviceID
    }
  }

  private mutating func unindex(_ entry: ScopeEntry) {
    if case .device(let device) = entry, let scope = device.deviceScope,
      edges[scope] == device.deviceID, device.isEdge
    {
      edges[scope] = nil
    }
  }

  /// Whether the hub above may be asked for `key` now; if so, it counts as asked.
  ///
  /// `pause` is how long ago the last look must be.
  public mutating func mayLook(
    for key: IdentityKey,
    now: Instant,
    pause: UInt64 = EdgeScope.retryMilliseconds
  ) -> Bool {
    if let last = looks[key], now < last.adding(milliseconds: pause) { return false }
    if looks.count >= Self.lookLimit {
      looks = looks.filter { now < $0.value.adding(milliseconds: Self.retryMilliseconds) }
      if looks.count >= Self.lookLimit { return false }
    }
    looks[key] = now
    return true
  }

  /// A look for `key` was not answered: it does not count.
  public mutating func lookFailed(for key: IdentityKey) { looks[key] = nil }

  /// The edge devices from `child` up to this edge, as an `auth-chain` names them; nil if `child` is
  /// not below it.
  public func chain(from child: IdentityKey) -> [String]? {
    guard let way = way(from: child.deviceID, to: edgeID) else { return nil }
    return child.moduleID == nil ? way : [child.clientID] + way
  }

  /// The devices from `deviceID` up to `ancestor`, parent by parent; nil if it is not below that one,
  /// or one of them is not `good`.
  func way(
    from deviceID: String,
    to ancestor: String,
    where isGood: (DeviceIdentity) -> Bool = { _ in true }
  ) -> [String]? {
    var way: [String] = []
    var next: String? = deviceID
    // As deep as edges may be nested, so that a circle ends.
    for _ in 0...UserName.authChainLimit {
      guard let current = next.flatMap({ device($0) }), isGood(current) else { return nil }
      way.append(current.deviceID)
      if current.deviceID == ancestor { return way }
      next = parent(of: current)
    }
    return nil
  }

  /// The edge device that `device` names as its parent, if it is there.
  func parent(of device: DeviceIdentity) -> String? {
    let scope = device.parentScopes.first ?? (device.isEdge ? nil : device.deviceScope)
    return scope.flatMap { edges[$0] }
  }

  /// All below an edge device, at any depth, that device and its modules not among them.
  private func below(_ edge: String) -> [ScopeEntry] {
    entries.values.filter { entry in
      entry.key.deviceID != edge && way(from: entry.key.deviceID, to: edge) != nil
    }
  }
}

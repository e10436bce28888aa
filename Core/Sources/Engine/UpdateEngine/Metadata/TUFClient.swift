internal import ByteIO
internal import JSONTree

/// What a client takes at most of what it cannot know the size of, all in bytes unless they say else.
public struct TUFLimits: Equatable, Sendable {
  /// A root.
  public var rootBytes = 512 << 10
  /// A timestamp: small, for it is fetched most.
  public var timestampBytes = 16 << 10
  /// A snapshot.
  public var snapshotBytes = 2 << 20
  /// A file of targets.
  public var targetsBytes = 5 << 20
  /// New roots in one update; those beyond wait for the next.
  public var rootCount = 256
  /// Roles that one search looks at; it ends without a finding beyond.
  public var roleCount = 32

  /// The customary values.
  public init() {}
}

/// A file that is to be fetched from below the repository's metadata address.
public struct TUFFetch: Equatable, Sendable {
  /// Its name there; percent-coded, and without slashes.
  public var name: String
  /// The most bytes that are to be taken: the download ends at one more.
  public var maximumBytes: Int
  /// Whether it is normal that there is no such file: call `absent` then.
  public var isOptional: Bool

  /// Creates a request.
  public init(name: String, maximumBytes: Int, isOptional: Bool) {
    (self.name, self.maximumBytes, self.isOptional) = (name, maximumBytes, isOptional)
  }
}

/// A change of the files that the client keeps: durable before anything else is done.
public enum TUFChange: Equatable, Sendable {
  /// Writes a file, in place of the one there is, at once or not at all.
  case write(name: String, bytes: [UInt8])
  /// Removes a file, if it is there.
  case remove(name: String)
}

/// What comes after the changes are durable.
public enum TUFNext: Equatable, Sendable {
  /// Fetch this, and hand it to `receive`.
  case fetch(TUFFetch)
  /// The trusted metadata are the latest: ask `search` for targets.
  case current
  /// What was searched for.
  case found(TUFFinding)
  /// No role that is trusted with the path has it.
  case notFound
}

/// A target, and who vouches for it.
public struct TUFFinding: Equatable, Sendable {
  /// Its path.
  public var path: String
  /// Size, hashes and what else is signed.
  public var target: TUFTarget
  /// The role that signed it.
  public var role: String
  /// Names under which it may be fetched from below the repository's targets address, the surest first.
  public var names: [String]
}

/// One step: changes to make durable, then what comes next.
public struct TUFStep: Equatable, Sendable {
  /// In this order.
  public var changes: [TUFChange]
  /// Only after every change is durable.
  public var next: TUFNext
}

/// The client's side of a repository: The Update Framework 1.0.34, section 5.
///
/// It fetches nothing and writes nothing: it says what to do, and takes what came of it.
///
/// ```
///         root N+1, N+2 … ─ absent ─▶ timestamp ──▶ snapshot ──▶ targets ──▶ current
///                                                                             │ search
///                                                            delegated role ◀─┘
/// ```
///
/// What was trusted before stays trusted when a step throws; the update ends there, and `begin` starts
/// the next one. Files come back from the caller's disk through `stored`, and are verified like any
/// other: a file that does not verify counts as none, the root excepted.
///
/// Its business is trust alone. Times come in; slow servers and what bytes are for are others' matters.
public struct TUFClient<Crypto: TUFCrypto> {
  private enum State {
    /// Nothing is asked for.
    case idle
    /// The next root, of which there were so many.
    case root(count: Int)
    case timestamp
    case snapshot
    case targets
    /// A search waits for a delegated role.
    case role(TUFSearch, TUFSearch.Visit)
  }

  let crypto: Crypto
  let limits: TUFLimits
  private var state = State.idle
  private var now: Int64 = 0
  /// Files as they are kept: by `read` when the client begins, then what it stored itself.
  private var stored: [String: [UInt8]]
  /// The trusted root.
  public private(set) var root: TUFRoot
  /// The trusted timestamp, perhaps over its time; nil if there is none.
  public private(set) var timestamp: TUFTimestamp?
  /// The trusted snapshot, of this or an earlier update.
  private var snapshot: TUFSnapshot?
  /// Delegated roles that were verified for this snapshot, with the role that delegates to them.
  private var roles: [String: (parent: String, targets: TUFTargets)] = [:]
  private var targets: TUFTargets?

  /// Begins with the root that is trusted: the one shipped, or the last that was stored.
  ///
  /// - Parameters:
  ///   - bytes: those of the root.
  ///   - stored: the other files that were stored, by name.
  ///   - crypto: verifies and hashes.
  ///   - limits: what is taken at most.
  /// - Throws: why the root cannot be trusted. It must be signed by itself.
  public init(
    root bytes: [UInt8],
    stored: [String: [UInt8]] = [:],
    crypto: Crypto,
    limits: TUFLimits = TUFLimits()
  ) throws(TUFFault) {
    self.crypto = crypto
    self.limits = limits
    self.stored = stored
    let envelope = try TUFEnvelope(bytes, file: TUFRole.root.file, limit: limits.rootBytes)
    root = try TUFRoot(envelope.signed, crypto)
    try envelope.verify(root.signers(.root), root.keys, crypto)
  }

  /// The snapshot's files, of the last update that came so far.
  public var files: [String: TUFFileInfo] { snapshot?.files ?? [:] }

  // MARK: - Events

  /// Begins an update.
  ///
  /// - Parameter now: seconds since 1970; it counts for the whole update (§5.1).
  /// - Returns: the first thing to fetch.
  public mutating func begin(now: Int64) -> TUFStep {
    self.now = now
    (targets, roles) = (nil, [:])
    return askForRoot(count: 0, [])
  }

  /// Takes the file that was asked for.
  ///
  /// - Returns: what to store and what to do then.
  /// - Throws: why it is refused. The update has ended.
  public mutating func receive(_ bytes: [UInt8]) throws(TUFFault) -> TUFStep {
    let asked = state
    state = .idle
    switch asked {
    case .idle: throw .notAsked
    case .root(let count): return try takeRoot(bytes, count)
    case .timestamp: return try takeTimestamp(bytes)
    case .snapshot:
      try acceptSnapshot(bytes)
      let change = keep(TUFRole.snapshot.file, bytes)
      return try askForTargets([change])
    case .targets:
      try acceptTargets(bytes)
      return TUFStep(changes: [keep(TUFRole.targets.file, bytes)], next: .current)
    case .role(let search, let visit):
      try accept(bytes, for: visit)
      return try proceed(search, [keep(visit.file, bytes)])
    }
  }

  /// Tells that the repository has no such file.
  ///
  /// - Throws: `missing` unless the file was optional; `expired` if no newer root is there.
  public mutating func absent() throws(TUFFault) -> TUFStep {
    let asked = state
    state = .idle
    switch asked {
    case .idle: throw .notAsked
    case .root: return try leaveRoot([])
    case .timestamp: throw .missing(file: TUFRole.timestamp.file)
    case .snapshot: throw .missing(file: TUFRole.snapshot.file)
    case .targets: throw .missing(file: TUFRole.targets.file)
    case .role(_, let visit): throw .missing(file: visit.file)
    }
  }

  /// Searches for a target in the trusted metadata (§5.6.7).
  ///
  /// - Throws: `notAsked` unless the metadata are current; what is wrong with a role that is on the way.
  public mutating func search(_ path: String) throws(TUFFault) -> TUFStep {
    guard case .idle = state, targets != nil else { throw .notAsked }
    return try proceed(TUFSearch(path), [])
  }

  // MARK: - Files

  private mutating func keep(_ file: String, _ bytes: [UInt8]) -> TUFChange {
    let name = Self.coded(file)
    stored[name] = bytes
    return .write(name: name, bytes: bytes)
  }

  /// A name without anything that a file system or an address could take for something else.
  private static func coded(_ file: String) -> String { PercentCoding.encode(file) }

  private func ask(_ file: String, _ info: TUFFileInfo, limit: Int) throws(TUFFault) -> TUFNext {
    var bytes = limit
    if let length = info.length {
      guard length <= Int64(limit) else { throw .tooLong(file: file, limit: limit) }
      bytes = Int(length)
    }
    let coded = Self.coded(file)
    let name = root.isConsistent ? "\(info.version).\(coded)" : coded
    return .fetch(TUFFetch(name: name, maximumBytes: bytes, isOptional: false))
  }

  private func open(_ bytes: [UInt8], _ role: TUFRole, _ limit: Int) throws(TUFFault) -> TUFEnvelope
  {
    let envelope = try TUFEnvelope(bytes, file: role.file, limit: limit)
    try envelope.verify(root.signers(role), root.keys, crypto)
    return envelope
  }

  private func checkExpiry(_ head: TUFHead, _ file: String) throws(TUFFault) {
    guard head.expires > now else { throw .expired(file: file, seconds: head.expires) }
  }

  // MARK: - Root (§5.3)

  private mutating func askForRoot(count: Int, _ changes: [TUFChange]) -> TUFStep {
    state = .root(count: count)
    let name = "\(root.head.version + 1).\(TUFRole.root.file)"
    let fetch = TUFFetch(name: name, maximumBytes: limits.rootBytes, isOptional: true)
    return TUFStep(changes: changes, next: .fetch(fetch))
  }

  private mutating func takeRoot(_ bytes: [UInt8], _ count: Int) throws(TUFFault) -> TUFStep {
    let envelope = try open(bytes, .root, limits.rootBytes)
    let next = try TUFRoot(envelope.signed, crypto)
    let (version, trusted) = (next.head.version, root.head.version)
    // The same root again is no news, and nothing worse (§5.3.5).
    guard version != trusted else { return try leaveRoot([]) }
    guard version > trusted else {
      throw .rollback(file: TUFRole.root.file, version: version, trusted: trusted)
    }
    guard version == trusted + 1 else {
      throw .wrongVersion(file: TUFRole.root.file, version: version, expected: trusted + 1)
    }
    try envelope.verify(next.signers(.root), next.keys, crypto)
    var changes = [TUFChange.write(name: TUFRole.root.file, bytes: bytes)]
    let rotated = [TUFRole.timestamp, .snapshot].contains { role in
      Set(next.signers(role).keyIDs) != Set(root.signers(role).keyIDs)
    }
    // Versions that were driven up with a stolen key go with the key (§5.3.11). Behind the root: if
    // power is lost between, files by keys that are gone do not verify any more. The other way round
    // good versions would be forgotten for a root that is not there.
    if rotated {
      for role in [TUFRole.timestamp, .snapshot] {
        stored[role.file] = nil
        changes.append(.remove(name: role.file))
      }
      (timestamp, snapshot) = (nil, nil)
    }
    root = next
    guard count + 1 < limits.rootCount else { return try leaveRoot(changes) }
    return askForRoot(count: count + 1, changes)
  }

  /// There is no newer root, or enough of them for now: checks the one there is, and goes on.
  ///
  /// With changes to store the check waits for the next step, so that these are not lost: a chain
  /// longer than the limit is walked further by the next update.
  private mutating func leaveRoot(_ changes: [TUFChange]) throws(TUFFault) -> TUFStep {
    if changes.isEmpty { try checkExpiry(root.head, TUFRole.root.file) }
    readTrusted()
    state = .timestamp
    let fetch = TUFFetch(
      name: TUFRole.timestamp.file,
      maximumBytes: limits.timestampBytes,
      isOptional: false
    )
    return TUFStep(changes: changes, next: .fetch(fetch))
  }

  /// Takes what is stored for trusted if the root's keys of today signed it.
  private mutating func readTrusted() {
    (timestamp, snapshot) = (nil, nil)
    if let bytes = stored[TUFRole.timestamp.file] {
      timestamp = try? TUFTimestamp(open(bytes, .timestamp, limits.timestampBytes).signed)
    }
    if let bytes = stored[TUFRole.snapshot.file] {
      snapshot = try? TUFSnapshot(open(bytes, .snapshot, limits.snapshotBytes).signed)
    }
  }

  // MARK: - Timestamp (§5.4)

  private mutating func takeTimestamp(_ bytes: [UInt8]) throws(TUFFault) -> TUFStep {
    try checkExpiry(root.head, TUFRole.root.file)
    let next = try TUFTimestamp(open(bytes, .timestamp, limits.timestampBytes).signed)
    let file = TUFRole.timestamp.file
    if let trusted = timestamp {
      let (version, least) = (next.head.version, trusted.head.version)
      guard version >= least else {
        throw .rollback(file: file, version: version, trusted: least)
      }
      // Of two with one version the trusted one counts.
      if version == least {
        try checkExpiry(trusted.head, file)
        return try askForSnapshot(trusted, [])
      }
      guard next.snapshot.version >= trusted.snapshot.version else {
        throw .rollback(
          file: TUFRole.snapshot.file,
          version: next.snapshot.version,
          trusted: trusted.snapshot.version
        )
      }
    }
    try checkExpiry(next.head, file)
    timestamp = next
    return try askForSnapshot(next, [keep(file, bytes)])
  }

  // MARK: - Snapshot (§5.5)

  private mutating func askForSnapshot(
    _ timestamp: TUFTimestamp,
    _ changes: [TUFChange]
  ) throws(TUFFault) -> TUFStep {
    if let bytes = stored[TUFRole.snapshot.file], (try? acceptSnapshot(bytes)) != nil {
      return try askForTargets(changes)
    }
    let next = try ask(TUFRole.snapshot.file, timestamp.snapshot, limit: limits.snapshotBytes)
    state = .snapshot
    return TUFStep(changes: changes, next: next)
  }

  private mutating func acceptSnapshot(_ bytes: [UInt8]) throws(TUFFault) {
    let file = TUFRole.snapshot.file
    guard let info = timestamp?.snapshot else { throw .notAsked }
    try info.check(bytes, file: file, crypto)
    let next = try TUFSnapshot(open(bytes, .snapshot, limits.snapshotBytes).signed)
    guard next.head.version == info.version else {
      throw .wrongVersion(file: file, version: next.head.version, expected: info.version)
    }
    for (name, trusted) in snapshot?.files ?? [:] {
      guard let new = next.files[name] else { throw .removedFromSnapshot(file: name) }
      guard new.version >= trusted.version else {
        throw .rollback(file: name, version: new.version, trusted: trusted.version)
      }
    }
    try checkExpiry(next.head, file)
    snapshot = next
  }

  // MARK: - Targets (§5.6)

  private mutating func askForTargets(_ changes: [TUFChange]) throws(TUFFault) -> TUFStep {
    let file = TUFRole.targets.file
    guard let info = snapshot?.files[file] else { throw .notInSnapshot(file: file) }
    if let bytes = stored[file], (try? acceptTargets(bytes)) != nil {
      return TUFStep(changes: changes, next: .current)
    }
    let next = try ask(file, info, limit: limits.targetsBytes)
    state = .targets
    return TUFStep(changes: changes, next: next)
  }

  private mutating func acceptTargets(_ bytes: [UInt8]) throws(TUFFault) {
    let signers = root.signers(.targets)
    targets = try verified(bytes, TUFRole.targets.file, signers, root.keys)
  }

  /// A file of targets that the snapshot lists, checked in the order of §5.6.2 to §5.6.5.
  private func verified(
    _ bytes: [UInt8],
    _ file: String,
    _ signers: TUFSigners,
    _ keys: [String: TUFKey]
  ) throws(TUFFault) -> TUFTargets {
    guard let info = snapshot?.files[file] else { throw .notInSnapshot(file: file) }
    try info.check(bytes, file: file, crypto)
    let envelope = try TUFEnvelope(bytes, file: file, limit: limits.targetsBytes)
    try envelope.verify(signers, keys, crypto)
    let targets = try TUFTargets(envelope.signed, file: file, crypto)
    guard targets.head.version == info.version else {
      throw .wrongVersion(file: file, version: targets.head.version, expected: info.version)
    }
    try checkExpiry(targets.head, file)
    return targets
  }

  // MARK: - Delegated roles (§5.6.7)

  private mutating func accept(_ bytes: [UInt8], for visit: TUFSearch.Visit) throws(TUFFault) {
    guard let delegation = visit.delegation else { throw .notAsked }
    let targets = try verified(bytes, visit.file, delegation.signers, visit.keys)
    roles[visit.role] = (visit.parent, targets)
  }

  /// What is known of a role, from memory or from what is stored, by the keys of this delegation.
  private mutating func known(_ visit: TUFSearch.Visit) -> TUFTargets? {
    guard visit.delegation != nil else { return targets }
    if let role = roles[visit.role], role.parent == visit.parent { return role.targets }
    guard let bytes = stored[Self.coded(visit.file)], (try? accept(bytes, for: visit)) != nil else {
      return nil
    }
    return roles[visit.role]?.targets
  }

  /// Goes on with a search until it needs a file, or ends.
  private mutating func proceed(
    _ search: consuming TUFSearch,
    _ changes: [TUFChange]
  ) throws(TUFFault) -> TUFStep {
    while let visit = search.next(limit: limits.roleCount) {
      guard let role = known(visit) else {
        guard let info = snapshot?.files[visit.file] else {
          throw .notInSnapshot(file: visit.file)
        }
        let next = try ask(visit.file, info, limit: limits.targetsBytes)
        // The file comes to `receive`, and then this role is visited again.
        search.putBack(visit)
        state = .role(search, visit)
        return TUFStep(changes: changes, next: next)
      }
      if let target = role.targets[search.path] {
        let finding = TUFFinding(
          path: search.path,
          target: target,
          role: visit.role,
          names: names(search.path, target)
        )
        return TUFStep(changes: changes, next: .found(finding))
      }
      search.expand(visit, role, crypto)
    }
    return TUFStep(changes: changes, next: .notFound)
  }

  private func names(_ path: String, _ target: TUFTarget) -> [String] {
    guard root.isConsistent else { return [path] }
    let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let folder = parts.dropLast().map { String(Substring($0)) + "/" }.joined()
    let name = parts.last.map { String(Substring($0)) } ?? ""
    return [TUFHash.sha512, .sha256].compactMap { hash in
      target.hashes[hash].map { "\(folder)\(Hex.encode($0)).\(name)" }
    }
  }
}

extension TUFClient: Sendable where Crypto: Sendable {}

/// The way through delegations in search of one path: in order, depth first, each role once.
struct TUFSearch: Sendable {
  /// A role that is to be looked at, and who trusts it.
  struct Visit: Sendable {
    let role: String
    let parent: String
    /// Nil for the repository's own targets role.
    let delegation: TUFDelegation?
    let keys: [String: TUFKey]

    var file: String { role + ".json" }
  }

  let path: String
  /// The next one is last.
  private var waiting: [Visit]
  private var visited: Set<String> = []

  init(_ path: String) {
    self.path = path
    let targets = TUFRole.targets.rawValue
    waiting = [Visit(role: targets, parent: "", delegation: nil, keys: [:])]
  }

  /// The next role, nil when the search is over.
  mutating func next(limit: Int) -> Visit? {
    while let visit = waiting.popLast() {
      guard !visited.contains(visit.role) else { continue }
      guard visited.count < limit else { return nil }
      visited.insert(visit.role)
      return visit
    }
    return nil
  }

  mutating func putBack(_ visit: Visit) {
    visited.remove(visit.role)
    waiting.append(visit)
  }

  /// Adds the roles that a role trusts with the path, in front of all others.
  mutating func expand(_ visit: Visit, _ targets: TUFTargets, _ crypto: some TUFCrypto) {
    var below: [Visit] = []
    for delegation in targets.delegations where delegation.covers(path, crypto) {
      below.append(
        Visit(
          role: delegation.name,
          parent: visit.role,
          delegation: delegation,
          keys: targets.keys
        )
      )
      // Whatever this role and those below it say of the path is the last word.
      if delegation.isTerminating {
        waiting = []
        break
      }
    }
    waiting += below.reversed()
  }
}

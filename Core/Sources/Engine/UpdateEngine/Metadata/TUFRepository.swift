internal import ByteIO
internal import JSONTree

/// A file that a repository publishes.
public struct TUFFile: Equatable, Sendable {
  /// Its name below the metadata address, percent-coded.
  public var name: String
  /// Its bytes.
  public var bytes: [UInt8]

  /// Creates a file.
  public init(name: String, bytes: [UInt8]) { (self.name, self.bytes) = (name, bytes) }
}

/// The owner's side of a repository: makes, signs and numbers the files that clients read.
///
/// It holds what was published last. Each call answers with the files to put out, in this order: those
/// that others point to come first, so that a client which reads meanwhile finds all that it is told of.
/// Keys stay with the `sign` function, which may be a person with a token; what was signed by too few
/// is not published.
public struct TUFRepository: Sendable {
  /// When files that are signed now are over, in seconds since 1970.
  public struct Expiries: Equatable, Sendable {
    /// The timestamp, which is signed most often.
    public var timestamp: Int64
    /// The snapshot.
    public var snapshot: Int64

    /// Creates times.
    public init(timestamp: Int64, snapshot: Int64) {
      (self.timestamp, self.snapshot) = (timestamp, snapshot)
    }
  }

  /// The root that was published last.
  public private(set) var root: TUFRoot
  /// What was published last of the targets role and of roles it delegates to, by name of the role.
  public private(set) var roles: [String: TUFTargets] = [:]
  private var infos: [String: TUFFileInfo] = [:]
  private var snapshot: TUFFileInfo?
  private var snapshotVersion: Int64 = 0
  private var timestampVersion: Int64 = 0

  /// Begins a repository.
  ///
  /// - Returns: its first root beside it.
  /// - Throws: `malformed` if the root lacks a role or a key, `threshold` or `cannotSign`.
  public static func begin(
    _ root: TUFRoot,
    _ crypto: some TUFCrypto,
    sign: TUFSign
  ) throws(TUFFault) -> (TUFRepository, TUFFile) {
    let file = try signedRoot(root, nil, crypto, sign)
    return (TUFRepository(root: root), file)
  }

  private init(root: TUFRoot) { self.root = root }

  /// Publishes the next root: keys that go, keys that come, or only a later expiry.
  ///
  /// It is signed by the keys of both roots. With new keys for timestamp and snapshot, publish again
  /// behind it: clients forget the versions that they saw, also those that a thief drove up (§5.3.11).
  ///
  /// - Throws: as `begin`; `wrongVersion` unless the version is the next one.
  public mutating func rotate(
    to next: TUFRoot,
    _ crypto: some TUFCrypto,
    sign: TUFSign
  ) throws(TUFFault) -> TUFFile {
    guard next.head.version == root.head.version + 1 else {
      throw .wrongVersion(
        file: TUFRole.root.file,
        version: next.head.version,
        expected: root.head.version + 1
      )
    }
    let file = try Self.signedRoot(next, root, crypto, sign)
    root = next
    return file
  }

  private static func signedRoot(
    _ root: TUFRoot,
    _ former: TUFRoot?,
    _ crypto: some TUFCrypto,
    _ sign: TUFSign
  ) throws(TUFFault) -> TUFFile {
    let name = TUFRole.root.file
    for role in TUFRole.allCases {
      let signers = root.signers(role)
      guard signers.threshold >= 1, signers.threshold <= signers.keyIDs.count,
        signers.keyIDs.allSatisfy({ root.keys[$0] != nil })
      else { throw .malformed(file: name, field: "roles") }
    }
    var keyIDs = root.signers(.root).keyIDs
    var keys = root.keys
    if let former {
      keyIDs += former.signers(.root).keyIDs
      keys.merge(former.keys) { mine, _ in mine }
    }
    guard let bytes = TUFEnvelope.make(root.json, keyIDs, keys, sign) else {
      throw .cannotSign(file: name)
    }
    let envelope = try TUFEnvelope(bytes, file: name, limit: .max)
    // As a client reads it: what that refuses is not published.
    let read = try TUFRoot(envelope.signed, crypto)
    try envelope.verify(read.signers(.root), read.keys, crypto)
    if let former { try envelope.verify(former.signers(.root), former.keys, crypto) }
    return TUFFile(name: "\(root.head.version).\(name)", bytes: bytes)
  }

  /// Publishes files of targets, and a snapshot and a timestamp that name them.
  ///
  /// - Parameters:
  ///   - changed: the roles that change, by name; their versions are set here. A role that another
  ///     delegates to comes in the same call as that one, or after it.
  ///   - expiries: of snapshot and timestamp.
  ///   - crypto: hashes, and checks what was signed.
  ///   - sign: signs.
  /// - Returns: the files to put out, in this order.
  /// - Throws: `threshold`, `cannotSign`, `malformed` if nobody delegates to a role.
  public mutating func publish(
    _ changed: [String: TUFTargets],
    _ expiries: Expiries,
    _ crypto: some TUFCrypto,
    sign: TUFSign
  ) throws(TUFFault) -> [TUFFile] {
    var next = self
    var files: [TUFFile] = []
    for (name, contents) in changed.sorted(by: { $0.key.ordinallyPrecedes($1.key) }) {
      var contents = contents
      contents.head.version = (roles[name]?.head.version ?? 0) + 1
      next.roles[name] = contents
    }
    for name in changed.keys.sorted(by: { $0.ordinallyPrecedes($1) }) {
      guard let contents = next.roles[name], let (signers, keys) = next.trust(in: name) else {
        throw .malformed(file: name + ".json", field: "delegations")
      }
      files.append(
        try next.signed(contents.json, name, contents.head.version, signers, keys, crypto, sign)
      )
    }
    next.snapshotVersion += 1
    let head = TUFHead(version: next.snapshotVersion, expires: expiries.snapshot)
    let listed = TUFSnapshot(head: head, files: next.infos)
    let (signers, keys) = (root.signers(.snapshot), root.keys)
    let role = TUFRole.snapshot.rawValue
    let file = try next.signed(listed.json, role, head.version, signers, keys, crypto, sign)
    next.snapshot = next.infos.removeValue(forKey: TUFRole.snapshot.file)
    files.append(file)
    files.append(try next.stamp(expiries.timestamp, crypto, sign: sign))
    self = next
    return files
  }

  /// Publishes the timestamp again, so that clients see that they are up to date.
  ///
  /// - Throws: `threshold`, `cannotSign`, `missing` if nothing was published before.
  public mutating func stamp(
    _ expires: Int64,
    _ crypto: some TUFCrypto,
    sign: TUFSign
  ) throws(TUFFault) -> TUFFile {
    guard let snapshot else { throw .missing(file: TUFRole.snapshot.file) }
    let head = TUFHead(version: timestampVersion + 1, expires: expires)
    let stamp = TUFTimestamp(head: head, snapshot: snapshot)
    let name = TUFRole.timestamp.file
    let signers = root.signers(.timestamp)
    guard let bytes = TUFEnvelope.make(stamp.json, signers.keyIDs, root.keys, sign) else {
      throw .cannotSign(file: name)
    }
    try TUFEnvelope(bytes, file: name, limit: .max).verify(signers, root.keys, crypto)
    timestampVersion = head.version
    return TUFFile(name: name, bytes: bytes)
  }

  /// Who signs for a role of targets.
  private func trust(in role: String) -> (TUFSigners, [String: TUFKey])? {
    if role == TUFRole.targets.rawValue { return (root.signers(.targets), root.keys) }
    for parent in roles.values {
      if let delegation = parent.delegations.first(where: { $0.name == role }) {
        return (delegation.signers, parent.keys)
      }
    }
    return nil
  }

  private mutating func signed(
    _ json: JSONObject,
    _ role: String,
    _ version: Int64,
    _ signers: TUFSigners,
    _ keys: [String: TUFKey],
    _ crypto: some TUFCrypto,
    _ sign: TUFSign
  ) throws(TUFFault) -> TUFFile {
    let name = role + ".json"
    guard let bytes = TUFEnvelope.make(json, signers.keyIDs, keys, sign) else {
      throw .cannotSign(file: name)
    }
    let envelope = try TUFEnvelope(bytes, file: name, limit: .max)
    try envelope.verify(signers, keys, crypto)
    // As a client reads it: what that refuses is not published.
    if role != TUFRole.snapshot.rawValue {
      _ = try TUFTargets(envelope.signed, file: name, crypto)
    }
    infos[name] = TUFFileInfo(
      version: version,
      length: Int64(bytes.count),
      hashes: [.sha256: crypto.digest(bytes, .sha256)]
    )
    let coded = PercentCoding.encode(name)
    return TUFFile(name: root.isConsistent ? "\(version).\(coded)" : coded, bytes: bytes)
  }
}

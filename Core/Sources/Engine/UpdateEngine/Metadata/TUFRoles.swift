internal import ByteIO
internal import JSONTree

/// What every signed file says of itself (TUF 1.0.34 §4.3).
public struct TUFHead: Equatable, Sendable {
  /// The specification we write.
  public static let specificationVersion = "1.0.34"

  /// Grows with every change; at least 1.
  public var version: Int64
  /// When the file is over, in seconds since 1970.
  public var expires: Int64

  /// Creates a head.
  public init(version: Int64, expires: Int64) {
    (self.version, self.expires) = (version, expires)
  }

  init(_ fields: TUFFields, type: String) throws(TUFFault) {
    guard try fields.string("_type") == type else { throw fields.fault("_type") }
    let specification = try fields.string("spec_version")
    // Any 1.x: minor versions stay readable by promise.
    guard specification.utf8.starts(with: "1.".utf8), specification.utf8.count <= 32 else {
      throw .specificationVersion(file: fields.file, specification)
    }
    version = try fields.number("version", least: 1)
    guard let expires = TUFTime.seconds(try fields.string("expires")) else {
      throw fields.fault("expires")
    }
    self.expires = expires
  }

  func json(_ type: String, _ rest: JSONObject) -> JSONObject {
    var object = rest
    object["_type"] = .string(type)
    object["spec_version"] = .string(Self.specificationVersion)
    object["version"] = .int(version)
    object["expires"] = .string(TUFTime.text(expires))
    return object
  }
}

/// The four roles that every repository has.
public enum TUFRole: String, Equatable, Hashable, Sendable, CaseIterable {
  /// Says which keys sign what.
  case root
  /// Says which snapshot is the latest.
  case timestamp
  /// Says which version of every other file belongs together.
  case snapshot
  /// Says what may be installed.
  case targets

  var file: String { rawValue + ".json" }
}

/// The file `root.json` (TUF 1.0.34 §4.3).
public struct TUFRoot: Equatable, Sendable {
  /// Version and expiry.
  public var head: TUFHead
  /// Whether files are fetched by names with their version or hash in front.
  public var isConsistent: Bool
  /// The keys, by identifier.
  public var keys: [String: TUFKey]
  /// Who signs each role.
  public var roles: [TUFRole: TUFSigners]

  /// Creates a root.
  public init(
    head: TUFHead,
    isConsistent: Bool = true,
    keys: [String: TUFKey],
    roles: [TUFRole: TUFSigners]
  ) {
    (self.head, self.isConsistent, self.keys, self.roles) = (head, isConsistent, keys, roles)
  }

  init(_ signed: JSONObject, _ crypto: some TUFCrypto) throws(TUFFault) {
    let fields = TUFFields(file: TUFRole.root.file, object: signed)
    head = try TUFHead(fields, type: "root")
    isConsistent = try fields.bool("consistent_snapshot", absent: false)
    keys = try fields.keys(crypto)
    roles = [:]
    let list = try fields.object("roles")
    for role in TUFRole.allCases {
      guard let value = list[role.rawValue] else { throw fields.fault("roles") }
      roles[role] = try fields.inner(value, "roles").signers()
    }
  }

  func signers(_ role: TUFRole) -> TUFSigners {
    // Every root has all four: read so, or checked before it is signed.
    roles[role] ?? TUFSigners(keyIDs: [], threshold: .max)
  }

  var json: JSONObject {
    var keyed = JSONObject()
    for (keyID, key) in keys { keyed[keyID] = .object(key.json) }
    var listed = JSONObject()
    for (role, signers) in roles { listed[role.rawValue] = .object(signers.json) }
    return head.json(
      "root",
      [
        "consistent_snapshot": .bool(isConsistent), "keys": .object(keyed),
        "roles": .object(listed),
      ]
    )
  }
}

extension TUFSigners {
  var json: JSONObject {
    [
      "keyids": .array(keyIDs.map { .string($0) }), "threshold": .int(Int64(threshold)),
    ]
  }
}

/// What one file says of another: which version, and perhaps its size and hashes.
public struct TUFFileInfo: Equatable, Sendable {
  /// The version.
  public var version: Int64
  /// The size in bytes, if it is told.
  public var length: Int64?
  /// The hashes, if they are told.
  public var hashes: [TUFHash: [UInt8]]?

  /// Creates the information.
  public init(version: Int64, length: Int64? = nil, hashes: [TUFHash: [UInt8]]? = nil) {
    (self.version, self.length, self.hashes) = (version, length, hashes)
  }

  init(_ fields: TUFFields) throws(TUFFault) {
    version = try fields.number("version", least: 1)
    length = try fields.length()
    hashes = try fields.hashes()
  }

  /// Checks size and hashes, which may be done before any signature (§5.5.2).
  func check(_ bytes: [UInt8], file: String, _ crypto: some TUFCrypto) throws(TUFFault) {
    if let length, length != Int64(bytes.count) {
      throw .wrongLength(file: file, byteCount: bytes.count, expected: length)
    }
    for (hash, digest) in hashes ?? [:] where crypto.digest(bytes, hash) != digest {
      throw .wrongHash(file: file)
    }
  }

  var json: JSONObject {
    var object: JSONObject = ["version": .int(version)]
    if let length { object["length"] = .int(length) }
    if let hashes { object["hashes"] = .object(Self.json(hashes)) }
    return object
  }

  static func json(_ hashes: [TUFHash: [UInt8]]) -> JSONObject {
    var object = JSONObject()
    for (hash, digest) in hashes { object[hash.rawValue] = .string(Hex.encode(digest)) }
    return object
  }
}

/// The file `timestamp.json` (TUF 1.0.34 §4.6).
public struct TUFTimestamp: Equatable, Sendable {
  /// Version and expiry.
  public var head: TUFHead
  /// The latest snapshot.
  public var snapshot: TUFFileInfo

  init(head: TUFHead, snapshot: TUFFileInfo) { (self.head, self.snapshot) = (head, snapshot) }

  init(_ signed: JSONObject) throws(TUFFault) {
    let fields = TUFFields(file: TUFRole.timestamp.file, object: signed)
    head = try TUFHead(fields, type: "timestamp")
    let meta = try fields.object("meta")
    guard meta.count == 1, let entry = meta[TUFRole.snapshot.file] else {
      throw fields.fault("meta")
    }
    snapshot = try TUFFileInfo(try fields.inner(entry, "meta"))
  }

  var json: JSONObject {
    head.json("timestamp", ["meta": [TUFRole.snapshot.file: .object(snapshot.json)]])
  }
}

/// The file `snapshot.json` (TUF 1.0.34 §4.4).
public struct TUFSnapshot: Equatable, Sendable {
  /// Version and expiry.
  public var head: TUFHead
  /// The files of the targets role and of roles it delegates to, by name without version.
  public var files: [String: TUFFileInfo]

  init(head: TUFHead, files: [String: TUFFileInfo]) { (self.head, self.files) = (head, files) }

  init(_ signed: JSONObject) throws(TUFFault) {
    let fields = TUFFields(file: TUFRole.snapshot.file, object: signed)
    head = try TUFHead(fields, type: "snapshot")
    files = [:]
    for (name, value) in try fields.object("meta") {
      guard fields.isName(name) else { throw fields.fault("meta") }
      files[name] = try TUFFileInfo(try fields.inner(value, "meta"))
    }
  }

  var json: JSONObject {
    var meta = JSONObject()
    for (name, info) in files { meta[name] = .object(info.json) }
    return head.json("snapshot", ["meta": .object(meta)])
  }
}

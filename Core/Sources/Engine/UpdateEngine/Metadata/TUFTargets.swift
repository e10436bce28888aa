internal import ByteIO
public import JSONTree

/// Something that may be installed, as its role signed it (TUF 1.0.34 §4.5).
public struct TUFTarget: Equatable, Sendable {
  /// Its size in bytes: the most that is fetched.
  public var length: Int64
  /// Its hashes; at least one.
  public var hashes: [TUFHash: [UInt8]]
  /// What the owner says of it, for instance its component, SBOM and provenance.
  public var custom: JSONObject?

  /// Creates a target.
  public init(length: Int64, hashes: [TUFHash: [UInt8]], custom: JSONObject? = nil) {
    (self.length, self.hashes, self.custom) = (length, hashes, custom)
  }

  init(_ fields: TUFFields) throws(TUFFault) {
    length = try fields.number("length", least: 0)
    guard let hashes = try fields.hashes() else { throw fields.fault("hashes") }
    self.hashes = hashes
    custom = fields.object["custom"] == nil ? nil : try fields.object("custom")
  }

  /// Checks bytes that were fetched.
  ///
  /// - Throws: `wrongLength` or `wrongHash`.
  public func check(_ bytes: [UInt8], path: String, _ crypto: some TUFCrypto) throws(TUFFault) {
    try TUFFileInfo(version: 1, length: length, hashes: hashes).check(bytes, file: path, crypto)
  }

  var json: JSONObject {
    var object: JSONObject = [
      "length": .int(length), "hashes": .object(TUFFileInfo.json(hashes)),
    ]
    if let custom { object["custom"] = .object(custom) }
    return object
  }
}

/// Trust in another role for some paths (TUF 1.0.34 §4.5).
public struct TUFDelegation: Equatable, Sendable {
  /// Which paths the role is trusted with.
  public enum Paths: Equatable, Sendable {
    /// Those that match a pattern, see `TUFPathPattern`.
    case patterns([String])
    /// Those whose SHA-256, in lower-case hexadecimal, begins with one of these.
    case hashPrefixes([String])
  }

  /// Name of the role; its file is called so.
  public var name: String
  /// Who signs for it.
  public var signers: TUFSigners
  /// Whether the search ends with this role and those below it.
  public var isTerminating: Bool
  /// Which paths it is trusted with.
  public var paths: Paths

  /// Creates a delegation.
  public init(name: String, signers: TUFSigners, isTerminating: Bool, paths: Paths) {
    self.name = name
    self.signers = signers
    self.isTerminating = isTerminating
    self.paths = paths
  }

  init(_ fields: TUFFields) throws(TUFFault) {
    name = try fields.string("name")
    // A role of the repository's own must not be reached by another's keys.
    guard fields.isName(name), TUFRole(rawValue: name) == nil else { throw fields.fault("name") }
    signers = try fields.signers()
    isTerminating = try fields.bool("terminating", absent: false)
    switch (fields.object["paths"], fields.object["path_hash_prefixes"]) {
    case (.some, nil): paths = .patterns(try fields.strings("paths"))
    case (nil, .some): paths = .hashPrefixes(try fields.strings("path_hash_prefixes"))
    default: throw fields.fault("paths")
    }
  }

  /// Whether the role is trusted with `path`.
  func covers(_ path: String, _ crypto: some TUFCrypto) -> Bool {
    switch paths {
    case .patterns(let patterns): return patterns.contains { TUFPathPattern.matches($0, path) }
    case .hashPrefixes(let prefixes):
      let digest = Hex.encode(crypto.digest(Array(path.utf8), .sha256))
      return prefixes.contains { digest.utf8.starts(with: $0.utf8) }
    }
  }

  var file: String { name + ".json" }

  var json: JSONObject {
    var object = signers.json
    object["name"] = .string(name)
    object["terminating"] = .bool(isTerminating)
    switch paths {
    case .patterns(let patterns): object["paths"] = .array(patterns.map { .string($0) })
    case .hashPrefixes(let prefixes):
      object["path_hash_prefixes"] = .array(prefixes.map { .string($0) })
    }
    return object
  }
}

/// The file `targets.json`, or that of a delegated role (TUF 1.0.34 §4.5).
public struct TUFTargets: Equatable, Sendable {
  /// Version and expiry.
  public var head: TUFHead
  /// What may be installed, by path.
  public var targets: [String: TUFTarget]
  /// Keys of the roles it delegates to.
  public var keys: [String: TUFKey]
  /// Roles it delegates to, those it trusts more before the others.
  public var delegations: [TUFDelegation]

  /// Creates the file's contents.
  public init(
    head: TUFHead,
    targets: [String: TUFTarget] = [:],
    keys: [String: TUFKey] = [:],
    delegations: [TUFDelegation] = []
  ) {
    (self.head, self.targets, self.keys) = (head, targets, keys)
    self.delegations = delegations
  }

  init(_ signed: JSONObject, file: String, _ crypto: some TUFCrypto) throws(TUFFault) {
    let fields = TUFFields(file: file, object: signed)
    head = try TUFHead(fields, type: "targets")
    (targets, keys, delegations) = ([:], [:], [])
    for (path, value) in try fields.object("targets") {
      guard fields.isName(path) else { throw fields.fault("targets") }
      targets[path] = try TUFTarget(try fields.inner(value, "targets"))
    }
    guard let value = signed["delegations"] else { return }
    let inner = try fields.inner(value, "delegations")
    keys = try inner.keys(crypto)
    // Hashed bins in short form (`succinct_roles`) are not of this specification: without a list of
    // roles there is nothing that we could follow.
    guard let roles = inner.object["roles"]?.arrayValue, roles.count <= TUFFields.maximumCount
    else { throw fields.fault("delegations") }
    var names: Set<String> = []
    for role in roles {
      let delegation = try TUFDelegation(try fields.inner(role, "delegations"))
      guard names.insert(delegation.name).inserted else { throw fields.fault("delegations") }
      delegations.append(delegation)
    }
  }

  var json: JSONObject {
    var listed = JSONObject()
    for (path, target) in targets { listed[path] = .object(target.json) }
    var object: JSONObject = ["targets": .object(listed)]
    if !delegations.isEmpty {
      var keyed = JSONObject()
      for (keyID, key) in keys { keyed[keyID] = .object(key.json) }
      object["delegations"] = [
        "keys": .object(keyed), "roles": .array(delegations.map { .object($0.json) }),
      ]
    }
    return head.json("targets", object)
  }
}

/// Patterns of target paths: the shell's, part by part between slashes (TUF 1.0.34 §4.5).
public enum TUFPathPattern {
  /// Whether `path` matches: `*` is any characters, `?` is one, `[a-z]` and `[!a-z]` one of or none
  /// of those; none of them is a slash.
  ///
  /// Its time is at most the product of both lengths.
  public static func matches(_ pattern: String, _ path: String) -> Bool {
    let slash: Unicode.Scalar = "/"
    let parts = pattern.unicodeScalars.split(separator: slash, omittingEmptySubsequences: false)
    let names = path.unicodeScalars.split(separator: slash, omittingEmptySubsequences: false)
    guard parts.count == names.count else { return false }
    return zip(parts, names).allSatisfy { matches(Array($0), Array($1)) }
  }

  private static func matches(_ pattern: [Unicode.Scalar], _ name: [Unicode.Scalar]) -> Bool {
    let brackets = Brackets(pattern)
    var (place, position) = (0, 0)
    // Behind the last star, and how much of the name it has taken: only that one is ever widened.
    var star: (place: Int, position: Int)?
    while position < name.count {
      if place < pattern.count, pattern[place] == "*" {
        place += 1
        star = (place, position)
      } else if place < pattern.count, let end = brackets.step(pattern, place, name[position]) {
        (place, position) = (end, position + 1)
      } else if let last = star {
        star = (last.place, last.position + 1)
        (place, position) = (last.place, last.position + 1)
      } else {
        return false
      }
    }
    return pattern[place...].allSatisfy { $0 == "*" }
  }

  /// Where the brackets of a pattern end, looked up once.
  private struct Brackets {
    /// The first closing bracket at or behind each place.
    private var closes: [Int?]

    init(_ pattern: [Unicode.Scalar]) {
      closes = [Int?](repeating: nil, count: pattern.count)
      var next: Int?
      for place in pattern.indices.reversed() {
        if pattern[place] == "]" { next = place }
        closes[place] = next
      }
    }

    /// Where the pattern goes on if the element at `place` takes `scalar`.
    func step(_ pattern: [Unicode.Scalar], _ place: Int, _ scalar: Unicode.Scalar) -> Int? {
      if pattern[place] == "?" { return place + 1 }
      var index = place + 1
      let isNegative = index < pattern.count && pattern[index] == "!"
      if isNegative { index += 1 }
      // A closing bracket that comes first stands for itself; one that is never closed is plain text.
      guard pattern[place] == "[", index + 1 < pattern.count, let close = closes[index + 1] else {
        return pattern[place] == scalar ? place + 1 : nil
      }
      var isIn = false
      while index < close {
        if index + 2 < close, pattern[index + 1] == "-" {
          if pattern[index] <= scalar, scalar <= pattern[index + 2] { isIn = true }
          index += 3
        } else {
          if pattern[index] == scalar { isIn = true }
          index += 1
        }
      }
      return isIn != isNegative ? close + 1 : nil
    }
  }
}

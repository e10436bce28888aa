internal import HubContract
internal import JSONTree

/// A property of a twin together with its value, as one number that an index can hold.
///
/// Values that the query language finds equal have the same number, whether they are written `1` or
/// `1.0`. Different ones have it by accident only, so a twin that was found by it has still to be
/// looked at. Only text, numbers and truth values that do not lie in an array have one.
///
/// The numbers are kept in databases: another way of making them needs a migration.
///
///     modules 1 bit · section 2 bits · FNV-1a of path and value, 44 bits
public struct PropertyFingerprint: Hashable, Sendable {
  /// Properties of one section that are listed at most.
  ///
  /// Beyond it the section counts as unlisted, so that a write costs a bounded number of entries.
  static let listedCount = 256
  private static let hashBits: Int64 = 44

  /// The number: positive and below 2^47, so that SQLite keeps it in six bytes.
  public let rawValue: Int64

  private init(isModule: Bool, section: TwinSectionName, hash: UInt64) {
    let place: Int64 =
      switch section {
      case .tags: 0
      case .desired: 1
      case .reported: 2
      }
    rawValue =
      ((isModule ? 4 : 0) + place) << Self.hashBits
      | Int64(truncatingIfNeeded: hash & (1 << UInt64(Self.hashBits) - 1))
  }

  /// Marks a section with too many properties, which may hold anything.
  static func unlisted(isModule: Bool, section: TwinSectionName) -> PropertyFingerprint {
    PropertyFingerprint(isModule: isModule, section: section, hash: 0)
  }

  /// The fingerprint of `value` at `path`, nil if there is none of such a value.
  init?(
    isModule: Bool,
    section: TwinSectionName,
    path: some Sequence<String>,
    value: JSONValue
  ) {
    var hash = PropertyHash()
    for name in path { hash.add(name: name) }
    guard hash.add(value: value) else { return nil }
    self.init(isModule: isModule, section: section, hash: hash.state)
  }

  /// What a write changes in the index.
  ///
  /// - Parameters:
  ///   - old: the twin before it, nil if there was none.
  ///   - new: the twin after it, nil if it is deleted.
  /// - Returns: the fingerprints that the twin no longer has and those that it has now.
  public static func changes(
    from old: TwinRecord?,
    to new: TwinRecord?
  ) -> (removed: Set<PropertyFingerprint>, added: Set<PropertyFingerprint>) {
    var removed: Set<PropertyFingerprint> = []
    var added: Set<PropertyFingerprint> = []
    let isModule = (new ?? old)?.key.moduleID != nil
    for section in TwinSectionName.allCases {
      let before = old?.text(of: section) ?? TwinSection.emptyObject
      let after = new?.text(of: section) ?? TwinSection.emptyObject
      if before == after { continue }
      let had = all(in: before, section: section, isModule: isModule)
      let has = all(in: after, section: section, isModule: isModule)
      removed.formUnion(had.subtracting(has))
      added.formUnion(has.subtracting(had))
    }
    return (removed, added)
  }

  /// All fingerprints of a twin.
  public static func all(in twin: TwinRecord) -> Set<PropertyFingerprint> {
    changes(from: nil, to: twin).added
  }

  private static func all(
    in text: [UInt8],
    section: TwinSectionName,
    isModule: Bool
  ) -> Set<PropertyFingerprint> {
    guard text.count > 2, case .object(let object)? = try? JSON.parse(text) else { return [] }
    var found: Set<PropertyFingerprint> = []
    collect(object, PropertyHash()) { hash in
      found.insert(PropertyFingerprint(isModule: isModule, section: section, hash: hash))
      return found.count <= listedCount
    }
    return found.count <= listedCount ? found : [unlisted(isModule: isModule, section: section)]
  }

  /// Hands on the hash of every property below `object` until `visit` answers false.
  ///
  /// - Returns: whether `visit` wants more.
  @discardableResult
  private static func collect(
    _ object: JSONObject,
    _ path: PropertyHash,
    _ visit: (UInt64) -> Bool
  ) -> Bool {
    for (name, value) in object {
      var hash = path
      hash.add(name: name)
      if case .object(let inner) = value {
        guard collect(inner, hash, visit) else { return false }
      } else if hash.add(value: value) {
        guard visit(hash.state) else { return false }
      }
    }
    return true
  }
}

/// FNV-1a over the names of a path and a value.
private struct PropertyHash {
  private(set) var state: UInt64 = 0xcbf2_9ce4_8422_2325

  private mutating func add(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }

  mutating func add(name: String) {
    for byte in name.utf8 { add(byte) }
    // No name holds a control character, so this ends it.
    add(0)
  }

  /// Adds a value; false if it has no fingerprint.
  mutating func add(value: JSONValue) -> Bool {
    switch value {
    case .bool(let truth): add(truth ? 2 : 1)
    case .number(let number):
      add(3)
      // Zero has two bit patterns and is equal to itself.
      let bits = number.double == 0 ? 0 : number.double.bitPattern
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        add(UInt8(truncatingIfNeeded: bits >> shift))
      }
    case .string(let text):
      add(4)
      for byte in text.utf8 { add(byte) }
    case .null, .array, .object: return false
    }
    return true
  }
}

extension TwinRecord {
  fileprivate func text(of section: TwinSectionName) -> [UInt8] {
    switch section {
    case .tags: tags
    case .desired: desired.properties
    case .reported: reported.properties
    }
  }
}

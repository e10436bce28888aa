internal import ByteIO
internal import JSONTree

/// Reads the fields of one file's signed part, and names the one that is wrong.
struct TUFFields {
  /// The most keys, roles, files or targets in one list.
  static let maximumCount = 1 << 16
  /// The longest name of a role or path of a target, in bytes.
  static let maximumNameBytes = 1024

  let file: String
  let object: JSONObject

  func fault(_ field: String) -> TUFFault { .malformed(file: file, field: field) }

  func string(_ name: String) throws(TUFFault) -> String {
    guard let text = object[name]?.stringValue else { throw fault(name) }
    return text
  }

  func object(_ name: String) throws(TUFFault) -> JSONObject {
    guard let value = object[name]?.objectValue, value.count <= Self.maximumCount else {
      throw fault(name)
    }
    return value
  }

  /// A whole number that is at least `least`.
  func number(_ name: String, least: Int64) throws(TUFFault) -> Int64 {
    guard let value = object[name]?.int64Value, value >= least else { throw fault(name) }
    return value
  }

  /// A truth value; `absent` if there is none.
  func bool(_ name: String, absent: Bool?) throws(TUFFault) -> Bool {
    if let value = object[name]?.boolValue { return value }
    guard object[name] == nil, let absent else { throw fault(name) }
    return absent
  }

  func strings(_ name: String) throws(TUFFault) -> [String] {
    guard let list = object[name]?.arrayValue, list.count <= Self.maximumCount else {
      throw fault(name)
    }
    var texts: [String] = []
    for entry in list {
      guard let text = entry.stringValue else { throw fault(name) }
      texts.append(text)
    }
    return texts
  }

  func signers() throws(TUFFault) -> TUFSigners {
    let keyIDs = try strings("keyids")
    guard Set(keyIDs).count == keyIDs.count else { throw fault("keyids") }
    let threshold = try number("threshold", least: 1)
    guard threshold <= Self.maximumCount else { throw fault("threshold") }
    return TUFSigners(keyIDs: keyIDs, threshold: Int(threshold))
  }

  /// The member `name`, whose identifiers are checked if there is somebody to check them.
  func keys(_ crypto: (some TUFCrypto)?) throws(TUFFault) -> [String: TUFKey] {
    var keys: [String: TUFKey] = [:]
    for (keyID, json) in try object("keys") {
      guard let key = TUFKey(json) else { throw fault("keys") }
      if let crypto, key.identifier(crypto) != keyID { throw .keyID(keyID) }
      keys[keyID] = key
    }
    return keys
  }

  /// Hashes of which at least one is of a kind that we know; the others are passed over.
  func hashes() throws(TUFFault) -> [TUFHash: [UInt8]]? {
    guard object["hashes"] != nil else { return nil }
    var hashes: [TUFHash: [UInt8]] = [:]
    for (name, value) in try object("hashes") {
      guard let text = value.stringValue else { throw fault("hashes") }
      guard let hash = TUFHash(rawValue: name) else { continue }
      guard let bytes = Hex.decode(text), bytes.count == hash.byteCount else {
        throw fault("hashes")
      }
      hashes[hash] = bytes
    }
    guard !hashes.isEmpty else { throw fault("hashes") }
    return hashes
  }

  func length() throws(TUFFault) -> Int64? {
    object["length"] == nil ? nil : try number("length", least: 0)
  }

  /// A member of `object` as fields of its own.
  func inner(_ value: JSONValue, _ field: String) throws(TUFFault) -> TUFFields {
    guard let object = value.objectValue else { throw fault(field) }
    return TUFFields(file: file, object: object)
  }

  func isName(_ name: String) -> Bool { (1...Self.maximumNameBytes).contains(name.utf8.count) }
}

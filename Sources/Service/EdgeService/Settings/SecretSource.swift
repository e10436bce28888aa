import ByteIO
package import HubContract
import JSONTree
package import Platform

/// Where a symmetric key comes from; its descriptions never show it.
package enum SecretSource: Equatable, Sendable, CustomStringConvertible,
  CustomDebugStringConvertible
{
  /// It stands in the settings.
  case inline(SymmetricKey)
  /// It is in a file: the bytes themselves, or their base64 text.
  case file(String)
  /// It is somewhere, and this process is not told.
  case withheld

  package var description: String {
    switch self {
    case .inline: "a key in the settings"
    case .file(let path): "the key in \(path)"
    case .withheld: "a key that only the keys process is told"
    }
  }

  package var debugDescription: String { description }

  /// The key.
  ///
  /// - Throws: `SettingsFault` for a file that cannot be read, or holds no key.
  package func key() throws(SettingsFault) -> SymmetricKey {
    switch self {
    case .inline(let key): return key
    case .withheld: throw SettingsFault("there is no key here: only the keys process is told it")
    case .file(let path):
      let bytes: [UInt8]
      do throws(FileFault) {
        bytes = try PrivateFile.read(path, limit: 4_096)
      } catch {
        throw SettingsFault("\(error)", remedy: error.remedy)
      }
      let text = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
      guard let key = SymmetricKey(base64: text) ?? SymmetricKey(bytes: bytes) else {
        throw SettingsFault(
          "\(path) holds no key",
          remedy: "It takes 16 to 64 bytes, as they are or in base64."
        )
      }
      return key
    }
  }
}

extension SettingsTable {
  /// A key: `{ value = "<base64>" }` or `{ uri = "file:///…" }`, or the text of either.
  func secret(_ name: String, _ purpose: String) throws(SettingsFault) -> SecretSource {
    let form = "Write { value = \"<base64>\" } or { uri = \"file:///path\" }."
    guard let value = value(name) else {
      throw fault(name, "is missing", remedy: "It is needed \(purpose). \(form)")
    }
    guard value.objectValue != nil else {
      guard let text = value.stringValue else { throw fault(name, "must be a table", remedy: form) }
      return try secret(name, written: text)
    }
    guard let table = try table(name) else { throw fault(name, "is missing", remedy: form) }
    if isCopy, try table.flag("withheld") == true { return .withheld }
    try table.refuse(otherThan: ["value", "uri"])
    if let text = try table.text("value") {
      guard let key = SymmetricKey(base64: text) else {
        throw table.fault("value", "must be the base64 text of 16 to 64 bytes")
      }
      return .inline(key)
    }
    guard let path = try table.path("uri") else { throw fault(name, "is empty", remedy: form) }
    return .file(path)
  }

  private func secret(_ name: String, written text: String) throws(SettingsFault) -> SecretSource {
    if let key = SymmetricKey(base64: text) { return .inline(key) }
    // Not the path's own fault, which would show what may be a key with a typing error.
    guard text.hasPrefix("/") || text.hasPrefix("file://") else {
      throw fault(name, "is neither the base64 text of 16 to 64 bytes nor a file")
    }
    return .file(try path(name, text))
  }
}

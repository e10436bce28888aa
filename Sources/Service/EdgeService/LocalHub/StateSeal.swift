import Crypto
import Platform

/// Seals what this edge keeps, with a key that is kept apart from it.
struct StateSeal: Sendable {
  /// What is read was not sealed with this key, or was changed.
  struct Damaged: Error {}

  private let key: SymmetricKey

  /// Seals with 32 bytes.
  init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

  /// The sealed form; `name` is bound to it, so that one value can't be put in another's place.
  ///
  /// - Throws: If the cipher does.
  func seal(_ bytes: [UInt8], as name: String) throws -> [UInt8] {
    let box = try AES.GCM.seal(bytes, using: key, authenticating: Array(name.utf8))
    guard let combined = box.combined else { throw Damaged() }
    return Array(combined)
  }

  /// What `seal` was given.
  ///
  /// - Throws: `Damaged`.
  func open(_ sealed: [UInt8], as name: String) throws -> [UInt8] {
    guard let box = try? AES.GCM.SealedBox(combined: sealed),
      let opened = try? AES.GCM.open(box, using: key, authenticating: Array(name.utf8))
    else { throw Damaged() }
    return Array(opened)
  }
}

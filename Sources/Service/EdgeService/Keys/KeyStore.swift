import Crypto
import FoundationEssentials
package import HubContract
import Platform

/// The keys that are made on this device, all derived from one master key.
///
/// Each key belongs to a module *and* its generation: a module that is deleted and made again has
/// others, and cannot read what its predecessor encrypted.
package struct KeyStore: Sendable {
  /// What a derived key is for; part of its derivation.
  package enum Use: String, Sendable {
    /// The module's primary key at the hub.
    case primary
    /// The module's secondary key at the hub.
    case secondary
    /// The key of what the module keeps secret on this device.
    case encryption
  }

  private static let masterLength = 32
  /// Names the format of what was encrypted.
  private static let format: UInt8 = 1

  private let master: [UInt8]
  /// Whether the master key was made just now: what an earlier one encrypted is lost.
  package let isNew: Bool

  /// Reads the master key, or makes it where there is none.
  ///
  /// - Throws: `FileFault`, or `SettingsFault` for a file that holds no master key.
  package init(directory: String) throws {
    let path = directory + "/master.key"
    isNew = !PrivateFile.exists(path)
    if isNew { try PrivateFile.replace(path, with: Entropy.bytes(Self.masterLength)) }
    master = try PrivateFile.read(path, limit: 4_096)
    guard master.count == Self.masterLength else {
      throw SettingsFault(
        "\(path) is damaged: it has \(master.count) bytes, not \(Self.masterLength)",
        remedy:
          "Put a copy back; or remove it: modules get new keys, and what they encrypted is lost."
      )
    }
  }

  /// The key of a module's generation.
  package func key(
    _ use: Use,
    moduleID: String,
    generationID: String
  ) -> HubContract.SymmetricKey? {
    HubContract.SymmetricKey(bytes: derived(use, moduleID, generationID))
  }

  /// HMAC-SHA256 of `message` under the module's primary key.
  package func sign(_ message: [UInt8], moduleID: String, generationID: String) -> [UInt8] {
    Hashing.hmacSHA256(key: derived(.primary, moduleID, generationID), message: message)
  }

  /// Encrypts for the module's generation alone, authenticated.
  ///
  /// The caller's vector is authenticated and not used as the nonce: callers repeat theirs, and AES-GCM
  /// fails wholly where a nonce is used twice. The nonce is random and travels in front.
  package func encrypt(
    _ plaintext: [UInt8],
    vector: [UInt8],
    moduleID: String,
    generationID: String
  ) throws -> [UInt8] {
    let box = try AES.GCM.seal(
      plaintext,
      using: cipherKey(moduleID, generationID),
      authenticating: [Self.format] + vector
    )
    return [Self.format] + Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
  }

  /// What `encrypt` was given; nil if it was another module, generation, vector or key, or anything
  /// was changed.
  package func decrypt(
    _ ciphertext: [UInt8],
    vector: [UInt8],
    moduleID: String,
    generationID: String
  ) -> [UInt8]? {
    guard ciphertext.first == Self.format,
      let box = try? AES.GCM.SealedBox(combined: ciphertext.dropFirst()),
      let plaintext = try? AES.GCM.open(
        box,
        using: cipherKey(moduleID, generationID),
        authenticating: [Self.format] + vector
      )
    else { return nil }
    return Array(plaintext)
  }

  private func cipherKey(_ moduleID: String, _ generationID: String) -> Crypto.SymmetricKey {
    Crypto.SymmetricKey(data: derived(.encryption, moduleID, generationID))
  }

  // No ID holds a NUL, so that no two of these are the same text.
  private func derived(_ use: Use, _ moduleID: String, _ generationID: String) -> [UInt8] {
    let text = [use.rawValue, moduleID, generationID].joined(separator: "\u{0}")
    return Hashing.hmacSHA256(key: master, message: Array(text.utf8))
  }
}

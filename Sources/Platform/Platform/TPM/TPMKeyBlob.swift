import Crypto
import CryptoExtras
import FoundationEssentials
package import HubContract

/// Encrypts a key to a chip, as the provisioning service's stock clients take it.
///
/// Five parts follow each other: the credential of TPM2_MakeCredential with its encrypted seed, the key
/// as an object that TPM2_Import takes with its encrypted seed, that object's public area, and an empty
/// sixth where others put a host name. The credential is the key of the inner wrapper, bound to the
/// storage root key's name: only a chip that has both the endorsement key and that storage root key
/// gets at the object (TPM 2.0 Library, Part 1, 23 and 24).
package enum TPMKeyBlob {
  private static let digestBytes = 32
  private static let sha256: UInt16 = 0x000B

  /// The blob for a chip.
  ///
  /// - Parameters:
  ///   - key: at most 64 bytes, the key of HMAC-SHA256.
  ///   - endorsementKey: the chip's key that others vouch for.
  ///   - storageRootKey: the chip's key under which the object is kept.
  /// - Returns: the blob; nil where a key cannot be encrypted to.
  package static func make(
    _ key: [UInt8],
    endorsementKey: TPMPublicArea,
    storageRootKey: TPMPublicArea
  ) -> [UInt8]? {
    let wrapKey = Entropy.bytes(16)
    let sensitiveSeed = Entropy.bytes(digestBytes)
    // TPMT_SENSITIVE of a keyed hash without authorization value.
    let sensitive = sized(joined(word(0x0008), word(0), sized(sensitiveSeed), sized(key)))
    // Usable by everybody who may use the chip, for HMAC-SHA256, without dictionary attack protection.
    let publicArea = joined(
      word(0x0008),
      word(sha256),
      [0, 4, 4, 0x40],
      word(0),
      word(0x0005),
      word(sha256),
      sized(Hashing.sha256(sensitiveSeed + key))
    )
    let name = name(publicArea)
    let inner = sized(Hashing.sha256(sensitive + name)) + sensitive
    guard let wrapped = encrypted(inner, wrapKey),
      let credential = protected(
        sized(wrapKey),
        for: endorsementKey,
        name: Self.name(storageRootKey.area),
        label: "IDENTITY"
      ),
      let object = protected(wrapped, for: storageRootKey, name: name, label: "DUPLICATE")
    else { return nil }
    return joined(
      sized(credential.blob),
      sized(credential.seed),
      sized(object.blob),
      sized(object.seed),
      sized(publicArea),
      word(0)
    )
  }

  /// Encrypts and authenticates by a seed that only the owner of `key` reads (Part 1, 24.4 and 23.3).
  private static func protected(
    _ secret: [UInt8],
    for key: TPMPublicArea,
    name: [UInt8],
    label: String
  ) -> (blob: [UInt8], seed: [UInt8])? {
    guard let (seed, encryptedSeed) = seed(for: key, label: Array(label.utf8) + [0]) else {
      return nil
    }
    let cipherKey = derived(seed, "STORAGE", name, bits: key.symmetricKeyBits)
    guard let body = encrypted(secret, cipherKey) else { return nil }
    let integrityKey = derived(seed, "INTEGRITY", [], bits: 8 * digestBytes)
    let integrity = Hashing.hmacSHA256(key: integrityKey, message: body + name)
    return (sized(integrity) + body, encryptedSeed)
  }

  private static func seed(
    for key: TPMPublicArea,
    label: [UInt8]
  ) -> (seed: [UInt8], encrypted: [UInt8])? {
    switch key.key {
    case .rsa(let modulus, let exponent):
      let seed = Entropy.bytes(digestBytes)
      let encrypted = LabelledOAEP.encrypt(
        seed,
        label: label,
        modulus: modulus,
        exponent: exponent
      )
      return encrypted.map { (seed, $0) }
    case .p256(let x, let y):
      let own = P256.KeyAgreement.PrivateKey()
      guard let theirs = try? P256.KeyAgreement.PublicKey(rawRepresentation: x + y),
        let shared = try? own.sharedSecretFromKeyAgreement(with: theirs)
      else { return nil }
      let point = [UInt8](own.publicKey.rawRepresentation)
      let (ownX, ownY) = (Array(point.prefix(32)), Array(point.suffix(32)))
      let z = shared.withUnsafeBytes { Array($0) }
      // KDFe (Part 1, 11.4.10.3).
      let seed = Hashing.sha256(joined(LabelledOAEP.bigEndian(1), z, label, ownX, x))
      return (seed, sized(ownX) + sized(ownY))
    }
  }

  /// KDFa with SHA-256, which makes at most 256 bits here (Part 1, 11.4.10.2).
  private static func derived(
    _ key: [UInt8],
    _ label: String,
    _ context: [UInt8],
    bits: Int
  ) -> [UInt8] {
    let message = joined(
      LabelledOAEP.bigEndian(1),
      Array(label.utf8),
      [0],
      context,
      LabelledOAEP.bigEndian(UInt32(bits))
    )
    return Array(Hashing.hmacSHA256(key: key, message: message).prefix(bits / 8))
  }

  private static func encrypted(_ text: [UInt8], _ key: [UInt8]) -> [UInt8]? {
    guard let zero = try? AES._CFB.IV(ivBytes: [UInt8](repeating: 0, count: 16)) else { return nil }
    return (try? AES._CFB.encrypt(text, using: Crypto.SymmetricKey(data: key), iv: zero)).map {
      Array($0)
    }
  }

  private static func name(_ publicArea: [UInt8]) -> [UInt8] {
    word(sha256) + Hashing.sha256(publicArea)
  }

  private static func joined(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }

  private static func word(_ value: UInt16) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  private static func sized(_ bytes: [UInt8]) -> [UInt8] {
    word(UInt16(clamping: bytes.count)) + bytes
  }
}

import Crypto
import CryptoExtras
import SwiftASN1

/// A public key that says whether a signature is its owner's: ECDSA on P-256 or P-384, RSA with PKCS #1
/// v1.5, or Ed25519.
package struct SignatureKey: Sendable {
  private enum Kind: Sendable {
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case rsa(_RSA.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)
  }

  private let kind: Kind

  /// Reads a `PUBLIC KEY` in PEM; nil for anything else, also for RSA of less than 2048 bits.
  package init?(pem: String) {
    if let key = try? P256.Signing.PublicKey(pemRepresentation: pem) {
      kind = .p256(key)
    } else if let key = try? P384.Signing.PublicKey(pemRepresentation: pem) {
      kind = .p384(key)
    } else if let key = try? _RSA.Signing.PublicKey(pemRepresentation: pem) {
      kind = .rsa(key)
    } else if let key = Self.ed25519(pem) {
      kind = .ed25519(key)
    } else {
      return nil
    }
  }

  /// What stands before the 32 bytes of the key (RFC 8410 section 4).
  private static let ed25519Prefix: [UInt8] = [
    0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
  ]

  private static func ed25519(_ pem: String) -> Curve25519.Signing.PublicKey? {
    guard let document = try? PEMDocument(pemString: pem), document.discriminator == "PUBLIC KEY",
      document.derBytes.starts(with: ed25519Prefix)
    else { return nil }
    return try? Curve25519.Signing.PublicKey(
      rawRepresentation: document.derBytes.dropFirst(ed25519Prefix.count)
    )
  }

  /// Whether `signature`, in DER with ECDSA, is this key's over `message`.
  ///
  /// The hash is SHA-256; with P-384 also SHA-384, since programs that sign differ in that.
  package func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
    switch kind {
    case .p256(let key):
      guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature) else {
        return false
      }
      return key.isValidSignature(signature, for: SHA256.hash(data: message))
    case .p384(let key):
      guard let signature = try? P384.Signing.ECDSASignature(derRepresentation: signature) else {
        return false
      }
      return key.isValidSignature(signature, for: SHA256.hash(data: message))
        || key.isValidSignature(signature, for: SHA384.hash(data: message))
    case .rsa(let key):
      return key.isValidSignature(
        _RSA.Signing.RSASignature(rawRepresentation: signature),
        for: SHA256.hash(data: message),
        padding: .insecurePKCS1v1_5
      )
    case .ed25519(let key): return key.isValidSignature(signature, for: message)
    }
  }
}

internal import ByteIO
public import JSONTree

/// A hash function that metadata may name.
public enum TUFHash: String, Equatable, Hashable, Sendable, CaseIterable {
  /// SHA-256.
  case sha256
  /// SHA-512.
  case sha512

  var byteCount: Int { self == .sha256 ? 32 : 64 }
}

/// What metadata needs of cryptography: passed in, never made here.
public protocol TUFCrypto {
  /// Whether `signature` over `message` is good under `key`, for the schemes of `TUFKey.Scheme`.
  ///
  /// A key whose value cannot be read has no good signatures.
  func isSigned(_ message: [UInt8], by key: TUFKey, _ signature: [UInt8]) -> Bool

  /// The digest of `bytes`.
  func digest(_ bytes: [UInt8], _ hash: TUFHash) -> [UInt8]
}

/// A public key as metadata holds it (TUF 1.0.34 §4.2).
public struct TUFKey: Equatable, Sendable {
  /// How a key signs.
  public enum Scheme: String, Equatable, Sendable {
    /// Ed25519; the value is 32 bytes in hexadecimal.
    case ed25519
    /// ECDSA over P-256 with SHA-256, the signature in DER; the value is PEM.
    case ecdsaP256 = "ecdsa-sha2-nistp256"
    /// RSASSA-PSS with SHA-256; the value is PEM, of at least 2048 bits.
    case rsaPSS = "rsassa-pss-sha256"
  }

  /// The longest value in characters: a 4096-bit RSA key needs 800.
  public static let maximumValueBytes = 4096

  /// The key's object, with fields that we do not know: they count for the identifier.
  public let json: JSONObject
  /// How it signs; nil if we do not know the scheme, and then nothing is signed by it.
  public let scheme: Scheme?
  /// The public value, as text.
  public let value: String

  /// Creates a key.
  public init(_ scheme: Scheme, value: String) {
    let type =
      switch scheme {
      case .ed25519: "ed25519"
      case .ecdsaP256: "ecdsa"
      case .rsaPSS: "rsa"
      }
    json = [
      "keytype": .string(type), "scheme": .string(scheme.rawValue),
      "keyval": ["public": .string(value)],
    ]
    (self.scheme, self.value) = (scheme, value)
  }

  /// Reads a key; nil if a field is missing or too long.
  init?(_ json: JSONValue) {
    guard let object = json.objectValue, let type = json["keytype"]?.stringValue,
      let scheme = json["scheme"]?.stringValue, let value = json["keyval"]?["public"]?.stringValue,
      value.utf8.count <= Self.maximumValueBytes
    else { return nil }
    let known = Scheme(rawValue: scheme)
    let isKnown =
      switch known {
      case .ed25519: type == "ed25519"
      // Both spellings of the type are in use.
      case .ecdsaP256: type == "ecdsa" || type == "ecdsa-sha2-nistp256"
      case .rsaPSS: type == "rsa"
      case nil: false
      }
    (self.json, self.scheme, self.value) = (object, isKnown ? known : nil, value)
  }

  /// The identifier: the SHA-256 of the canonical form; nil if that has none.
  public func identifier(_ crypto: some TUFCrypto) -> String? {
    CanonicalJSON.bytes(.object(json)).map { Hex.encode(crypto.digest($0, .sha256)) }
  }

  /// Whether both are the same key, whatever they are called.
  func isSameKey(as other: TUFKey) -> Bool { scheme == other.scheme && value == other.value }
}

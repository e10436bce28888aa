/// An algorithm that messages and keys of ours may name (RFC 9053 §2, §3).
///
/// The computations themselves are no business of this module: who signs or checks passes them in.
public enum COSEAlgorithm: Int64, CaseIterable, Equatable, Sendable {
  /// ECDSA on P-256 with SHA-256; the signature is r‖s, 32 bytes each.
  case es256 = -7
  /// ECDSA on P-384 with SHA-384; the signature is r‖s, 48 bytes each.
  case es384 = -35
  /// EdDSA, with the curve Ed25519 alone (RFC 8032).
  case edDSA = -8
  /// HMAC with SHA-256 and the whole of its 32 bytes as tag.
  case hmac256 = 5

  /// The kind of message that the algorithm protects.
  public var kind: COSEKind {
    switch self {
    case .es256, .es384, .edDSA: .sign1
    case .hmac256: .mac0
    }
  }

  /// Length of a signature or tag in bytes.
  public var authenticationByteCount: Int {
    switch self {
    case .es256, .edDSA: 64
    case .es384: 96
    case .hmac256: 32
    }
  }
}

/// A kind of message with one signer or one shared key (RFC 9052 §4.2, §6.2).
public enum COSEKind: Equatable, Sendable {
  /// COSE_Sign1: one signature.
  case sign1
  /// COSE_Mac0: one tag, by a key that both sides know.
  case mac0

  /// Number of the CBOR tag (RFC 9052 §2).
  public var tag: UInt64 {
    switch self {
    case .sign1: 18
    case .mac0: 17
    }
  }

  /// What begins the structure that is signed or authenticated (RFC 9052 §4.4, §6.3).
  public var context: CBORText {
    switch self {
    case .sign1: "Signature1"
    case .mac0: "MAC0"
    }
  }
}

/// Labels of header parameters (RFC 9052 §3.1).
public enum COSEHeaderLabel {
  /// `alg`.
  public static let algorithm: Int64 = 1
  /// `crit`.
  public static let critical: Int64 = 2
  /// `content type`.
  public static let contentType: Int64 = 3
  /// `kid`.
  public static let keyIdentifier: Int64 = 4
  /// `IV`.
  public static let initializationVector: Int64 = 5
  /// `Partial IV`.
  public static let partialInitializationVector: Int64 = 6
}

/// Whether a message begins with its tag (RFC 9052 §2).
public enum COSETagging: Equatable, Sendable {
  /// It does.
  case tagged
  /// It does not: what it is follows from where it stands.
  case untagged
}

/// In which mode a layer was started (Open Profile for DICE, "Mode Value Details").
public enum DICEMode: UInt8, Equatable, Sendable {
  /// Some security mechanism is not configured; also whatever fits none of the others.
  case notConfigured = 0
  /// In its secure configuration, from where it usually starts.
  case normal = 1
  /// Not in a secure state.
  case debug = 2
  /// Some kind of recovery or maintenance.
  case recovery = 3
}

/// The configuration of a layer.
public enum DICEConfiguration: Equatable, Sendable {
  /// 64 bytes that go into the derivation as they are.
  case inline([UInt8])
  /// Data of any length, whose hash goes into the derivation.
  case descriptor([UInt8])
}

/// What is measured of a layer before it starts (Open Profile for DICE, "Input Values").
public struct DICEInputs: Equatable, Sendable {
  /// Length of a hash, an inline configuration and the hidden input, in bytes.
  public static let byteCount = 64

  /// SHA-512 of the code.
  public let codeHash: [UInt8]
  /// The configuration.
  public let configuration: DICEConfiguration
  /// Hash of whom the code has to be signed by; zeros if signatures are not checked.
  public let authorityHash: [UInt8]
  /// The mode.
  public let mode: DICEMode
  /// What must change the secrets and must not be seen in a certificate; zeros if there is nothing.
  public let hidden: [UInt8]
  /// More about the code, all of which its hash was made of.
  public let codeDescriptor: [UInt8]?
  /// More about the authority, all of which its hash was made of.
  public let authorityDescriptor: [UInt8]?

  /// Creates inputs.
  ///
  /// Throws `inputByteCount` if one has not its length.
  public init(
    codeHash: [UInt8],
    configuration: DICEConfiguration,
    authorityHash: [UInt8],
    mode: DICEMode,
    hidden: [UInt8] = [UInt8](repeating: 0, count: DICEInputs.byteCount),
    codeDescriptor: [UInt8]? = nil,
    authorityDescriptor: [UInt8]? = nil
  ) throws(AttestationFault) {
    var fixed = [codeHash, authorityHash, hidden]
    if case .inline(let bytes) = configuration { fixed.append(bytes) }
    for input in fixed where input.count != Self.byteCount {
      throw .inputByteCount(input.count)
    }
    self.codeHash = codeHash
    self.configuration = configuration
    self.authorityHash = authorityHash
    self.mode = mode
    self.hidden = hidden
    self.codeDescriptor = codeDescriptor
    self.authorityDescriptor = authorityDescriptor
  }
}

/// The computations that the derivation is made of; this module has none of its own.
public struct DICEFunctions: Sendable {
  /// SHA-512, 64 bytes.
  public typealias Hash = @Sendable (_ message: [UInt8]) -> [UInt8]
  /// HMAC with SHA-512 under a key, 64 bytes (RFC 2104).
  public typealias Authenticate = @Sendable (_ key: [UInt8], _ message: [UInt8]) -> [UInt8]
  /// HKDF with SHA-512, extract and expand (RFC 5869), of a secret.
  public typealias Derive =
    @Sendable (
      _ byteCount: Int, _ secret: [UInt8], _ salt: [UInt8], _ info: [UInt8]
    ) -> [UInt8]

  /// The hash.
  public var hash: Hash
  /// The message authentication.
  public var authenticate: Authenticate
  /// The derivation.
  public var derive: Derive

  /// Creates the set of functions.
  public init(
    hash: @escaping Hash,
    authenticate: @escaping Authenticate,
    derive: @escaping Derive
  ) {
    self.hash = hash
    self.authenticate = authenticate
    self.derive = derive
  }
}

/// The two secrets that a layer gets and the layers behind it never see.
///
/// What holds them wipes them when the next layer starts; a Swift array can't promise that, so they
/// live in a process of their own.
public struct DICESecrets: Equatable, Sendable {
  /// Changes with everything that was measured: CDI_Attest, 32 bytes.
  public let attestation: [UInt8]
  /// Stays the same over updates of code and configuration: CDI_Seal, 32 bytes.
  public let sealing: [UInt8]

  /// Creates secrets of their bytes.
  public init(attestation: [UInt8], sealing: [UInt8]) {
    self.attestation = attestation
    self.sealing = sealing
  }

  /// The secrets before the first layer: the device's unique secret, for both.
  public init(deviceSecret: [UInt8]) {
    self.init(attestation: deviceSecret, sealing: deviceSecret)
  }
}

/// The derivations of the Open Profile for DICE, with HKDF-SHA-512 and P-256.
public enum DICE {
  /// What a key is for; keys for different uses have nothing in common.
  public enum KeyPurpose: Equatable, Sendable {
    /// Signing the certificates of the layer behind, and nothing else, as the profile demands.
    case certificates
    /// Signing evidence. Ours, not the profile's, which wants a key of its own for it.
    case evidence
    /// Proving who one is in TLS, by the certificate with this serial number. Ours too.
    case client(UInt64)

    /// What goes into the derivation.
    var info: [UInt8] {
      switch self {
      case .certificates: return [UInt8]("Key Pair".utf8)
      case .evidence: return [UInt8]("Orrery Evidence Key".utf8)
      case .client(let number):
        var info = [UInt8]("Orrery Client Key".utf8)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
          info.append(UInt8(truncatingIfNeeded: number >> shift))
        }
        return info
      }
    }
  }

  /// The secrets of the layer with these inputs, which `current` starts.
  public static func next(
    _ current: DICESecrets,
    _ inputs: DICEInputs,
    _ functions: DICEFunctions
  ) -> DICESecrets {
    let configuration =
      switch inputs.configuration {
      case .inline(let bytes): bytes
      case .descriptor(let bytes): functions.hash(bytes)
      }
    let stable = inputs.authorityHash + [inputs.mode.rawValue] + inputs.hidden
    return DICESecrets(
      attestation: functions.derive(
        secretByteCount,
        current.attestation,
        functions.hash(inputs.codeHash + configuration + stable),
        [UInt8]("CDI_Attest".utf8)
      ),
      sealing: functions.derive(
        secretByteCount,
        current.sealing,
        functions.hash(stable),
        [UInt8]("CDI_Seal".utf8)
      )
    )
  }

  /// The seed of a key of a layer, 32 bytes.
  ///
  /// `secret` is the layer's attestation secret, or the device's own before the first layer.
  public static func keySeed(
    _ secret: [UInt8],
    for purpose: KeyPurpose,
    _ functions: DICEFunctions
  ) -> [UInt8] {
    functions.derive(secretByteCount, secret, keySalt, purpose.info)
  }

  /// The private key on P-256 that belongs to a seed, 32 bytes, from 1 to the order of the curve.
  ///
  /// The profile seeds the generator of RFC 6979 §3.2, HMAC_DRBG, with the seed and takes the first
  /// 32 bytes of each output until they are in range.
  ///
  /// Throws `noPrivateKey` if none of 16 is, which chance does not do.
  public static func privateKeyP256(
    seed: [UInt8],
    _ functions: DICEFunctions
  ) throws(AttestationFault) -> [UInt8] {
    var value = [UInt8](repeating: 1, count: 64)
    var key = [UInt8](repeating: 0, count: 64)
    key = functions.authenticate(key, value + [0] + seed)
    value = functions.authenticate(key, value)
    key = functions.authenticate(key, value + [1] + seed)
    value = functions.authenticate(key, value)
    for _ in 0..<16 {
      value = functions.authenticate(key, value)
      let candidate = [UInt8](value.prefix(32))
      if candidate.contains(where: { $0 != 0 }), candidate.lexicographicallyPrecedes(orderP256) {
        return candidate
      }
      key = functions.authenticate(key, value + [0])
      value = functions.authenticate(key, value)
    }
    throw .noPrivateKey
  }

  /// The name of a key in certificates, 20 bytes of which the first bit is 0.
  ///
  /// `point` is the public key as in `COSEKey.point`.
  public static func identifier(of point: [UInt8], _ functions: DICEFunctions) -> [UInt8] {
    var identifier = functions.derive(20, point, identifierSalt, [UInt8]("ID".utf8))
    if let first = identifier.first { identifier[0] = first & 0x7F }
    return identifier
  }

  /// The identifier of the device (`ueid`) whose own key this is: type RAND and 32 bytes
  /// (RFC 9711 §4.2.1).
  ///
  /// Not the profile's, which has no such thing: derived as its identifiers are, so that everybody
  /// who knows the key knows it.
  public static func deviceIdentifier(
    of point: [UInt8],
    _ functions: DICEFunctions
  ) -> [UInt8] {
    [0x01] + functions.derive(32, point, identifierSalt, [UInt8]("Orrery UEID".utf8))
  }

  private static let secretByteCount = 32

  /// ASYM_SALT of the profile.
  private static let keySalt: [UInt8] = [
    0x63, 0xB6, 0xA0, 0x4D, 0x2C, 0x07, 0x7F, 0xC1, 0x0F, 0x63, 0x9F, 0x21, 0xDA, 0x79, 0x38, 0x44,
    0x35, 0x6C, 0xC2, 0xB0, 0xB4, 0x41, 0xB3, 0xA7, 0x71, 0x24, 0x03, 0x5C, 0x03, 0xF8, 0xE1, 0xBE,
    0x60, 0x35, 0xD3, 0x1F, 0x28, 0x28, 0x21, 0xA7, 0x45, 0x0A, 0x02, 0x22, 0x2A, 0xB1, 0xB3, 0xCF,
    0xF1, 0x67, 0x9B, 0x05, 0xAB, 0x1C, 0xA5, 0xD1, 0xAF, 0xFB, 0x78, 0x9C, 0xCD, 0x2B, 0x0B, 0x3B,
  ]

  /// ID_SALT of the profile.
  private static let identifierSalt: [UInt8] = [
    0xDB, 0xDB, 0xAE, 0xBC, 0x80, 0x20, 0xDA, 0x9F, 0xF0, 0xDD, 0x5A, 0x24, 0xC8, 0x3A, 0xA5, 0xA5,
    0x42, 0x86, 0xDF, 0xC2, 0x63, 0x03, 0x1E, 0x32, 0x9B, 0x4D, 0xA1, 0x48, 0x43, 0x06, 0x59, 0xFE,
    0x62, 0xCD, 0xB5, 0xB7, 0xE1, 0xE0, 0x0F, 0xC6, 0x80, 0x30, 0x67, 0x11, 0xEB, 0x44, 0x4A, 0xF7,
    0x72, 0x09, 0x35, 0x94, 0x96, 0xFC, 0xFF, 0x1D, 0xB9, 0x52, 0x0B, 0xA5, 0x1C, 0x7B, 0x29, 0xEA,
  ]

  /// The order of P-256 (SEC 2 §2.4.2).
  private static let orderP256: [UInt8] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
  ]
}

internal import ByteIO
public import COSE

/// A certificate of the Open Profile for DICE in its CBOR form: an untagged COSE_Sign1 over a claims
/// set.
///
/// Three kinds share the form: the device's own key, certified by its maker, without a layer; the key
/// of a layer, certified by the layer before; and the key for evidence, certified by the last layer,
/// which is ours and differs in its use. They carry no time, as devices have none when they start.
public struct DICECertificate: Equatable, Sendable {
  /// What the certified key may sign; the values are bits of RFC 5280 §4.2.1.3.
  public enum Usage: UInt8, Equatable, Sendable {
    /// Evidence, and no certificates.
    case evidence = 0x01
    /// Certificates, and nothing else.
    case certificates = 0x20
  }

  /// Who certifies: the identifier of a key in hexadecimal, or the maker's name.
  public var issuer: CBORText
  /// Whom: the identifier of the key in hexadecimal.
  public var subject: CBORText
  /// The key.
  public var key: COSEKey
  /// What it may sign.
  public var usage: Usage
  /// What was measured of the layer that has the key, if a layer has it.
  public var layer: DICELayer?

  /// Creates a certificate of its fields.
  public init(
    issuer: CBORText,
    subject: CBORText,
    key: COSEKey,
    usage: Usage,
    layer: DICELayer? = nil
  ) {
    self.issuer = issuer
    self.subject = subject
    self.key = key
    self.usage = usage
    self.layer = layer
  }

  /// The certificate as it goes to the issuer's key; it is written untagged.
  ///
  /// Throws what `COSEDraft` throws.
  public func draft(algorithm: COSEAlgorithm) throws(AttestationFault) -> COSEDraft {
    try encoding { () throws(COSEFault) in
      try COSEDraft(algorithm: algorithm, payload: payload)
    }
  }

  /// The claims that are signed.
  public var payload: [UInt8] {
    var map = CBORMap()
    map[EATLabel.issuer] = .text(issuer)
    map[EATLabel.subject] = .text(subject)
    if let layer {
      map[Label.codeHash] = .bytes(layer.codeHash)
      map[Label.codeDescriptor] = layer.codeDescriptor.map { .bytes($0) }
      map[Label.configurationHash] = layer.configurationHash.map { .bytes($0) }
      map[Label.configurationDescriptor] = .bytes(layer.configuration)
      map[Label.authorityHash] = .bytes(layer.authorityHash)
      map[Label.authorityDescriptor] = layer.authorityDescriptor.map { .bytes($0) }
      map[Label.mode] = .bytes([layer.mode.rawValue])
      map[Label.profileName] = layer.profileName.map { .text($0) }
    }
    map[Label.subjectPublicKey] = .bytes(key.value.encoded)
    map[Label.keyUsage] = .bytes([usage.rawValue])
    return CBORValue.map(map).encoded
  }

  /// Reads the claims of a certificate.
  ///
  /// Throws `invalidCertificate` for fields that are missing, unknown or of another form; whether
  /// the configuration is that of its hash is for `DICEChain` to find out.
  public init(payload: Span<UInt8>) throws(AttestationFault) {
    let map: CBORMap?
    do {
      map = try CBORValue(payload).map
    } catch {
      throw .encoding(error)
    }
    guard let map, map.pairs.allSatisfy({ Label.all.contains($0.key.integer ?? 0) }),
      let issuer = map[EATLabel.issuer]?.text, let subject = map[EATLabel.subject]?.text,
      let encodedKey = map[Label.subjectPublicKey]?.bytes,
      let bits = map[Label.keyUsage]?.bytes, bits.count == 1, let usage = Usage(rawValue: bits[0])
    else { throw .invalidCertificate }
    let key = try encoding { () throws(COSEFault) in
      try COSEKey(try CBORValue(encodedKey.span))
    }
    self.init(
      issuer: issuer,
      subject: subject,
      key: key,
      usage: usage,
      layer: try DICELayer(map)
    )
  }

  /// Reads a certificate and checks that `authority` signed it.
  ///
  /// - Parameters:
  ///   - bytes: The certificate.
  ///   - authority: The issuer's key.
  ///   - check: Whether the third is a signature of the second by the first.
  /// - Throws: `encoding`, with `authenticationFailed` for a wrong signature or another algorithm
  ///   than the authority's; `invalidCertificate`.
  public init(
    _ bytes: Span<UInt8>,
    signedBy authority: COSEKey,
    check: SignatureCheck
  ) throws(AttestationFault) {
    let payload: [UInt8]
    do {
      payload = try readSigned(bytes, tagging: .untagged, by: authority, check: check)
    } catch {
      throw .encoding(error)
    }
    try self.init(payload: payload.span)
  }

  /// Labels of the profile's claims.
  enum Label {
    static let codeHash: Int64 = -4_670_545
    static let codeDescriptor: Int64 = -4_670_546
    static let configurationHash: Int64 = -4_670_547
    static let configurationDescriptor: Int64 = -4_670_548
    static let authorityHash: Int64 = -4_670_549
    static let authorityDescriptor: Int64 = -4_670_550
    static let mode: Int64 = -4_670_551
    static let subjectPublicKey: Int64 = -4_670_552
    static let keyUsage: Int64 = -4_670_553
    static let profileName: Int64 = -4_670_554

    /// All that a certificate may hold.
    static let all: [Int64] = [
      EATLabel.issuer, EATLabel.subject, codeHash, codeDescriptor, configurationHash,
      configurationDescriptor, authorityHash, authorityDescriptor, mode, subjectPublicKey, keyUsage,
      profileName,
    ]
  }
}

/// Whether the third is a signature of the second by the key.
public typealias SignatureCheck = (
  _ key: COSEKey, _ message: [UInt8], _ signature: [UInt8]
) -> Bool

/// The payload of a COSE_Sign1 that `key` signed, with the algorithm of its curve.
func readSigned(
  _ bytes: Span<UInt8>,
  tagging: COSETagging,
  by key: COSEKey,
  check: SignatureCheck
) throws(COSEFault) -> [UInt8] {
  let message = try COSEMessage(bytes, kind: .sign1, tagging: tagging)
  return try message.verify(bytes) {
    // The key decides about the algorithm, never the message.
    $0 == key.curve.algorithm && check(key, $1, $2)
  }
}

/// What a certificate says of the layer that has its key.
public struct DICELayer: Equatable, Sendable {
  /// SHA-512 of the code.
  public var codeHash: [UInt8]
  /// More about the code.
  public var codeDescriptor: [UInt8]?
  /// The hash of the configuration, if that is more than 64 bytes that were taken as they are.
  public var configurationHash: [UInt8]?
  /// The configuration.
  public var configuration: [UInt8]
  /// Hash of whom the code has to be signed by.
  public var authorityHash: [UInt8]
  /// More about the authority.
  public var authorityDescriptor: [UInt8]?
  /// The mode; values that the profile does not define are read as not configured.
  public var mode: DICEMode
  /// The name of the profile that a vendor extends.
  public var profileName: CBORText?

  /// What a certificate says of a layer with these inputs: all but what is hidden.
  public init(_ inputs: DICEInputs, _ functions: DICEFunctions) {
    codeHash = inputs.codeHash
    codeDescriptor = inputs.codeDescriptor
    switch inputs.configuration {
    case .inline(let bytes): configuration = bytes
    case .descriptor(let bytes):
      configuration = bytes
      configurationHash = functions.hash(bytes)
    }
    authorityHash = inputs.authorityHash
    authorityDescriptor = inputs.authorityDescriptor
    mode = inputs.mode
  }

  /// Reads the fields of a layer; nil if there are none.
  init?(_ map: CBORMap) throws(AttestationFault) {
    typealias Label = DICECertificate.Label
    let fields = [
      Label.codeHash, Label.codeDescriptor, Label.configurationHash,
      Label.configurationDescriptor, Label.authorityHash, Label.authorityDescriptor, Label.mode,
      Label.profileName,
    ]
    if fields.allSatisfy({ map[$0] == nil }) { return nil }
    for label in fields {
      guard let value = map[label] else { continue }
      let isValid = label == Label.profileName ? value.text != nil : value.bytes != nil
      guard isValid else { throw .invalidCertificate }
    }
    guard let codeHash = map[Label.codeHash]?.bytes,
      let configuration = map[Label.configurationDescriptor]?.bytes,
      let authorityHash = map[Label.authorityHash]?.bytes,
      let mode = map[Label.mode]?.bytes, mode.count == 1
    else { throw .invalidCertificate }
    self.codeHash = codeHash
    self.configuration = configuration
    self.authorityHash = authorityHash
    self.mode = DICEMode(rawValue: mode[0]) ?? .notConfigured
    codeDescriptor = map[Label.codeDescriptor]?.bytes
    configurationHash = map[Label.configurationHash]?.bytes
    authorityDescriptor = map[Label.authorityDescriptor]?.bytes
    profileName = map[Label.profileName]?.text
    let hashes = [codeHash, authorityHash, configurationHash ?? configuration]
    guard hashes.allSatisfy({ $0.count == DICEInputs.byteCount }) else {
      throw .invalidCertificate
    }
  }
}

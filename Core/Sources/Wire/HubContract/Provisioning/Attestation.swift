internal import ByteIO
internal import JSONTree

/// How the devices of an enrollment prove who they are (contract §6.5).
public enum Attestation: Equatable, Sendable {
  /// By a token: signed with either key, or for a group with a key derived from either.
  case symmetricKey(primary: SymmetricKey, secondary: SymmetricKey)
  /// By exactly this certificate, or the second one.
  case clientCertificates(primary: CertificateSummary, secondary: CertificateSummary?)
  /// By a certificate that one of these signed, directly or not.
  case signingCertificates(primary: CertificateSummary, secondary: CertificateSummary?)
  /// By a certificate that leads to one of these registered and verified authorities.
  case authorities(primary: String, secondary: String?)
  /// By the chip that owns this endorsement key.
  case tpm(endorsementKey: [UInt8], storageRootKey: [UInt8]?)

  /// The member `type`.
  public var typeName: String {
    switch self {
    case .symmetricKey: "symmetricKey"
    case .clientCertificates, .signingCertificates, .authorities: "x509"
    case .tpm: "tpm"
    }
  }
}

/// How much of an enrollment is written.
public enum EnrollmentDetail: Sendable {
  /// What everybody who may read enrollments sees: no key.
  case shown
  /// The same with the keys.
  case withKeys
  /// Everything, for the storage alone.
  case stored
}

/// What reading an enrollment needs besides its text.
struct EnrollmentSource {
  /// The attestation that is replaced: what an update leaves out stays.
  var existing: Attestation?
  /// Reads certificates; nil while reading what the storage keeps.
  var readCertificate: CertificateReading?
  /// Makes a key of 64 bytes.
  var mintKey: () throws(HubError) -> SymmetricKey
}

extension Attestation {
  /// The JSON object.
  func json(_ detail: EnrollmentDetail) -> JSONValue {
    var object: JSONObject = ["type": .string(typeName)]
    func certificate(_ value: CertificateSummary?) -> JSONValue {
      guard let value else { return .null }
      return detail == .stored ? value.stored : ["info": value.info]
    }
    switch self {
    case .symmetricKey(let primary, let secondary):
      if detail != .shown {
        object["symmetricKey"] = [
          "primaryKey": .string(primary.base64), "secondaryKey": .string(secondary.base64),
        ]
      }
    case .clientCertificates(let primary, let secondary):
      object["x509"] = [
        "clientCertificates": [
          "primary": certificate(primary), "secondary": certificate(secondary),
        ]
      ]
    case .signingCertificates(let primary, let secondary):
      object["x509"] = [
        "signingCertificates": [
          "primary": certificate(primary), "secondary": certificate(secondary),
        ]
      ]
    case .authorities(let primary, let secondary):
      object["x509"] = [
        "caReferences": [
          "primary": .string(primary), "secondary": secondary.map { .string($0) } ?? .null,
        ]
      ]
    case .tpm(let endorsementKey, let storageRootKey):
      object["tpm"] = [
        "endorsementKey": .string(Base64.encode(endorsementKey)),
        "storageRootKey": storageRootKey.map { .string(Base64.encode($0)) } ?? .null,
      ]
    }
    return .object(object)
  }

  /// Reads the member `attestation`.
  ///
  /// - Throws: 400004 and 400005 for what breaks a rule, 400201 and 400203 for keys of a chip.
  init(_ fields: BodyFields, _ source: EnrollmentSource) throws(HubError) {
    switch try fields.requiredString("type") {
    case "symmetricKey": self = try Self.keys(fields, source)
    case "x509": self = try Self.certificates(fields, source)
    case "tpm":
      guard let chip = try fields.fields("tpm") else {
        throw fields.invalid("tpm", "is missing; give the endorsement key.")
      }
      let text = try chip.requiredString("endorsementKey")
      guard let key = Base64.decode(text),
        source.readCertificate == nil || TPMPublicArea(key) != nil
      else { throw HubError(.invalidEndorsementKey, "The endorsement key \(Self.chipKeyRule)") }
      var root: [UInt8]?
      if let text = try chip.nonEmptyString("storageRootKey") {
        guard let key = Base64.decode(text),
          source.readCertificate == nil || TPMPublicArea(key) != nil
        else { throw HubError(.invalidStorageRootKey, "The storage root key \(Self.chipKeyRule)") }
        root = key
      }
      self = .tpm(endorsementKey: key, storageRootKey: root)
    default: throw fields.invalid("type", "must be symmetricKey, x509 or tpm.")
    }
  }

  private static let chipKeyRule =
    "must be the base64 text of the TPM2B_PUBLIC of a storage key that never leaves its chip: "
    + "RSA of 2048 bits or more, or ECC P-256, with SHA-256 and AES-CFB."

  private static func keys(
    _ fields: BodyFields,
    _ source: EnrollmentSource
  ) throws(HubError) -> Attestation {
    let given = try fields.fields("symmetricKey")
    var kept: (SymmetricKey?, SymmetricKey?) = (nil, nil)
    if case .symmetricKey(let primary, let secondary)? = source.existing {
      kept = (primary, secondary)
    }
    func key(_ name: String, _ kept: SymmetricKey?) throws(HubError) -> SymmetricKey {
      guard let given, let text = try given.nonEmptyString(name) else {
        if let kept { return kept }
        return try source.mintKey()
      }
      guard let key = SymmetricKey(base64: text) else {
        throw given.invalid(name, "must be the base64 text of 16 to 64 bytes.")
      }
      return key
    }
    return .symmetricKey(
      primary: try key("primaryKey", kept.0),
      secondary: try key("secondaryKey", kept.1)
    )
  }

  private static func certificates(
    _ fields: BodyFields,
    _ source: EnrollmentSource
  ) throws(HubError) -> Attestation {
    guard let x509 = try fields.fields("x509") else {
      throw fields.invalid("x509", "is missing; give certificates or caReferences.")
    }
    let client = try x509.fields("clientCertificates")
    let signing = try x509.fields("signingCertificates")
    let authorities = try x509.fields("caReferences")
    switch (client, signing, authorities) {
    case (let client?, nil, nil):
      let (first, second) = try pair(client, source)
      return .clientCertificates(primary: first, secondary: second)
    case (nil, let signing?, nil):
      let (first, second) = try pair(signing, source)
      guard first.isAuthority, second?.isAuthority ?? true else {
        throw x509.invalid("signingCertificates", "must be authorities (basicConstraints CA).")
      }
      return .signingCertificates(primary: first, secondary: second)
    case (nil, nil, let authorities?):
      let first = try authorities.nonEmptyString("primary")
      let second = try authorities.nonEmptyString("secondary")
      guard let primary = first ?? second else {
        throw x509.invalid("caReferences", "names no authority.")
      }
      return .authorities(primary: primary, secondary: first == nil ? nil : second)
    default:
      throw fields.invalid(
        "x509",
        "needs one of clientCertificates, signingCertificates and caReferences."
      )
    }
  }

  private static func pair(
    _ fields: BodyFields,
    _ source: EnrollmentSource
  ) throws(HubError) -> (CertificateSummary, CertificateSummary?) {
    let first = try certificate("primary", fields, source)
    let second = try certificate("secondary", fields, source)
    guard let primary = first ?? second else {
      throw fields.invalid("primary", "is missing; give a certificate.")
    }
    return (primary, first == nil ? nil : second)
  }

  private static func certificate(
    _ name: String,
    _ fields: BodyFields,
    _ source: EnrollmentSource
  ) throws(HubError) -> CertificateSummary? {
    guard let fields = try fields.fields(name) else { return nil }
    guard let read = source.readCertificate else {
      guard let value = CertificateSummary(stored: fields.whole) else {
        throw HubError(.serverError, "A stored certificate cannot be read.")
      }
      return value
    }
    if let text = try fields.nonEmptyString("certificate") {
      guard let value = read(text) else {
        throw fields.invalid("certificate", "must be one certificate: PEM text, or DER in base64.")
      }
      return value
    }
    // An object that was read and is sent back has the description of the certificate alone.
    guard let info = try fields.fields("info"),
      let print = try info.nonEmptyString("sha256Thumbprint").flatMap({ Thumbprint(hex: $0) })
    else { return nil }
    guard let kept = source.existing?.summaries.first(where: { $0.sha256 == print }) else {
      throw fields.invalid("certificate", "is missing, and info names none that is kept.")
    }
    return kept
  }

  /// The certificates in it.
  public var summaries: [CertificateSummary] {
    switch self {
    case .clientCertificates(let primary, let secondary),
      .signingCertificates(let primary, let secondary):
      [primary, secondary].compactMap { $0 }
    case .symmetricKey, .authorities, .tpm: []
    }
  }
}

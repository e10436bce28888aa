public import COSE

/// On what a device's root of trust rests, and thus what its evidence may be taken for.
///
/// Bound to a device at its enrolment and printed wherever the device is.
public enum EvidenceClass: UInt64, CaseIterable, Comparable, Sendable {
  /// S0: DICE in software, its secret in a file.
  case simulated = 0
  /// S1: a TPM in software.
  case softwareTPM = 1
  /// S2: the secret is held by the host of a virtual machine.
  case isolatedByHost = 2
  /// H1: a TPM 2.0 chip whose endorsement was verified, and measured boot.
  case trustedPlatformModule = 3
  /// H2: a microcontroller that starts from ROM with DICE or locked boot.
  case microcontroller = 4

  /// Whether the first claims less than the second.
  public static func < (first: Self, second: Self) -> Bool { first.rawValue < second.rawValue }
}

/// An image that a device runs, as its supervisor measured it.
public struct ComponentMeasurement: Equatable, Sendable {
  /// The CoAP content format of one in `measurements`: of the range for experiments (65000 to 65535),
  /// as none is registered.
  public static let contentFormat: UInt16 = 65_001

  /// Which component it is, for its whole life: 16 bytes of a UUID.
  public let component: [UInt8]
  /// Which image of it: 16 bytes of a UUID.
  public let image: [UInt8]
  /// The image's release counter.
  public let release: UInt64
  /// SHA-256 of the image, 32 bytes.
  public let digest: [UInt8]

  /// Creates a measurement; nil if a part has not its length.
  public init?(component: [UInt8], image: [UInt8], release: UInt64, digest: [UInt8]) {
    guard component.count == 16, image.count == 16, digest.count == 32 else { return nil }
    self.component = component
    self.image = image
    self.release = release
    self.digest = digest
  }

  /// The measurement as it stands in a claims set.
  var measurement: EATMeasurement {
    let content = CBORValue.array([
      .bytes(component), .bytes(image), .unsigned(release), .bytes(digest),
    ])
    return EATMeasurement(contentFormat: Self.contentFormat, content: content.encoded)
  }

  init(_ measurement: EATMeasurement) throws(AttestationFault) {
    guard measurement.contentFormat == Self.contentFormat else { throw .invalidMeasurement }
    let content = measurement.content
    let value = try encoding { () throws(COSEFault) in try CBORValue(content.span) }
    guard let parts = value.array, parts.count == 4,
      let component = parts[0].bytes, let image = parts[1].bytes, let release = parts[2].unsigned,
      let digest = parts[3].bytes,
      let whole = Self(component: component, image: image, release: release, digest: digest)
    else { throw .invalidMeasurement }
    self = whole
  }
}

/// What a device says of itself when it is asked (RFC 9334: evidence).
public struct EvidenceClaims: Equatable, Sendable {
  /// How the claims are to be read: `eat_profile`.
  public static let profile: CBORText = "urn:x-orrery:evidence:1"
  /// Label of the value exported from the TLS connection, of the private range (RFC 8392 §9.1).
  public static let channelLabel: Int64 = -70_001
  /// Label of the evidence class, of the private range.
  public static let classLabel: Int64 = -70_002
  /// Length of the value exported from the TLS connection, in bytes.
  public static let channelByteCount = 32
  /// Label of the exporter (RFC 8446 §7.5, RFC 5705), without context.
  public static let exporterLabel = "EXPORTER-Orrery-Evidence"
  /// Components that evidence may name at most.
  public static let maximumComponents = 256

  /// What the appraiser asked to see again, 8 to 64 bytes.
  public var nonce: [UInt8]
  /// Which device it is: `DICE.deviceIdentifier` of its own key.
  public var deviceIdentifier: [UInt8]
  /// On what its root of trust rests.
  public var evidenceClass: EvidenceClass
  /// The value exported from the TLS connection that carries the evidence, 32 bytes.
  public var channelBinding: [UInt8]
  /// The key that a certificate is asked for.
  public var clientKey: COSEKey?
  /// How often the device started.
  public var bootCount: UInt64
  /// A value that was new at this start, 8 to 64 bytes.
  public var bootSeed: [UInt8]
  /// Whether it can be debugged.
  public var debugStatus: EATDebugStatus
  /// The images it runs, by component; none is there twice.
  public var components: [ComponentMeasurement]

  /// Creates the claims of evidence.
  public init(
    nonce: [UInt8],
    deviceIdentifier: [UInt8],
    evidenceClass: EvidenceClass,
    channelBinding: [UInt8],
    clientKey: COSEKey?,
    bootCount: UInt64,
    bootSeed: [UInt8],
    debugStatus: EATDebugStatus,
    components: [ComponentMeasurement]
  ) {
    self.nonce = nonce
    self.deviceIdentifier = deviceIdentifier
    self.evidenceClass = evidenceClass
    self.channelBinding = channelBinding
    self.clientKey = clientKey
    self.bootCount = bootCount
    self.bootSeed = bootSeed
    self.debugStatus = debugStatus
    self.components = components
  }

  /// The claims as a set of RFC 9711.
  public var claims: EATClaims {
    var claims = EATClaims()
    claims.profile = .uri(Self.profile)
    claims.nonces = [nonce]
    claims.deviceIdentifier = deviceIdentifier
    claims.confirmationKey = clientKey
    claims.bootCount = bootCount
    claims.bootSeed = bootSeed
    claims.debugStatus = debugStatus
    claims.measurements = components.map { $0.measurement }
    claims.intendedUse = .certificateIssuance
    claims.others[Self.channelLabel] = .bytes(channelBinding)
    claims.others[Self.classLabel] = .unsigned(evidenceClass.rawValue)
    return claims
  }

  /// Takes the claims of evidence out of a set; claims that it does not know are left out.
  ///
  /// Throws `otherProfile`; `encoding` with `missingClaim` or `invalidClaim`; `invalidMeasurement`.
  public init(_ claims: EATClaims) throws(AttestationFault) {
    guard claims.profile == .uri(Self.profile) else { throw .otherProfile }
    guard claims.nonces.count == 1, let nonce = claims.nonces.first else {
      throw .encoding(.missingClaim(EATLabel.nonce))
    }
    guard let device = claims.deviceIdentifier else {
      throw .encoding(.missingClaim(EATLabel.deviceIdentifier))
    }
    guard let bootCount = claims.bootCount else {
      throw .encoding(.missingClaim(EATLabel.bootCount))
    }
    guard let bootSeed = claims.bootSeed else { throw .encoding(.missingClaim(EATLabel.bootSeed)) }
    guard let debugStatus = claims.debugStatus else {
      throw .encoding(.missingClaim(EATLabel.debugStatus))
    }
    guard let channel = claims.others[Self.channelLabel]?.bytes,
      channel.count == Self.channelByteCount
    else { throw .encoding(.invalidClaim(Self.channelLabel)) }
    guard let number = claims.others[Self.classLabel]?.unsigned,
      let evidenceClass = EvidenceClass(rawValue: number)
    else { throw .encoding(.invalidClaim(Self.classLabel)) }
    guard claims.measurements.count <= Self.maximumComponents else { throw .invalidMeasurement }
    var components: [ComponentMeasurement] = []
    for measurement in claims.measurements {
      let component = try ComponentMeasurement(measurement)
      guard components.allSatisfy({ $0.component != component.component }) else {
        throw .invalidMeasurement
      }
      components.append(component)
    }
    self.init(
      nonce: nonce,
      deviceIdentifier: device,
      evidenceClass: evidenceClass,
      channelBinding: channel,
      clientKey: claims.confirmationKey,
      bootCount: bootCount,
      bootSeed: bootSeed,
      debugStatus: debugStatus,
      components: components
    )
  }

  /// The claims as they go to the key for evidence; the message is written with its tag.
  ///
  /// Throws what `COSEDraft` throws.
  public func draft(algorithm: COSEAlgorithm) throws(AttestationFault) -> COSEDraft {
    let payload = claims.encoded
    return try encoding { () throws(COSEFault) in
      try COSEDraft(algorithm: algorithm, payload: payload)
    }
  }
}

/// What travels: signed claims and the certificates of the key that signed them.
///
/// `[1, [certificate, …], token]`, the certificates and the token as byte strings.
public struct Evidence: Equatable, Sendable {
  /// The version of the envelope.
  public static let version: UInt64 = 1
  /// How much an envelope may be.
  public static let limits = CBORLimits(byteCount: 32_768, depth: 3, items: 16)

  /// The certificates, from the first layer's to that of the key for evidence.
  public var certificates: [[UInt8]]
  /// The claims as COSE_Sign1 with its tag.
  public var token: [UInt8]

  /// Creates an envelope.
  public init(certificates: [[UInt8]], token: [UInt8]) {
    self.certificates = certificates
    self.token = token
  }

  /// The envelope's bytes.
  public var encoded: [UInt8] {
    CBORValue.array([
      .unsigned(Self.version), .array(certificates.map { .bytes($0) }), .bytes(token),
    ]).encoded
  }

  /// Reads an envelope; what is inside is not looked at.
  ///
  /// Throws `invalidEnvelope` or `encoding`.
  public init(_ bytes: Span<UInt8>) throws(AttestationFault) {
    let value: CBORValue
    do {
      value = try CBORValue(bytes, limits: Self.limits)
    } catch {
      throw .encoding(error)
    }
    guard let parts = value.array, parts.count == 3, parts[0].unsigned == Self.version,
      let list = parts[1].array, let token = parts[2].bytes
    else { throw .invalidEnvelope }
    var certificates: [[UInt8]] = []
    for item in list {
      guard let certificate = item.bytes else { throw .invalidEnvelope }
      certificates.append(certificate)
    }
    self.init(certificates: certificates, token: token)
  }

  /// The claims, after the whole way from the device's own key to them was checked.
  ///
  /// - Parameters:
  ///   - root: The device's own key, known from its enrolment.
  ///   - functions: Of these, `hash` and `derive` are used.
  ///   - check: Whether the third is a signature of the second by the first.
  /// - Returns: The layers that started, and what the device says.
  /// - Throws: The rule that the certificates, the signature or the claims break.
  public func verified(
    root: COSEKey,
    _ functions: DICEFunctions,
    check: SignatureCheck
  ) throws(AttestationFault) -> (chain: DICEChain, claims: EvidenceClaims) {
    let chain = try DICEChain(certificates, root: root, functions, check: check)
    let payload: [UInt8]
    do {
      payload = try readSigned(token.span, tagging: .tagged, by: chain.evidenceKey, check: check)
    } catch {
      throw error == .authenticationFailed ? .evidenceSignature : .encoding(error)
    }
    let claims: EATClaims
    do {
      claims = try EATClaims(payload.span)
    } catch {
      throw .encoding(error)
    }
    return (chain, try EvidenceClaims(claims))
  }
}

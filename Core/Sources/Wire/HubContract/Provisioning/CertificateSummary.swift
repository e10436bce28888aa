internal import ByteIO
public import JSONTree

/// What the provisioning service keeps and shows of a certificate (contract §6.6).
///
/// Made by whoever can read X.509; this ring only compares and shows.
public struct CertificateSummary: Equatable, Sendable {
  /// The DER form.
  public var der: [UInt8]
  /// The subject as text.
  public var subjectName: String
  /// The issuer as text.
  public var issuerName: String
  /// SHA-1 of the DER form.
  public var sha1: Thumbprint
  /// SHA-256 of the DER form.
  public var sha256: Thumbprint
  /// The beginning of its validity.
  public var notBefore: Timestamp
  /// The end of its validity.
  public var notAfter: Timestamp
  /// The serial number, hexadecimal.
  public var serialNumber: String
  /// The version of its form, 3 as a rule.
  public var version: Int64
  /// Whether it may sign certificates.
  public var isAuthority: Bool

  /// Creates a summary.
  public init(
    der: [UInt8],
    subjectName: String,
    issuerName: String,
    sha1: Thumbprint,
    sha256: Thumbprint,
    notBefore: Timestamp,
    notAfter: Timestamp,
    serialNumber: String,
    version: Int64,
    isAuthority: Bool
  ) {
    self.der = der
    self.subjectName = subjectName
    self.issuerName = issuerName
    self.sha1 = sha1
    self.sha256 = sha256
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.serialNumber = serialNumber
    self.version = version
    self.isAuthority = isAuthority
  }

  /// Whether `now` lies in its validity.
  public func isValid(at now: Timestamp) -> Bool { notBefore <= now && now <= notAfter }

  /// The member `info` of answers.
  public var info: JSONValue {
    [
      "subjectName": .string(subjectName), "sha1Thumbprint": .string(sha1.hex),
      "sha256Thumbprint": .string(sha256.hex), "issuerName": .string(issuerName),
      "notBeforeUtc": .string(notBefore.iso8601), "notAfterUtc": .string(notAfter.iso8601),
      "serialNumber": .string(serialNumber), "version": .int(version),
    ]
  }

  /// Everything, for the storage.
  public var stored: JSONValue {
    [
      "der": .string(Base64.encode(der)), "subject": .string(subjectName),
      "issuer": .string(issuerName), "sha1": .string(sha1.hex), "sha256": .string(sha256.hex),
      "from": .int(notBefore.ticks), "to": .int(notAfter.ticks), "serial": .string(serialNumber),
      "version": .int(version), "authority": .bool(isAuthority),
    ]
  }

  /// Reads what `stored` made; nil for anything else.
  public init?(stored: JSONValue) {
    guard let der = stored["der"]?.stringValue.flatMap({ Base64.decode($0) }),
      let subject = stored["subject"]?.stringValue, let issuer = stored["issuer"]?.stringValue,
      let sha1 = stored["sha1"]?.stringValue.flatMap({ Thumbprint(hex: $0) }),
      let sha256 = stored["sha256"]?.stringValue.flatMap({ Thumbprint(hex: $0) }),
      let from = stored["from"]?.int64Value, let to = stored["to"]?.int64Value,
      let serial = stored["serial"]?.stringValue, let version = stored["version"]?.int64Value,
      let authority = stored["authority"]?.boolValue
    else { return nil }
    self.init(
      der: der,
      subjectName: subject,
      issuerName: issuer,
      sha1: sha1,
      sha256: sha256,
      notBefore: Timestamp(ticks: from),
      notAfter: Timestamp(ticks: to),
      serialNumber: serial,
      version: version,
      isAuthority: authority
    )
  }
}

/// Reads a certificate out of PEM text or base64 of DER; nil if it is none.
public typealias CertificateReading = (String) -> CertificateSummary?

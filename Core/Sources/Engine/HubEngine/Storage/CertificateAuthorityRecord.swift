public import HubContract

/// A certificate authority that was registered to vouch for devices (contract §2.2).
public struct CertificateAuthorityRecord: Equatable, Sendable {
  /// The operator's name for it.
  public var name: String
  /// The certificate's subject, as text.
  public var subject: String
  /// The SHA-1 digest of the certificate.
  public var thumbprint: Thumbprint
  /// The certificate in DER form.
  public var certificate: [UInt8]
  /// When the certificate ends.
  public var expiryTime: Timestamp
  /// When it was registered.
  public var createdTime: Timestamp
  /// When the record last changed.
  public var updatedTime: Timestamp
  /// Whether possession of its key was proved; nobody connects by an authority without.
  public var isVerified: Bool
  /// The common name that the proof's certificate must have; nil until asked for and after use.
  public var verificationCode: String?
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64

  /// Creates a record.
  public init(
    name: String,
    subject: String,
    thumbprint: Thumbprint,
    certificate: [UInt8],
    expiryTime: Timestamp,
    createdTime: Timestamp,
    updatedTime: Timestamp,
    isVerified: Bool = false,
    verificationCode: String? = nil,
    etagCounter: UInt64
  ) {
    self.name = name
    self.subject = subject
    self.thumbprint = thumbprint
    self.certificate = certificate
    self.expiryTime = expiryTime
    self.createdTime = createdTime
    self.updatedTime = updatedTime
    self.isVerified = isVerified
    self.verificationCode = verificationCode
    self.etagCounter = etagCounter
  }
}

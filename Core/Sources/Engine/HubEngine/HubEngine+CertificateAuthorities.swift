internal import ByteIO
public import HubContract

/// What the Platform read in a certificate that shall be registered as an authority.
public struct CertificateFacts: Equatable, Sendable {
  /// The subject, as text.
  public var subject: String
  /// The SHA-1 digest of the certificate.
  public var thumbprint: Thumbprint
  /// The certificate in DER form.
  public var certificate: [UInt8]
  /// When it ends.
  public var expiryTime: Timestamp
  /// Whether it may sign others (basicConstraints, RFC 5280 §4.2.1.9).
  public var isAuthority: Bool

  /// Creates facts.
  public init(
    subject: String,
    thumbprint: Thumbprint,
    certificate: [UInt8],
    expiryTime: Timestamp,
    isAuthority: Bool
  ) {
    self.subject = subject
    self.thumbprint = thumbprint
    self.certificate = certificate
    self.expiryTime = expiryTime
    self.isAuthority = isAuthority
  }
}

/// What the Platform read in a certificate that shall prove possession of an authority's key.
public struct PossessionProof: Equatable, Sendable {
  /// The common name in its subject.
  public var commonName: String
  /// Whether the registered authority's key signed it.
  public var isSignedByAuthority: Bool

  /// Creates a proof.
  public init(commonName: String, isSignedByAuthority: Bool) {
    self.commonName = commonName
    self.isSignedByAuthority = isSignedByAuthority
  }
}

// Registering, code, proof: an authority vouches for devices only once somebody who has its key
// signed a certificate whose common name is the code (contract §2.2).
extension HubEngine {
  /// Registers an authority, or replaces one, which is then unverified again.
  ///
  /// Without a condition it only creates, with one it only replaces.
  ///
  /// - Throws: 400004 for a bad name, a certificate that may not sign, has ended or is registered
  ///   under another name; 412001 for a stale condition, or without one where the name is taken.
  public mutating func putCertificateAuthority(
    _ name: String,
    _ facts: CertificateFacts,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> CertificateAuthorityRecord {
    guard Self.isValidName(name) else {
      throw HubError(.argumentInvalid, "A name has 1 to 64 letters, digits, '-', '_' or '.'.")
    }
    guard facts.isAuthority else {
      throw HubError(.argumentInvalid, "The certificate is none of an authority (CA:TRUE).")
    }
    guard facts.expiryTime > now else {
      throw HubError(.argumentInvalid, "The certificate has expired.")
    }
    let all = try stored { storage throws(StorageFault) in try storage.certificateAuthorities() }
    if let other = all.first(where: { $0.thumbprint == facts.thumbprint && $0.name != name }) {
      throw HubError(
        .argumentInvalid,
        "The certificate is registered under the name \(other.name) already."
      )
    }
    let existing = all.first { $0.name == name }
    switch (existing, condition) {
    case (nil, .absent): break
    case (nil, _): throw Self.noAuthority(name)
    case (_, .absent):
      throw HubError(.preconditionFailed, "The name is taken; send If-Match to replace it.")
    case (let existing?, _):
      try condition.check(ETags.identity(existing.etagCounter), of: "authority")
    }
    let record = CertificateAuthorityRecord(
      name: name,
      subject: facts.subject,
      thumbprint: facts.thumbprint,
      certificate: facts.certificate,
      expiryTime: facts.expiryTime,
      createdTime: existing?.createdTime ?? now,
      updatedTime: now,
      etagCounter: try nextIdentityETag()
    )
    return try write(record)
  }

  /// Makes a new verification code for an authority; earlier ones are void.
  ///
  /// - Throws: 400004 without such an authority, 412001.
  public mutating func makeVerificationCode(
    ofCertificateAuthority name: String,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> CertificateAuthorityRecord {
    var record = try authority(name, condition)
    // 24 bytes: a common name has at most 64 characters (RFC 5280, upper bounds).
    record.verificationCode = Hex.encode(random(24)).uppercased()
    record.updatedTime = now
    record.etagCounter = try nextIdentityETag()
    return try write(record)
  }

  /// Marks an authority as verified if the proof is one.
  ///
  /// - Throws: 400004 without such an authority, without a code, or for a wrong proof; 412001.
  public mutating func verifyCertificateAuthority(
    _ name: String,
    proof: PossessionProof,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> CertificateAuthorityRecord {
    var record = try authority(name, condition)
    guard let code = record.verificationCode else {
      throw HubError(.argumentInvalid, "Ask for a verification code first.")
    }
    guard proof.commonName == code else {
      throw HubError(
        .argumentInvalid,
        "The common name of the proof is not the verification code."
      )
    }
    guard proof.isSignedByAuthority else {
      throw HubError(.argumentInvalid, "The registered authority did not sign the proof.")
    }
    record.isVerified = true
    record.verificationCode = nil
    record.updatedTime = now
    record.etagCounter = try nextIdentityETag()
    return try write(record)
  }

  /// Deletes an authority; devices that connected by it are dropped.
  ///
  /// - Throws: 400004 without such an authority, 412001.
  public mutating func deleteCertificateAuthority(
    _ name: String,
    ifMatch condition: ETagCondition
  ) throws(HubError) {
    _ = try authority(name, condition)
    try stored { storage throws(StorageFault) in try storage.deleteCertificateAuthority(name) }
    emit(.certificateAuthorityChanged(name: name))
  }

  private mutating func authority(
    _ name: String,
    _ condition: ETagCondition
  ) throws(HubError) -> CertificateAuthorityRecord {
    let found = try stored { storage throws(StorageFault) in
      try storage.certificateAuthority(name)
    }
    guard let found else { throw Self.noAuthority(name) }
    try condition.check(ETags.identity(found.etagCounter), of: "authority")
    return found
  }

  private mutating func write(
    _ record: CertificateAuthorityRecord
  ) throws(HubError) -> CertificateAuthorityRecord {
    try stored { storage throws(StorageFault) in try storage.put(record) }
    emit(.certificateAuthorityChanged(name: record.name))
    return record
  }

  private static func noAuthority(_ name: String) -> HubError {
    HubError(.argumentInvalid, "There is no certificate authority of that name.")
  }
}

extension HubView {
  /// All registered authorities, in the order of their names.
  public func certificateAuthorities() throws(HubError) -> [CertificateAuthorityRecord] {
    try stored { storage throws(StorageFault) in try storage.certificateAuthorities() }
  }

  /// The authority called `name`, nil if there is none.
  public func certificateAuthority(
    _ name: String
  ) throws(HubError) -> CertificateAuthorityRecord? {
    try stored { storage throws(StorageFault) in try storage.certificateAuthority(name) }
  }
}

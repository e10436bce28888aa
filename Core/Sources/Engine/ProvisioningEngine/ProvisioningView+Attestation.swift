public import HubContract
internal import HubEngine

extension ProvisioningView {
  /// What judging a device needs besides what it presents.
  public struct Circumstances {
    /// The time.
    public var now: Timestamp
    /// How far clocks may differ, in seconds.
    public var skewSeconds: Int64
    /// The key of the challenge that the device's chip has solved, if it was given one.
    public var challenge: SymmetricKey?
    /// HMAC-SHA256.
    public var hmacSHA256: HMACSHA256

    /// Creates circumstances.
    public init(
      now: Timestamp,
      skewSeconds: Int64 = SharedAccessSignature.defaultSkewSeconds,
      challenge: SymmetricKey? = nil,
      hmacSHA256: @escaping HMACSHA256
    ) {
      self.now = now
      self.skewSeconds = skewSeconds
      self.challenge = challenge
      self.hmacSHA256 = hmacSHA256
    }
  }

  /// Judges what a device presents (contract §6.5).
  ///
  /// An individual enrollment takes precedence over all groups. A certificate belongs to the group of
  /// its nearest signer, be that group disabled: so one intermediate can be shut out.
  ///
  /// - Parameters:
  ///   - presentedID: the registration ID as the device wrote it.
  ///   - credential: what it presents.
  ///   - circumstances: the time and the cryptography.
  /// - Returns: the enrollment that it came by, and what it proved.
  /// - Throws: 401002 whatever is wrong, so that nobody learns which names exist.
  public func judge(
    _ presentedID: String,
    _ credential: PresentedCredential,
    _ circumstances: Circumstances
  ) throws(HubError) -> (Enrollment, Judgement) {
    guard let id = RegistrationID.normalized(presentedID) else { throw Self.unauthorized }
    let individual = try stored { storage throws(StorageFault) in
      try storage.enrollment(.individual(id))
    }
    let found: (Enrollment, Judgement)?
    switch credential {
    case .none: found = nil
    case .token(let token):
      try check(token, for: presentedID, circumstances)
      if let individual {
        found = byKey(individual, token, circumstances).map { (individual, $0) }
      } else {
        found = try byDerivedKey(presentedID, token, circumstances)
      }
    case .certificate(let leaf):
      guard leaf.certificate.isValid(at: circumstances.now),
        let name = leaf.commonName, RegistrationID.normalized(name) == id
      else { throw Self.unauthorized }
      if let individual {
        found = byCertificate(individual, leaf).map { (individual, $0) }
      } else {
        found = try bySigner(leaf)
      }
    }
    guard let found, found.0.isEnabled else { throw Self.unauthorized }
    return found
  }

  private static var unauthorized: HubError { HubError(.provisioningUnauthorized, "Unauthorized") }

  private func check(
    _ token: SharedAccessSignature,
    for id: String,
    _ circumstances: Circumstances
  ) throws(HubError) {
    let accessed = SASResource(host: rules.scope, segments: ["registrations", id])
    guard token.policy == nil || token.policy == "registration",
      token.resource.covers(accessed, ignoringCase: true),
      // Scope alone would be all devices, for which there is no key.
      token.resource.segments.count == accessed.segments.count,
      !token.isExpired(now: circumstances.now, skewSeconds: circumstances.skewSeconds)
    else { throw Self.unauthorized }
  }

  private func byKey(
    _ enrollment: Enrollment,
    _ token: SharedAccessSignature,
    _ circumstances: Circumstances
  ) -> Judgement? {
    func isSigned(_ key: SymmetricKey) -> Bool {
      token.isSigned(by: key, use: .decoded, hmacSHA256: circumstances.hmacSHA256)
    }
    switch enrollment.attestation {
    case .symmetricKey(let primary, let secondary):
      // Both are tried, so that the time does not tell which one it was.
      let (first, second) = (isSigned(primary), isSigned(secondary))
      guard first || second else { return nil }
      return Judgement(
        authentication: .sas(primary: primary, secondary: secondary),
        proof: .symmetricKey
      )
    case .tpm:
      guard let challenge = circumstances.challenge, isSigned(challenge) else { return nil }
      return Judgement(
        authentication: .sas(primary: challenge, secondary: challenge),
        proof: .tpm(authenticationKey: [])
      )
    case .clientCertificates, .signingCertificates, .authorities: return nil
    }
  }

  private func byDerivedKey(
    _ presentedID: String,
    _ token: SharedAccessSignature,
    _ circumstances: Circumstances
  ) throws(HubError) -> (Enrollment, Judgement)? {
    var found: (Enrollment, Judgement)?
    for group in try groups(.symmetricKey, limit: rules.symmetricKeyGroupLimit) {
      guard case .symmetricKey(let primary, let secondary) = group.attestation else { continue }
      let hmac = circumstances.hmacSHA256
      guard let first = DerivedKey.of(presentedID, groupKey: primary, hmacSHA256: hmac),
        let second = DerivedKey.of(presentedID, groupKey: secondary, hmacSHA256: hmac)
      else { continue }
      let signed = [first, second].map { token.isSigned(by: $0, use: .decoded, hmacSHA256: hmac) }
      guard signed.contains(true), found == nil || found?.0.isEnabled == false else { continue }
      found = (
        group,
        Judgement(
          authentication: .sas(primary: first, secondary: second),
          proof: .symmetricKey
        )
      )
    }
    return found
  }

  private func byCertificate(_ enrollment: Enrollment, _ leaf: PresentedLeaf) -> Judgement? {
    switch enrollment.attestation {
    case .clientCertificates(let primary, let secondary):
      guard [primary, secondary].contains(where: { $0?.sha256 == leaf.certificate.sha256 }) else {
        return nil
      }
      return Judgement(
        authentication: .selfSigned(primary: primary.sha256, secondary: secondary?.sha256),
        proof: .certificate(leaf.certificate, signer: nil)
      )
    case .authorities(let primary, let secondary):
      guard let signer = leaf.nearest(named: [primary, secondary].compactMap { $0 }) else {
        return nil
      }
      return leaf.judgement(signer)
    case .symmetricKey, .signingCertificates, .tpm: return nil
    }
  }

  private func bySigner(_ leaf: PresentedLeaf) throws(HubError) -> (Enrollment, Judgement)? {
    var best: (group: Enrollment, signer: PresentedLeaf.Signer)?
    for signer in leaf.signers {
      if let best, best.signer.distance < signer.distance { continue }
      var keys = [EnrollmentIndexKey.signer(signer.certificate.sha256)]
      if let name = signer.authorityName { keys.append(.authority(name)) }
      for key in keys {
        guard let group = try groups(key, limit: 1).first else { continue }
        // Of groups with an equal claim the first by name, whatever the order of the signers.
        if let best, best.signer.distance == signer.distance, best.group.key.id <= group.key.id {
          continue
        }
        best = (group, signer)
      }
    }
    return best.map { ($0.group, leaf.judgement($0.signer)) }
  }
}

extension PresentedLeaf {
  fileprivate func nearest(named names: [String]) -> Signer? {
    signers.filter { $0.authorityName.map(names.contains) ?? false }
      .min { $0.distance < $1.distance }
  }

  fileprivate func judgement(_ signer: Signer) -> Judgement {
    Judgement(
      authentication: .selfSigned(primary: certificate.sha256, secondary: nil),
      proof: .certificate(certificate, signer: signer.certificate),
      isByAuthority: signers.contains { $0.authorityName != nil && !$0.isIssuer }
    )
  }
}

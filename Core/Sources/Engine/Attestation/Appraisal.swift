public import ByteIO
public import COSE

/// Decides what a device may have, by its evidence (RFC 9334: verifier).
///
/// A pure function: the record of the device, the challenge and the time come in, the findings and the
/// new record go out. What costs nothing is checked first, so that a flood of stale answers costs no
/// signature; once the signatures are right, everything that is wrong is found, not only the first.
public struct Appraisal: Sendable {
  /// What the owner asks for.
  public var policy: AppraisalPolicy
  /// What devices may run.
  public var references: ReferenceValues
  /// The computations; of these, `hash` and `derive` are used.
  public var functions: DICEFunctions

  /// Creates an appraisal.
  public init(policy: AppraisalPolicy, references: ReferenceValues, functions: DICEFunctions) {
    self.policy = policy
    self.references = references
    self.functions = functions
  }

  /// Appraises evidence.
  ///
  /// - Parameters:
  ///   - bytes: The evidence's envelope.
  ///   - device: What is kept of the device that it has to be from.
  ///   - challenge: What the device was asked.
  ///   - now: The time, of the clock of the challenge.
  ///   - check: Whether the third is a signature of the second by the first.
  /// - Returns: What was found, and what is to be kept instead of `device` and `challenge`. The
  ///   challenge is used up by every answer, however it came out.
  public func appraise(
    _ bytes: Span<UInt8>,
    of device: AttestedDevice,
    challenge: AttestationChallenge,
    now: Instant,
    check: SignatureCheck
  ) -> AppraisalResult {
    var answered = challenge
    answered.isUsed = true
    func refused(_ finding: AppraisalFinding) -> AppraisalResult {
      AppraisalResult(findings: [finding], claims: nil, device: device, challenge: answered)
    }
    if device.isRevoked { return refused(.revokedDevice) }
    if challenge.isUsed { return refused(.replayedNonce) }
    // A clock that went back makes a nonce no younger than new.
    guard now >= challenge.issued,
      now.milliseconds(since: challenge.issued) <= policy.nonceMilliseconds
    else { return refused(.expiredNonce) }
    let evidence: Evidence
    do {
      evidence = try Evidence(bytes)
    } catch {
      return refused(.malformed(error))
    }
    let (chain, claims): (DICEChain, EvidenceClaims)
    do {
      (chain, claims) = try evidence.verified(root: device.rootKey, functions, check: check)
    } catch {
      return refused(Self.finding(error))
    }
    var findings: [AppraisalFinding] = []
    if device.isQuarantined { findings.append(.quarantinedDevice) }
    if claims.nonce != challenge.nonce { findings.append(.otherNonce) }
    if claims.channelBinding != challenge.channelBinding { findings.append(.otherChannel) }
    let identifier = DICE.deviceIdentifier(of: device.rootKey.point, functions)
    if claims.deviceIdentifier != identifier { findings.append(.otherDevice) }
    // What was signed for another challenge or device says nothing about this one now.
    guard findings.allSatisfy({ $0 == .quarantinedDevice }) else {
      return AppraisalResult(
        findings: findings,
        claims: claims,
        device: device,
        challenge: answered
      )
    }
    findings += judge(claims, enrolled: device.evidenceClass)
    findings += judge(chain)
    findings += judge(claims.components, before: device.releases)
    var kept = device
    findings += count(claims, in: &kept)
    if findings.allSatisfy({ $0.consequence == .updateOnly }) {
      Self.remember(claims.components, in: &kept)
    }
    return AppraisalResult(findings: findings, claims: claims, device: kept, challenge: answered)
  }

  private static func finding(_ fault: AttestationFault) -> AppraisalFinding {
    switch fault {
    case .issuerMismatch, .subjectMismatch, .certificateUsage, .certificateSignature,
      .evidenceSignature, .configurationHash:
      .untrusted(fault)
    case .encoding, .inputByteCount, .noPrivateKey, .invalidCertificate, .certificateCount,
      .invalidEnvelope, .otherProfile, .invalidMeasurement:
      .malformed(fault)
    }
  }

  private func judge(
    _ claims: EvidenceClaims,
    enrolled: EvidenceClass
  ) -> [AppraisalFinding] {
    var findings: [AppraisalFinding] = []
    if claims.evidenceClass != enrolled {
      findings.append(.otherClass(claimed: claims.evidenceClass, enrolled: enrolled))
    }
    // What was enrolled counts: a claim can't lift a device above it.
    if min(claims.evidenceClass, enrolled) < policy.minimumClass {
      findings.append(.classTooLow(min(claims.evidenceClass, enrolled)))
    }
    if !policy.debugStatus.contains(claims.debugStatus) {
      findings.append(.debuggable(claims.debugStatus))
    }
    if policy.needsClientKey, claims.clientKey == nil { findings.append(.missingClientKey) }
    return findings
  }

  private func judge(_ chain: DICEChain) -> [AppraisalFinding] {
    var findings: [AppraisalFinding] = []
    for (place, layer) in chain.layers.enumerated() {
      if !policy.modes.contains(layer.mode) { findings.append(.mode(place: place, layer.mode)) }
      switch references.standing(of: layer, at: place) {
      case nil: findings.append(.unknownLayer(place))
      case .outdated: findings.append(.outdatedLayer(place))
      case .revoked: findings.append(.revokedLayer(place))
      case .current: break
      }
    }
    return findings
  }

  private func judge(
    _ components: [ComponentMeasurement],
    before: [ComponentRelease]
  ) -> [AppraisalFinding] {
    var findings: [AppraisalFinding] = []
    for measured in components {
      let component = measured.component
      switch references.standing(of: measured) {
      case nil: findings.append(.unknownImage(component: component))
      case .outdated: findings.append(.outdatedImage(component: component))
      case .revoked: findings.append(.revokedImage(component: component))
      case .current: break
      }
      for floor in policy.floors
      where floor.component == component && measured.release < floor.release {
        findings.append(
          .belowFloor(component: component, release: measured.release, floor: floor.release)
        )
      }
      for earlier in before
      where earlier.component == component && measured.release < earlier.release {
        findings.append(
          .rolledBack(component: component, release: measured.release, earlier: earlier.release)
        )
      }
    }
    for required in policy.requiredComponents
    where !components.contains(where: { $0.component == required }) {
      findings.append(.missingComponent(required))
    }
    return findings
  }

  /// Compares the count of starts with the last one, and keeps it.
  ///
  /// Copies of a device's secret show here: each counts its own starts. A device that is found out
  /// stays in quarantine, and the count that was kept stays the higher one.
  private func count(
    _ claims: EvidenceClaims,
    in device: inout AttestedDevice
  ) -> [AppraisalFinding] {
    if let last = device.bootCount {
      if claims.bootCount < last {
        device.isQuarantined = true
        return [.bootCountWentBack(from: last, to: claims.bootCount)]
      }
      if claims.bootCount == last, let seed = device.bootSeed, seed != claims.bootSeed {
        device.isQuarantined = true
        return [.twoStarts(last)]
      }
    }
    device.bootCount = claims.bootCount
    device.bootSeed = claims.bootSeed
    return []
  }

  /// Keeps the highest release of each component.
  private static func remember(
    _ components: [ComponentMeasurement],
    in device: inout AttestedDevice
  ) {
    for measured in components {
      let place = device.releases.firstIndex { $0.component == measured.component }
      if let place {
        device.releases[place].release = max(device.releases[place].release, measured.release)
      } else {
        device.releases.append(
          ComponentRelease(component: measured.component, release: measured.release)
        )
      }
    }
  }
}

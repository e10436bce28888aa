public import COSE

/// One thing that an appraiser found; what it leads to is its `consequence`.
public enum AppraisalFinding: Equatable, Sendable {
  /// The device's key was revoked.
  case revokedDevice
  /// The device is set aside until a person has looked at it.
  case quarantinedDevice
  /// The nonce had an answer already.
  case replayedNonce
  /// The nonce is older than the policy allows.
  case expiredNonce
  /// The evidence names another nonce than the challenge.
  case otherNonce
  /// The evidence was made for another connection.
  case otherChannel
  /// The bytes are no evidence.
  case malformed(AttestationFault)
  /// The certificates don't lead from the device's own key to the evidence, or a signature is wrong.
  case untrusted(AttestationFault)
  /// The evidence is about another device than the one whose key signed it.
  case otherDevice
  /// The evidence is of another class than the one bound at the enrolment.
  case otherClass(claimed: EvidenceClass, enrolled: EvidenceClass)
  /// The class is below what the policy asks for.
  case classTooLow(EvidenceClass)
  /// The device can be debugged.
  case debuggable(EATDebugStatus)
  /// The layer at this place started in a mode that the policy does not allow.
  case mode(place: Int, DICEMode)
  /// The layer at this place is not known.
  case unknownLayer(Int)
  /// The layer at this place has to be updated.
  case outdatedLayer(Int)
  /// The layer at this place must not run any more.
  case revokedLayer(Int)
  /// The component's image is not known.
  case unknownImage(component: [UInt8])
  /// The component's image has to be updated.
  case outdatedImage(component: [UInt8])
  /// The component's image must not run any more.
  case revokedImage(component: [UInt8])
  /// A component that has to run does not.
  case missingComponent([UInt8])
  /// The component's release is below the policy's floor.
  case belowFloor(component: [UInt8], release: UInt64, floor: UInt64)
  /// The component ran a higher release before: the device's own protection did not hold.
  case rolledBack(component: [UInt8], release: UInt64, earlier: UInt64)
  /// The device says that it started less often than before: it is a copy, or was restored from one.
  case bootCountWentBack(from: UInt64, to: UInt64)
  /// Two starts with the same count: there are two devices with one secret.
  case twoStarts(UInt64)
  /// The evidence names no key to certify.
  case missingClientKey

  /// What a finding leads to.
  public enum Consequence: Int, Comparable, Sendable {
    /// The device may be updated and nothing else.
    case updateOnly
    /// The device gets nothing until it answers a new challenge.
    case askAgain
    /// The device gets nothing while it is what it is.
    case failedPolicy
    /// The device gets nothing: who answered has not its key.
    case failedSignature
    /// The device gets nothing until a person has looked at it.
    case quarantined
    /// The device gets nothing any more.
    case revoked

    /// Whether the first is less grave.
    public static func < (first: Self, second: Self) -> Bool { first.rawValue < second.rawValue }
  }

  /// What it leads to.
  public var consequence: Consequence {
    switch self {
    case .revokedDevice: .revoked
    case .quarantinedDevice, .bootCountWentBack, .twoStarts: .quarantined
    case .untrusted, .otherDevice: .failedSignature
    case .replayedNonce, .expiredNonce, .otherNonce, .otherChannel, .malformed: .askAgain
    case .otherClass, .classTooLow, .debuggable, .mode, .unknownLayer, .revokedLayer,
      .unknownImage, .revokedImage, .missingComponent, .rolledBack, .missingClientKey:
      .failedPolicy
    case .outdatedLayer, .outdatedImage, .belowFloor: .updateOnly
    }
  }
}

/// What an appraisal came to (RFC 9334: attestation result, before anything is made of it).
public struct AppraisalResult: Equatable, Sendable {
  /// What a device may have.
  public enum Verdict: Equatable, Sendable {
    /// Certificates for everything.
    case trusted
    /// A certificate for being updated.
    case updateOnly
    /// Nothing, for the gravest consequence there is.
    case refused(AppraisalFinding.Consequence)
  }

  /// All that was found, in the order of the checks.
  public let findings: [AppraisalFinding]
  /// What the device says; nil unless its signature was right.
  public let claims: EvidenceClaims?
  /// What is to be kept of the device from now on.
  public let device: AttestedDevice
  /// The challenge, which has its answer now.
  public let challenge: AttestationChallenge

  /// What the device may have: the gravest consequence of the findings decides.
  public var verdict: Verdict {
    guard let gravest = findings.map({ $0.consequence }).max() else { return .trusted }
    return gravest == .updateOnly ? .updateOnly : .refused(gravest)
  }
}

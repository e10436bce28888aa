public import ByteIO
public import COSE

/// A release counter of a component.
public struct ComponentRelease: Equatable, Sendable {
  /// The component, 16 bytes.
  public var component: [UInt8]
  /// The counter.
  public var release: UInt64

  /// Creates a counter.
  public init(component: [UInt8], release: UInt64) {
    self.component = component
    self.release = release
  }
}

/// What an owner asks of devices (RFC 9334: appraisal policy for evidence).
public struct AppraisalPolicy: Equatable, Sendable {
  /// The least that a root of trust may rest on.
  public var minimumClass: EvidenceClass
  /// The modes in which layers may have started.
  public var modes: [DICEMode]
  /// What devices may say about being debugged.
  public var debugStatus: [EATDebugStatus]
  /// Components that have to run.
  public var requiredComponents: [[UInt8]]
  /// Releases below which a component may do nothing but be updated.
  public var floors: [ComponentRelease]
  /// How old a nonce may be, in milliseconds.
  public var nonceMilliseconds: UInt64
  /// Whether evidence has to name the key that a certificate is for.
  public var needsClientKey: Bool

  /// Creates a policy; the defaults are those of a device in production.
  public init(
    minimumClass: EvidenceClass = .simulated,
    modes: [DICEMode] = [.normal],
    debugStatus: [EATDebugStatus] = [
      .disabledSinceBoot, .disabledPermanently, .disabledFullyAndPermanently,
    ],
    requiredComponents: [[UInt8]] = [],
    floors: [ComponentRelease] = [],
    nonceMilliseconds: UInt64 = 60_000,
    needsClientKey: Bool = true
  ) {
    self.minimumClass = minimumClass
    self.modes = modes
    self.debugStatus = debugStatus
    self.requiredComponents = requiredComponents
    self.floors = floors
    self.nonceMilliseconds = nonceMilliseconds
    self.needsClientKey = needsClientKey
  }
}

/// What an appraiser keeps of a device.
public struct AttestedDevice: Equatable, Sendable {
  /// The device's own key, from its enrolment.
  public var rootKey: COSEKey
  /// On what its root of trust rests, from its enrolment; lowering it takes a person.
  public var evidenceClass: EvidenceClass
  /// Whether its key was revoked.
  public var isRevoked = false
  /// Whether it is set aside until a person has looked at it.
  public var isQuarantined = false
  /// How often it had started when it was last appraised; nil before the first time.
  public var bootCount: UInt64?
  /// What was new at that start.
  public var bootSeed: [UInt8]?
  /// The highest release of each component that good evidence named.
  public var releases: [ComponentRelease] = []

  /// Creates what is kept of a device that was never appraised.
  public init(rootKey: COSEKey, evidenceClass: EvidenceClass) {
    self.rootKey = rootKey
    self.evidenceClass = evidenceClass
  }
}

/// What an appraiser asked a device, over one connection.
public struct AttestationChallenge: Equatable, Sendable {
  /// The nonce, new for every challenge, 8 to 64 bytes.
  public let nonce: [UInt8]
  /// When it was given out.
  public let issued: Instant
  /// The value exported from the connection over which the answer came, 32 bytes.
  public let channelBinding: [UInt8]
  /// Whether there was an answer already.
  public var isUsed: Bool

  /// Creates a challenge.
  public init(nonce: [UInt8], issued: Instant, channelBinding: [UInt8], isUsed: Bool = false) {
    self.nonce = nonce
    self.issued = issued
    self.channelBinding = channelBinding
    self.isUsed = isUsed
  }
}

/// The one reason why a device does not run the target (rule D-8).
///
/// In the order in which they are looked at: the first that is true is the one that is shown, for it is
/// what somebody has to change first.
public enum BehindReason: String, Equatable, Sendable, CaseIterable {
  /// It is in no ring of the rollout.
  case notTargeted = "not-targeted"
  /// Its identity or evidence is in doubt, and nothing is given to it.
  case quarantined
  /// Its last evidence does not bear the signature that it has to.
  case signatureFailed = "evidence-signature-failed"
  /// Its last evidence breaks the policy.
  case policyFailed = "evidence-policy-failed"
  /// The target does not fit it: another board, another interface, or below its rollback floor.
  case incompatible
  /// The target failed on it.
  case failedHere = "failed-here"
  /// The rollout stands still, and it has not begun.
  case stopped = "rollout-stopped"
  /// Its ring's turn, or its own within the ring, has not come.
  case notItsTurn = "not-its-turn"
  /// It was not heard of for too long.
  case silent
  /// It refused the metadata or the bytes: signature, hash, expiry.
  case refused = "verification-refused"
  /// It has no room for it.
  case noSpace = "no-space"
  /// An app put it off.
  case deferred
  /// It waits for a window.
  case outsideWindow = "outside-window"
  /// It is fetching it.
  case downloading
  /// It has it whole, and did not start it yet.
  case ready
  /// It runs it on trial.
  case onTrial = "on-trial"
  /// It says that it runs it, and its evidence does not: believed is the evidence.
  case unproven = "claimed-not-attested"
  /// It was offered, and the device has not asked since.
  case notFetched = "not-fetched-yet"
}

/// What a device says of an update, in its own words' order.
public enum UpdatePhase: Equatable, Sendable {
  /// Nothing.
  case idle
  /// It refused metadata or bytes.
  case refused
  /// There is no room.
  case noSpace
  /// Put off by an app.
  case deferred
  /// Waits for a window.
  case waitsForWindow
  /// Fetching.
  case downloading
  /// Whole and verified.
  case ready
  /// Running on trial.
  case onTrial
  /// Confirmed, it says.
  case done
}

/// What an appraiser says of a device's evidence: four different troubles, and none of them another.
public enum EvidenceState: Equatable, Sendable {
  /// There never was any.
  case unknown
  /// Good; it names the manifest of what runs.
  case good(digest: [UInt8], at: Int64)
  /// It breaks the policy.
  case failedPolicy
  /// Its signature is wrong.
  case failedSignature
  /// It is set apart.
  case quarantined
}

/// All that is known of a device when somebody asks why it is behind.
public struct DeviceFacts: Equatable, Sendable {
  /// When it was heard of last, in seconds since 1970; nil for never.
  public var lastSeen: Int64?
  /// What its evidence says.
  public var evidence: EvidenceState
  /// What it says itself.
  public var phase: UpdatePhase
  /// Whether the target fits it.
  public var isCompatible: Bool

  /// Creates facts of a device that is not known yet.
  public init(
    lastSeen: Int64? = nil,
    evidence: EvidenceState = .unknown,
    phase: UpdatePhase = .idle,
    isCompatible: Bool = true
  ) {
    (self.lastSeen, self.evidence) = (lastSeen, evidence)
    (self.phase, self.isCompatible) = (phase, isCompatible)
  }
}

extension Rollout {
  /// Why a device does not run the target; nil if fresh evidence says that it does.
  ///
  /// - Parameters:
  ///   - device: the device.
  ///   - facts: what is known of it.
  ///   - silentSeconds: after how long without a word it counts as silent.
  ///   - now: seconds since 1970.
  /// - Returns: one reason.
  public func reason(
    _ device: String,
    _ facts: DeviceFacts,
    silentSeconds: Int64 = 25 * 3600,
    now: Int64
  ) -> BehindReason? {
    guard ring(of: device) != nil else { return .notTargeted }
    switch facts.evidence {
    case .quarantined: return .quarantined
    case .failedSignature: return .signatureFailed
    case .failedPolicy: return .policyFailed
    case .good(let digest, let time):
      if digest == plan.target, time <= now, now - time <= plan.evidenceSeconds { return nil }
    case .unknown: break
    }
    guard facts.isCompatible else { return .incompatible }
    if failure(of: device) != nil { return .failedHere }
    let hasBegun =
      switch facts.phase {
      case .onTrial, .done: true
      case .idle, .refused, .noSpace, .deferred, .waitsForWindow, .downloading, .ready: false
      }
    if !hasBegun {
      if case .stopped = state { return .stopped }
      guard isOffered(device) else { return .notItsTurn }
    }
    guard let lastSeen = facts.lastSeen, now - lastSeen <= silentSeconds else { return .silent }
    switch facts.phase {
    case .idle: return .notFetched
    case .refused: return .refused
    case .noSpace: return .noSpace
    case .deferred: return .deferred
    case .waitsForWindow: return .outsideWindow
    case .downloading: return .downloading
    case .ready: return .ready
    case .onTrial: return .onTrial
    case .done: return .unproven
    }
  }
}

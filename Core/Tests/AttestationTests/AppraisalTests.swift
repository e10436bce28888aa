import Attestation
import ByteIO
import COSE
import Testing

/// A device and its appraiser with signatures and hashes that anybody could make: what is tested are
/// the rules.
struct TestBench {
  static let component = [UInt8](repeating: 0xC0, count: 16)
  static let other = [UInt8](repeating: 0xC1, count: 16)
  static let nonce = [UInt8](repeating: 0x11, count: 32)
  static let channel = [UInt8](repeating: 0xEC, count: 32)

  static let functions = DICEFunctions(
    hash: { mixed([$0], count: 64) },
    authenticate: { mixed([$0, $1], count: 64) },
    derive: { mixed([$1, $2, $3], count: $0) }
  )

  static func mixed(_ parts: [[UInt8]], count: Int) -> [UInt8] {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    for part in parts {
      for byte in part + [UInt8(truncatingIfNeeded: part.count)] {
        state = (state ^ UInt64(byte)) &* 0x100_0000_01B3
      }
    }
    var generator = SeededGenerator(seed: state)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  static func sign(_ key: COSEKey, _ message: [UInt8]) -> [UInt8] {
    mixed([key.point, message], count: 64)
  }

  static func check(_ key: COSEKey, _ message: [UInt8], _ signature: [UInt8]) -> Bool {
    sign(key, message) == signature
  }

  static func image(_ component: [UInt8], release: UInt64) throws -> ComponentMeasurement {
    try #require(
      ComponentMeasurement(
        component: component,
        image: mixed([component, [UInt8(release)]], count: 16),
        release: release,
        digest: mixed([component, [UInt8(release)]], count: 32)
      )
    )
  }

  var policy = AppraisalPolicy(requiredComponents: [component])
  var references: ReferenceValues
  var device: AttestedDevice
  var challenge = AttestationChallenge(
    nonce: nonce,
    issued: Instant(nanoseconds: 1_000_000_000),
    channelBinding: channel
  )
  var milliseconds: UInt64 = 500
  var modes: [DICEMode] = [.normal, .normal]
  var claims: EvidenceClaims
  var signingRoot: COSEKey

  init() throws {
    let root = try #require(COSEKey(.p256, point: Self.mixed([[1]], count: 64)))
    device = AttestedDevice(rootKey: root, evidenceClass: .simulated)
    signingRoot = root
    claims = EvidenceClaims(
      nonce: Self.nonce,
      deviceIdentifier: DICE.deviceIdentifier(of: root.point, Self.functions),
      evidenceClass: .simulated,
      channelBinding: Self.channel,
      clientKey: COSEKey(.p256, point: Self.mixed([[2]], count: 64)),
      bootCount: 5,
      bootSeed: [UInt8](repeating: 5, count: 32),
      debugStatus: .disabledSinceBoot,
      components: [try Self.image(Self.component, release: 7)]
    )
    references = ReferenceValues(layers: [], components: [])
    for place in 0..<2 {
      let inputs = try Self.inputs(place, .normal)
      references.layers.append(
        LayerReference(
          place: place,
          codeHash: inputs.codeHash,
          authorityHash: inputs.authorityHash,
          standing: .current
        )
      )
    }
    references.components = [
      ComponentReference(try Self.image(Self.component, release: 7), standing: .current),
      ComponentReference(try Self.image(Self.component, release: 6), standing: .outdated),
      ComponentReference(try Self.image(Self.component, release: 5), standing: .revoked),
    ]
  }

  static func inputs(_ place: Int, _ mode: DICEMode) throws -> DICEInputs {
    try DICEInputs(
      codeHash: mixed([[UInt8(place), 1]], count: 64),
      configuration: .descriptor([UInt8(place)]),
      authorityHash: mixed([[9]], count: 64),
      mode: mode
    )
  }

  /// The evidence of a device that is in this state.
  func evidence() throws -> [UInt8] {
    var issuer = signingRoot
    var certificates: [[UInt8]] = []
    for place in 0...modes.count {
      let isLast = place == modes.count
      let point = Self.mixed([[UInt8(place), 3]], count: 64)
      let subject = try #require(COSEKey(.p256, point: point))
      let layer =
        isLast ? nil : DICELayer(try Self.inputs(place, modes[place]), Self.functions)
      let draft = try DICECertificate(
        issuer: DICEChain.name(of: issuer, Self.functions),
        subject: DICEChain.name(of: subject, Self.functions),
        key: subject,
        usage: isLast ? .evidence : .certificates,
        layer: layer
      ).draft(algorithm: .es256)
      let signature = Self.sign(issuer, draft.authenticatedBytes())
      certificates.append(try draft.finished(with: signature, tagging: .untagged))
      issuer = subject
    }
    let draft = try claims.draft(algorithm: .es256)
    let signature = Self.sign(issuer, draft.authenticatedBytes())
    let token = try draft.finished(with: signature, tagging: .tagged)
    return Evidence(certificates: certificates, token: token).encoded
  }

  func appraise(_ bytes: [UInt8]? = nil) throws -> AppraisalResult {
    let bytes = try bytes ?? evidence()
    return Appraisal(policy: policy, references: references, functions: Self.functions).appraise(
      bytes.span,
      of: device,
      challenge: challenge,
      now: challenge.issued.adding(milliseconds: milliseconds),
      check: Self.check
    )
  }

  /// The same device at its next challenge.
  mutating func answered(_ result: AppraisalResult) { device = result.device }
}

@Suite("Appraisal of evidence (RFC 9334)")
struct AppraisalTests {
  @Test("a device as it should be is trusted, and what it says is kept")
  func good() throws {
    let result = try TestBench().appraise()
    #expect(result.findings == [])
    #expect(result.verdict == .trusted)
    #expect(result.challenge.isUsed)
    #expect(result.device.bootCount == 5)
    #expect(
      result.device.releases == [ComponentRelease(component: TestBench.component, release: 7)]
    )
    #expect(result.claims != nil)
  }

  /// A state of a device or its appraiser, what is found in it, and what it leads to.
  struct Row {
    let finding: AppraisalFinding
    let verdict: AppraisalResult.Verdict
    let change: @Sendable (inout TestBench) throws -> Void

    init(
      _ finding: AppraisalFinding,
      _ verdict: AppraisalResult.Verdict,
      _ change: @escaping @Sendable (inout TestBench) throws -> Void
    ) {
      (self.finding, self.verdict, self.change) = (finding, verdict, change)
    }
  }

  static let rows: [Row] = [
    Row(.revokedDevice, .refused(.revoked)) { $0.device.isRevoked = true },
    Row(.quarantinedDevice, .refused(.quarantined)) { $0.device.isQuarantined = true },
    Row(.replayedNonce, .refused(.askAgain)) { $0.challenge.isUsed = true },
    Row(.expiredNonce, .refused(.askAgain)) { $0.milliseconds = 60_001 },
    Row(.otherNonce, .refused(.askAgain)) { $0.claims.nonce[0] ^= 1 },
    Row(.otherChannel, .refused(.askAgain)) { $0.claims.channelBinding[31] ^= 1 },
    Row(.otherDevice, .refused(.failedSignature)) { $0.claims.deviceIdentifier[1] ^= 1 },
    Row(.untrusted(.certificateSignature(0)), .refused(.failedSignature)) {
      $0.signingRoot = try #require(COSEKey(.p256, point: TestBench.mixed([[7]], count: 64)))
    },
    Row(.malformed(.certificateCount(1)), .refused(.askAgain)) { $0.modes = [] },
    Row(.classTooLow(.simulated), .refused(.failedPolicy)) {
      $0.policy.minimumClass = .softwareTPM
    },
    Row(.debuggable(.enabled), .refused(.failedPolicy)) { $0.claims.debugStatus = .enabled },
    Row(.debuggable(.disabled), .refused(.failedPolicy)) { $0.claims.debugStatus = .disabled },
    Row(.mode(place: 1, .debug), .refused(.failedPolicy)) { $0.modes[1] = .debug },
    Row(.mode(place: 0, .recovery), .refused(.failedPolicy)) { $0.modes[0] = .recovery },
    Row(.mode(place: 0, .notConfigured), .refused(.failedPolicy)) { $0.modes[0] = .notConfigured },
    Row(.unknownLayer(1), .refused(.failedPolicy)) { $0.references.layers.removeLast() },
    Row(.unknownLayer(0), .refused(.failedPolicy)) { $0.references.layers[0].place = 1 },
    Row(.unknownLayer(0), .refused(.failedPolicy)) {
      $0.references.layers[0].authorityHash[0] ^= 1
    },
    Row(.unknownLayer(0), .refused(.failedPolicy)) { $0.references.layers[0].configuration = [7] },
    Row(.outdatedLayer(0), .updateOnly) { $0.references.layers[0].standing = .outdated },
    Row(.revokedLayer(0), .refused(.failedPolicy)) { $0.references.layers[0].standing = .revoked },
    Row(.revokedLayer(0), .refused(.failedPolicy)) {
      var again = $0.references.layers[0]
      again.standing = .revoked
      $0.references.layers.append(again)
    },
    Row(.unknownImage(component: TestBench.component), .refused(.failedPolicy)) {
      $0.claims.components = [try TestBench.image(TestBench.component, release: 8)]
    },
    Row(.outdatedImage(component: TestBench.component), .updateOnly) {
      $0.claims.components = [try TestBench.image(TestBench.component, release: 6)]
    },
    Row(.revokedImage(component: TestBench.component), .refused(.failedPolicy)) {
      $0.claims.components = [try TestBench.image(TestBench.component, release: 5)]
    },
    Row(.missingComponent(TestBench.component), .refused(.failedPolicy)) {
      $0.claims.components = []
    },
    Row(.belowFloor(component: TestBench.component, release: 7, floor: 8), .updateOnly) {
      $0.policy.floors = [ComponentRelease(component: TestBench.component, release: 8)]
    },
    Row(
      .rolledBack(component: TestBench.component, release: 7, earlier: 9),
      .refused(.failedPolicy)
    ) {
      $0.device.releases = [ComponentRelease(component: TestBench.component, release: 9)]
    },
    Row(.bootCountWentBack(from: 6, to: 5), .refused(.quarantined)) { $0.device.bootCount = 6 },
    Row(.twoStarts(5), .refused(.quarantined)) {
      $0.device.bootCount = 5
      $0.device.bootSeed = [UInt8](repeating: 6, count: 32)
    },
    Row(.missingClientKey, .refused(.failedPolicy)) { $0.claims.clientKey = nil },
  ]

  @Test("row 44: each thing that is wrong has a finding of its own", arguments: rows.indices)
  func findings(index: Int) throws {
    let row = Self.rows[index]
    var bench = try TestBench()
    try row.change(&bench)
    let result = try bench.appraise()
    #expect(result.findings == [row.finding])
    #expect(result.verdict == row.verdict)
    #expect(result.challenge.isUsed)
  }

  @Test("row 48: the class that was enrolled can't be changed by a claim, either way")
  func classes() throws {
    var bench = try TestBench()
    bench.claims.evidenceClass = .trustedPlatformModule
    bench.policy.minimumClass = .softwareTPM
    #expect(
      try bench.appraise().findings == [
        .otherClass(claimed: .trustedPlatformModule, enrolled: .simulated),
        .classTooLow(.simulated),
      ]
    )
    bench.claims.evidenceClass = .simulated
    bench.device.evidenceClass = .trustedPlatformModule
    #expect(
      try bench.appraise().findings == [
        .otherClass(claimed: .simulated, enrolled: .trustedPlatformModule),
        .classTooLow(.simulated),
      ]
    )
  }

  @Test("everything that is wrong is found, and the gravest decides")
  func several() throws {
    var bench = try TestBench()
    bench.claims.debugStatus = .enabled
    bench.references.layers[0].standing = .outdated
    bench.device.bootCount = 6
    let result = try bench.appraise()
    #expect(
      result.findings == [
        .debuggable(.enabled), .outdatedLayer(0), .bootCountWentBack(from: 6, to: 5),
      ]
    )
    #expect(result.verdict == .refused(.quarantined))
    #expect(result.device.isQuarantined)
    #expect(result.device.bootCount == 6)
  }

  @Test("row 16: what starts in another mode is refused, and none of its secrets are the same")
  func modes() throws {
    let before = DICESecrets(deviceSecret: [UInt8](repeating: 1, count: 32))
    let normal = DICE.next(before, try TestBench.inputs(0, .normal), TestBench.functions)
    for mode in [DICEMode.debug, .recovery, .notConfigured] {
      let secrets = DICE.next(before, try TestBench.inputs(0, mode), TestBench.functions)
      #expect(secrets.attestation != normal.attestation)
      #expect(secrets.sealing != normal.sealing)
      var bench = try TestBench()
      bench.modes[0] = mode
      #expect(try bench.appraise().verdict == .refused(.failedPolicy))
    }
  }

  @Test("row 13: a copy of a device is found out at the first answer of either, and both stay out")
  func copies() throws {
    var original = try TestBench()
    original.answered(try original.appraise())
    original.claims.bootCount = 6
    original.claims.bootSeed = [UInt8](repeating: 0xA0, count: 32)
    original.answered(try original.appraise())
    var copy = original
    copy.claims.bootSeed = [UInt8](repeating: 0xB0, count: 32)
    let found = try copy.appraise()
    #expect(found.findings == [.twoStarts(6)])
    original.answered(found)
    #expect(try original.appraise().findings == [.quarantinedDevice])
    original.claims.bootCount = 7
    #expect(try original.appraise().verdict == .refused(.quarantined))
  }

  @Test("rows 14, 15: an answer is good once, at its time and over its connection")
  func freshness() throws {
    var bench = try TestBench()
    let answer = try bench.evidence()
    let first = try bench.appraise(answer)
    #expect(first.verdict == .trusted)
    bench.challenge = first.challenge
    #expect(try bench.appraise(answer).findings == [.replayedNonce])
    bench.challenge = AttestationChallenge(
      nonce: [UInt8](repeating: 0x22, count: 32),
      issued: bench.challenge.issued,
      channelBinding: [UInt8](repeating: 0xED, count: 32)
    )
    #expect(try bench.appraise(answer).findings == [.otherNonce, .otherChannel])
    bench = try TestBench()
    bench.milliseconds = 60_000
    #expect(try bench.appraise().verdict == .trusted)
    let early = Appraisal(
      policy: bench.policy,
      references: bench.references,
      functions: TestBench.functions
    ).appraise(
      answer.span,
      of: bench.device,
      challenge: bench.challenge,
      now: Instant(nanoseconds: 0),
      check: TestBench.check
    )
    #expect(early.findings == [.expiredNonce])
  }

  @Test("what is refused before the signature changes nothing that is kept of a device")
  func keeps() throws {
    for row in Self.rows {
      var bench = try TestBench()
      try row.change(&bench)
      let result = try bench.appraise()
      switch row.finding {
      case .revokedDevice, .replayedNonce, .expiredNonce, .otherNonce, .otherChannel, .otherDevice,
        .untrusted, .malformed:
        #expect(result.device == bench.device)
      default: #expect(result.claims == bench.claims)
      }
    }
  }

  @Test("row 42: signatures are not even looked at for answers that come too late")
  func shedding() throws {
    var bench = try TestBench()
    bench.milliseconds = 60_001
    let answer = try bench.evidence()
    var asked = 0
    let result = Appraisal(
      policy: bench.policy,
      references: bench.references,
      functions: TestBench.functions
    ).appraise(
      answer.span,
      of: bench.device,
      challenge: bench.challenge,
      now: bench.challenge.issued.adding(milliseconds: bench.milliseconds)
    ) { _, _, _ in
      asked += 1
      return true
    }
    #expect(result.findings == [.expiredNonce])
    #expect(asked == 0)
  }

  @Test("changed answers are never trusted, and never a trap")
  func mutation() throws {
    let bench = try TestBench()
    let original = try bench.evidence()
    var generator = SeededGenerator(seed: 14)
    for round in 0..<3_000 {
      var changed = original
      let index = Int.random(in: 0..<changed.count, using: &generator)
      changed[index] = UInt8(truncatingIfNeeded: generator.next())
      if Bool.random(using: &generator) {
        changed.remove(at: Int.random(in: 0..<changed.count, using: &generator))
      }
      guard changed != original else { continue }
      let result = try bench.appraise(changed)
      #expect(result.verdict != .trusted && result.verdict != .updateOnly, "round \(round)")
      #expect(result.device == bench.device)
    }
  }
}

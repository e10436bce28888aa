import ByteIO
import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine
import Simulation
import Testing

/// A provisioning service over memory, with a clock that the test moves and a toy MAC.
struct TestService {
  typealias Engine = ProvisioningEngine<SimProvisioningStorage>
  var engine: Engine
  var now = Timestamp(seconds: 1_800_000_000)

  init(
    _ rules: ProvisioningRules = ProvisioningRules(scope: "0ne", hubs: Self.hubs),
    inspectNow: @escaping ImmediateInspection = { _, _ in nil }
  ) {
    let counter = Entropy()
    engine = Engine(
      storage: SimProvisioningStorage(),
      rules: rules,
      readCertificate: { text in
        text.utf8.count == 1 ? certificate(text.utf8.first ?? 0) : nil
      },
      inspectNow: inspectNow,
      entropy: { counter.bytes($0) }
    )
  }

  static let hubs = [LinkedHub(host: "a"), LinkedHub(host: "b"), LinkedHub(host: "c")]

  @discardableResult
  mutating func put(
    _ key: EnrollmentKey,
    _ body: String,
    ifMatch: String? = nil
  ) throws -> Enrollment {
    try engine.putEnrollment(
      key,
      body: try JSON.parse(body),
      ifMatch: ETagCondition(ifMatch: ifMatch),
      now: now
    )
  }

  func circumstances(
    challenge: SymmetricKey? = nil
  )
    -> ProvisioningView<SimProvisioningStorage>
    .Circumstances
  { .init(now: now, challenge: challenge, hmacSHA256: toyMAC) }

  func token(
    _ id: String,
    _ key: SymmetricKey,
    resource: String? = nil,
    policy: String? = nil,
    seconds: Int64 = 60
  ) throws -> PresentedCredential {
    .token(
      try SharedAccessSignature(
        SharedAccessSignature.make(
          resource: resource ?? "0ne/registrations/\(id)",
          key: key,
          policy: policy,
          expirySeconds: now.seconds + seconds,
          hmacSHA256: toyMAC
        ).utf8
      )
    )
  }

  mutating func register(
    _ id: String,
    _ credential: PresentedCredential,
    _ request: RegistrationRequest = RegistrationRequest()
  ) throws -> OperationRecord {
    try engine.register(id, request, credential, circumstances()).operation
  }

  /// Takes all steps of an operation with what `perform` makes of each.
  mutating func run(
    _ operation: OperationRecord,
    _ perform: (ProvisioningAction.Step) -> ProvisioningResult
  ) throws -> RegistrationState {
    var steps = 0
    while let action = try engine.nextAction(operation.id) {
      steps += 1
      try #require(steps < 200, "an operation without end")
      var result = perform(action.step)
      // Most tests have hubs without an identity of that name.
      if case .inspect = action.step, result == .done { result = .inspected(nil) }
      let isCurrent = try engine.record(
        result,
        for: operation.id,
        attempt: action.attempt,
        now: now
      )
      #expect(isCurrent)
    }
    let end = try engine.view.operation(operation.id, of: operation.registrationID)
    guard case .finished(let state) = end.state else { throw HubError(.serverError, "runs") }
    return state
  }
}

/// Counts instead of being random.
final class Entropy {
  private var next: UInt64 = 0

  func bytes(_ count: Int) -> [UInt8] {
    next += 1
    return (0..<count).map { UInt8(truncatingIfNeeded: next >> UInt64($0 % 8 * 8)) }
  }
}

/// No MAC at all, but different for each key and message.
func toyMAC(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
  var generator = SeededGenerator(
    seed: (key + [0] + message).reduce(14_695_981_039_346_656_037) {
      ($0 ^ UInt64($1)) &* 1_099_511_628_211
    }
  )
  return (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
}

func key(_ byte: UInt8) throws -> SymmetricKey {
  try #require(SymmetricKey(bytes: [UInt8](repeating: byte, count: 32)))
}

/// A certificate whose thumbprint repeats this byte; upper case letters are authorities.
func certificate(_ byte: UInt8, until end: Timestamp = .latest) -> CertificateSummary? {
  let pair = String(String(UInt16(byte) + 256, radix: 16).dropFirst())
  guard let sha1 = Thumbprint(hex: String(repeating: pair, count: 20)),
    let sha256 = Thumbprint(hex: String(repeating: pair, count: 32))
  else { return nil }
  return CertificateSummary(
    der: [byte],
    subjectName: "CN=s",
    issuerName: "CN=i",
    sha1: sha1,
    sha256: sha256,
    notBefore: .epoch,
    notAfter: end,
    serialNumber: "01",
    version: 3,
    isAuthority: byte < 0x61
  )
}

func leaf(
  _ letter: Character,
  _ name: String?,
  signers: [(Character, Int)] = [],
  authority: String? = nil,
  until end: Timestamp = .latest
) throws -> PresentedCredential {
  let own = try #require(certificate(letter.asciiValue ?? 0, until: end))
  return .certificate(
    PresentedLeaf(
      certificate: own,
      commonName: name,
      signers: try signers.map { letter, distance in
        PresentedLeaf.Signer(
          certificate: try #require(certificate(letter.asciiValue ?? 0)),
          authorityName: authority,
          distance: distance
        )
      }
    )
  )
}

func code(_ body: () throws -> Void) -> Int? {
  do {
    try body()
    return nil
  } catch {
    return (error as? HubError)?.code.rawValue
  }
}

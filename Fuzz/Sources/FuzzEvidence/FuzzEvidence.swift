import Attestation
import ByteIO
import COSE

/// Any bytes as an envelope, as a certificate's claims, and as evidence's claims; signatures are all
/// taken as right, so that what stands behind them is reached.
@c(LLVMFuzzerTestOneInput)
public func fuzzEvidence(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch first % 3 {
  case 0: appraise(bytes)
  case 1: readCertificate(bytes)
  default: readClaims(bytes)
  }
  return 0
}

/// Functions without a meaning: names of keys are all the same, as in the seeds.
let functions = DICEFunctions(
  hash: { _ in [UInt8](repeating: 0, count: 64) },
  authenticate: { _, _ in [UInt8](repeating: 0, count: 64) },
  derive: { count, _, _, _ in [UInt8](repeating: 0, count: count) }
)

func appraise(_ bytes: [UInt8]) {
  if let evidence = try? Evidence(bytes.span) {
    precondition(evidence.encoded == bytes, "a second encoding")
  }
  guard let root = COSEKey(.p256, point: [UInt8](repeating: 1, count: 64)) else { return }
  let appraisal = Appraisal(
    policy: AppraisalPolicy(requiredComponents: [[UInt8](repeating: 0xC0, count: 16)]),
    references: ReferenceValues(layers: [], components: []),
    functions: functions
  )
  let result = appraisal.appraise(
    bytes.span,
    of: AttestedDevice(rootKey: root, evidenceClass: .simulated),
    challenge: AttestationChallenge(
      nonce: Array(0..<16),
      issued: Instant(nanoseconds: 0),
      channelBinding: [UInt8](repeating: 0xEC, count: 32)
    ),
    now: Instant(nanoseconds: 1)
  ) { _, _, _ in true }
  // No layer is known, so nothing is good.
  precondition(result.challenge.isUsed)
  precondition(result.verdict != .trusted && result.verdict != .updateOnly, "taken for good")
}

func readCertificate(_ bytes: [UInt8]) {
  guard let certificate = try? DICECertificate(payload: bytes.span) else { return }
  let again = certificate.payload
  precondition((try? DICECertificate(payload: again.span)) == certificate, "not read again")
}

func readClaims(_ bytes: [UInt8]) {
  guard let set = try? EATClaims(bytes.span), let claims = try? EvidenceClaims(set) else { return }
  precondition((try? EvidenceClaims(claims.claims)) == claims, "not read again")
}

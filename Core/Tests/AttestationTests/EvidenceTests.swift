import Attestation
import ByteIO
import COSE
import Testing

@Suite("Chains and evidence")
struct EvidenceTests {
  static func opened(
    _ device: RecordedDevice,
    _ change: (inout Evidence) -> Void = { _ in }
  ) throws -> AttestationFault? {
    let bytes = hex(device.evidence)
    var evidence = try Evidence(bytes.span)
    change(&evidence)
    do {
      _ = try evidence.verified(root: try key(device.rootPoint), .recorded, check: checkRecorded)
      return nil
    } catch let fault as AttestationFault {
      return fault
    }
  }

  @Test("evidence of another implementation is followed from the device's own key to its claims")
  func vectors() throws {
    for device in try RecordedDevice.all() {
      let bytes = hex(device.evidence)
      let evidence = try Evidence(bytes.span)
      #expect(evidence.encoded == bytes)
      let (chain, claims) = try evidence.verified(
        root: try key(device.rootPoint),
        .recorded,
        check: checkRecorded
      )
      #expect(chain.layers.count == device.layers.count)
      #expect(chain.evidenceKey == (try key(device.evidencePoint)))
      #expect(claims.clientKey == (try key(device.clientPoint)))
      #expect(Hex.encode(claims.deviceIdentifier) == device.identifier)
      #expect(claims.evidenceClass == .simulated)
      #expect(claims.components.map(\.release) == [7])
      #expect(Hex.encode(claims.claims.encoded) == device.claims)
      let message = try COSEMessage(evidence.token.span, kind: .sign1, tagging: .tagged)
      let signature = [UInt8](evidence.token[message.authenticationRange])
      let again = try claims.draft(algorithm: .es256).finished(with: signature, tagging: .tagged)
      #expect(again == evidence.token)
    }
  }

  @Test("a chain that is cut, mixed or turned round is refused with the place of the break")
  func chains() throws {
    let devices = try RecordedDevice.all()
    let (first, second) = (devices[0], devices[1])
    let foreign = try Evidence(hex(first.evidence).span)
    #expect(try Self.opened(second) == nil)
    #expect(try Self.opened(second) { $0.certificates.removeFirst() } == .certificateSignature(0))
    #expect(try Self.opened(second) { $0.certificates.remove(at: 1) } == .certificateSignature(1))
    #expect(try Self.opened(second) { $0.certificates.removeLast() } == .certificateUsage(1))
    #expect(try Self.opened(second) { $0.certificates = [] } == .certificateCount(0))
    #expect(try Self.opened(first) { $0.certificates.removeLast() } == .certificateCount(1))
    #expect(
      try Self.opened(second) { $0.certificates += [[UInt8]](repeating: [], count: 6) }
        == .certificateCount(9)
    )
    #expect(try Self.opened(second) { $0.certificates.swapAt(0, 1) } == .certificateSignature(0))
    #expect(
      try Self.opened(second) { $0.certificates = foreign.certificates } == .certificateSignature(0)
    )
    #expect(try Self.opened(second) { $0.token = foreign.token } == .evidenceSignature)
    #expect(
      try Self.opened(second) { $0.token.removeFirst() } == .encoding(.unexpectedTag)
    )
    // A certificate's bytes are no evidence, though the same key might have signed them.
    #expect(
      try Self.opened(second) { $0.token = [0xD2] + $0.certificates[2] } == .evidenceSignature
    )
  }

  @Test("an envelope is exact")
  func envelopes() throws {
    let token = CBORValue.bytes([1])
    let wrong: [CBORValue] = [
      .array([]), .null, .array([.integer(1), .array([]), token, .null]),
      .array([.integer(2), .array([]), token]), .array([.integer(-1), .array([]), token]),
      .array([.integer(1), .map(CBORMap()), token]), .array([.integer(1), .array([.null]), token]),
      .array([.integer(1), .array([]), .text("")]),
    ]
    for value in wrong {
      let bytes = value.encoded
      #expect(throws: AttestationFault.invalidEnvelope) { try Evidence(bytes.span) }
    }
    let long = Evidence(certificates: [], token: [UInt8](repeating: 0, count: 40_000)).encoded
    #expect(throws: AttestationFault.encoding(.tooLong(byteCount: long.count, maximum: 32_768))) {
      try Evidence(long.span)
    }
  }

  @Test("changed evidence is never taken, and never a trap")
  func mutation() throws {
    let device = try #require(try RecordedDevice.all().last)
    let original = hex(device.evidence)
    let root = try key(device.rootPoint)
    var generator = SeededGenerator(seed: 9_334)
    for round in 0..<5_000 {
      var changed = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let index = Int.random(in: 0..<changed.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: changed.remove(at: index)
        default: changed.insert(UInt8(truncatingIfNeeded: generator.next()), at: index)
        }
      }
      guard changed != original, let evidence = try? Evidence(changed.span) else { continue }
      let opened = try? evidence.verified(root: root, .recorded, check: checkRecorded)
      #expect(opened == nil, "round \(round)")
    }
  }

  @Test("claims that evidence needs are asked for by name")
  func claims() throws {
    let device = try #require(try RecordedDevice.all().last)
    let whole = try #require(try CBORValue(hex(device.claims).span).map)
    func fault(_ label: Int64, _ value: CBORValue?) throws -> AttestationFault? {
      var map = whole
      map[label] = value
      let claims = try EATClaims(map)
      do {
        _ = try EvidenceClaims(claims)
        return nil
      } catch { return error }
    }
    #expect(try fault(100, .null) == nil)
    #expect(try fault(265, nil) == .otherProfile)
    #expect(try fault(265, .text("urn:x-orrery:evidence:2")) == .otherProfile)
    for label in [EATLabel.nonce, 256, 263, 267, 268] {
      #expect(try fault(label, nil) == .encoding(.missingClaim(label)))
    }
    let nonce = CBORValue.bytes([UInt8](repeating: 0, count: 8))
    #expect(try fault(10, .array([nonce, nonce])) == .encoding(.missingClaim(10)))
    for value in [nil, CBORValue.bytes([1]), .null] {
      #expect(try fault(-70_001, value) == .encoding(.invalidClaim(-70_001)))
      #expect(try fault(-70_002, value) == .encoding(.invalidClaim(-70_002)))
    }
    #expect(try fault(-70_002, .integer(5)) == .encoding(.invalidClaim(-70_002)))
    let measured = try #require(whole[273]?.array?.first)
    #expect(try fault(273, .array([measured, measured])) == .invalidMeasurement)
    #expect(
      try fault(273, .array([.array([.integer(258), .bytes([0x80])])])) == .invalidMeasurement
    )
    #expect(
      try fault(273, .array([.array([.integer(65_001), .bytes([0x80])])])) == .invalidMeasurement
    )
    #expect(
      try fault(273, .array([.array([.integer(65_001), .bytes([0x9F])])]))
        == .encoding(.indefiniteLength)
    )
    #expect(try fault(273, nil) == nil)
  }
}

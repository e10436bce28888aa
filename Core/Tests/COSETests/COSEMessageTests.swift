import ByteIO
import COSE
import Testing

@Suite("COSE_Sign1 and COSE_Mac0 (RFC 9052 §4, §6)")
struct COSEMessageTests {
  @Test("messages of others are read, and what is signed in them is what they signed")
  func vectors() throws {
    let rows = try Vectors.load("messages", as: Vectors.Message.self)
    #expect(rows.count >= 15)
    for row in rows {
      let bytes = hex(row.message)
      let algorithm = try #require(COSEAlgorithm(rawValue: row.algorithm))
      let message = try COSEMessage(
        bytes.span,
        kind: algorithm.kind,
        tagging: row.tagged ? .tagged : .untagged
      )
      #expect(message.headers.algorithm == algorithm)
      #expect(message.headers.keyIdentifier == row.keyIdentifier.map(hex))
      let payload = try message.verify(
        bytes.span,
        externalData: hex(row.external),
        detachedPayload: row.detached.map(hex)
      ) {
        #expect($0 == algorithm)
        #expect(Hex.encode($1) == row.authenticated, "\(row.source)")
        return Hex.encode($2) == row.authentication
      }
      #expect(Hex.encode(payload) == row.payload)
      if algorithm != .hmac256 {
        let curve: COSEKey.Curve =
          algorithm == .es256 ? .p256 : algorithm == .es384 ? .p384 : .ed25519
        #expect(COSEKey(curve, point: hex(row.point)) != nil)
      }
    }
  }

  @Test("what we write is, byte for byte, what others wrote")
  func writing() throws {
    for row in try Vectors.load("messages", as: Vectors.Message.self) {
      let algorithm = try #require(COSEAlgorithm(rawValue: row.algorithm))
      var unprotected = CBORMap()
      unprotected[COSEHeaderLabel.keyIdentifier] = row.keyIdentifier.map { .bytes(hex($0)) }
      let draft = try COSEDraft(
        algorithm: algorithm,
        unprotected: unprotected,
        payload: hex(row.payload),
        isDetached: row.detached != nil
      )
      #expect(
        Hex.encode(draft.authenticatedBytes(externalData: hex(row.external))) == row.authenticated
      )
      let whole = try draft.finished(
        with: hex(row.authentication),
        tagging: row.tagged ? .tagged : .untagged
      )
      #expect(Hex.encode(whole) == row.message, "\(row.source)")
    }
  }

  /// A message of these parts with a signature of zeros.
  static func message(
    protected: [UInt8],
    unprotected: [UInt8] = [0xA0],
    payload: [UInt8] = [0x41, 0x00],
    signature: Int = 64
  ) -> [UInt8] {
    var writer = CBORWriter()
    writer.byteString(protected)
    let head = writer.bytes
    writer = CBORWriter()
    writer.byteString([UInt8](repeating: 0, count: signature))
    return raw([0x84], head, unprotected, payload, writer.bytes)
  }

  static let headers: [(protected: String, unprotected: String, COSEFault)] = [
    ("", "a0", .missingAlgorithm), ("a0", "a0", .missingAlgorithm),
    ("a1 04 41 00", "a0", .missingAlgorithm), ("80", "a0", .unexpectedType),
    ("a1 01 6545533235 36", "a0", .invalidHeader(1)), ("a1 01 f6", "a0", .invalidHeader(1)),
    ("a1 01 24", "a0", .unsupportedAlgorithm(-5)), ("a1 01 05", "a0", .unsupportedAlgorithm(5)),
    ("a1 01 3823", "a0", .unsupportedAlgorithm(-36)), ("a1 01 26", "80", .unexpectedType),
    ("a1 01 26", "a1 01 26", .headerInBothBuckets), ("a0", "a1 01 26", .unprotectedHeader(1)),
    ("a1 01 26", "a1 02 81 01", .unprotectedHeader(2)),
    ("a2 01 26 04 41 00", "a1 04 41 00", .headerInBothBuckets),
    ("a2 01 26 02 80", "a0", .invalidHeader(2)), ("a2 01 26 02 01", "a0", .invalidHeader(2)),
    ("a2 01 26 02 81 40", "a0", .invalidHeader(2)), ("a2 01 26 02 81 04", "a0", .criticalHeader),
    ("a2 01 26 02 81 04", "a1 04 41 00", .criticalHeader),
    ("a3 01 26 02 81 19 0400 19 0400 00", "a0", .criticalHeader),
    ("a3 01 26 02 81 61 78 61 78 00", "a0", .criticalHeader),
    ("a2 01 26 03 40", "a0", .invalidHeader(3)),
    ("a2 01 26 03 1a 00010000", "a0", .invalidHeader(3)),
    ("a1 01 26", "a1 04 61 78", .invalidHeader(4)), ("a1 01 26", "a1 05 00", .invalidHeader(5)),
    ("a2 01 26 05 40", "a1 06 40", .invalidHeader(6)), ("a2 01 26 40 00", "a0", .unexpectedType),
    ("a2 01 26 01 26", "a0", .duplicateKey), ("a2 04 40 01 26", "a0", .keysOutOfOrder),
    ("a1 01 38 06", "a0", .notShortest), ("a1 01 26 00", "a0", .trailingBytes),
  ]

  @Test("headers that the document forbids, or that could be read in two ways, are refused")
  func headerRules() {
    for (protected, unprotected, fault) in Self.headers {
      let bytes = Self.message(protected: hex(protected), unprotected: hex(unprotected))
      #expect(throws: fault, "\(protected) \(unprotected)") {
        try COSEMessage(bytes.span, kind: .sign1, tagging: .untagged)
      }
    }
  }

  @Test("critical parameters are taken when the reader understands them")
  func critical() throws {
    let bytes = Self.message(protected: hex("a3 01 26 02 82 01 19 0400 19 0400 00"))
    let message = try COSEMessage(
      bytes.span,
      kind: .sign1,
      tagging: .untagged,
      understood: [.integer(1_024)]
    )
    #expect(message.headers[1_024] == .integer(0))
  }

  @Test("the frame of a message is exact")
  func frame() {
    let protected = hex("a1 01 26")
    func fault(
      _ bytes: [UInt8],
      _ kind: COSEKind = .sign1,
      _ tagging: COSETagging = .untagged
    ) -> COSEFault? {
      do {
        _ = try COSEMessage(bytes.span, kind: kind, tagging: tagging)
        return nil
      } catch { return error }
    }
    let whole = Self.message(protected: protected)
    #expect(fault(whole) == nil)
    #expect(fault(raw([0xD2], whole), .sign1, .tagged) == nil)
    #expect(fault(raw([0xD2], whole)) == .unexpectedTag)
    #expect(fault(whole, .sign1, .tagged) == .unexpectedTag)
    #expect(fault(raw([0xD1], whole), .sign1, .tagged) == .unexpectedTag)
    #expect(fault(raw([0xD2, 0xD2], whole), .sign1, .tagged) == .unexpectedType)
    #expect(fault(whole, .mac0) == .unsupportedAlgorithm(-7))
    #expect(fault(raw(whole, [0])) == .trailingBytes)
    #expect(fault(Self.message(protected: protected, signature: 63)) == .authenticationLength(63))
    #expect(fault(Self.message(protected: protected, signature: 0)) == .authenticationLength(0))
    #expect(fault(Self.message(protected: protected, payload: [0x61, 0x61])) == .unexpectedType)
    #expect(fault([0x83, 0x40, 0xA0, 0xF6]) == .unexpectedType)
    for count in 0..<whole.count {
      #expect(fault([UInt8](whole.prefix(count))) != nil, "\(count)")
    }
  }

  @Test("a payload is in the message or beside it, never both and never neither")
  func payload() throws {
    let inside = Self.message(protected: hex("a1 01 26"))
    let beside = Self.message(protected: hex("a1 01 26"), payload: [0xF6])
    let (first, second) = (
      try COSEMessage(inside.span, kind: .sign1, tagging: .untagged),
      try COSEMessage(beside.span, kind: .sign1, tagging: .untagged)
    )
    #expect(throws: COSEFault.payloadMismatch) {
      try first.verify(inside.span, detachedPayload: [1]) { _, _, _ in true }
    }
    #expect(throws: COSEFault.payloadMismatch) {
      try second.verify(beside.span) { _, _, _ in true }
    }
    #expect(try second.verify(beside.span, detachedPayload: [7]) { _, _, _ in true } == [7])
    #expect(throws: COSEFault.authenticationFailed) {
      try first.verify(inside.span) { _, _, _ in false }
    }
    #expect(throws: COSEFault.truncated) { try first.authenticatedBytes(in: [0].span) }
  }

  @Test("a draft keeps to the same rules")
  func drafts() throws {
    var wrong = CBORMap()
    wrong[COSEHeaderLabel.keyIdentifier] = .text("k")
    #expect(throws: COSEFault.invalidHeader(4)) {
      try COSEDraft(algorithm: .es256, unprotected: wrong, payload: [])
    }
    let draft = try COSEDraft(algorithm: .es384, payload: [1])
    #expect(throws: COSEFault.authenticationLength(64)) {
      try draft.finished(with: [UInt8](repeating: 0, count: 64), tagging: .tagged)
    }
  }

  @Test("changed messages are refused or are written again as they came")
  func mutation() throws {
    let originals = try Vectors.load("messages", as: Vectors.Message.self).filter(\.tagged)
    var generator = SeededGenerator(seed: 9_052)
    for round in 0..<20_000 {
      let changed = mutated(hex(originals[round % originals.count].message), using: &generator)
      for kind in [COSEKind.sign1, .mac0] {
        guard let message = try? COSEMessage(changed.span, kind: kind, tagging: .tagged) else {
          continue
        }
        let draft = try COSEDraft(
          algorithm: message.headers.algorithm,
          protected: message.headers.protected,
          unprotected: message.headers.unprotected,
          payload: message.payloadRange.map { [UInt8](changed[$0]) } ?? [],
          isDetached: message.payloadRange == nil
        )
        let again = try draft.finished(
          with: [UInt8](changed[message.authenticationRange]),
          tagging: .tagged
        )
        guard again == changed else {
          Issue.record("round \(round): \(Hex.encode(changed))")
          return
        }
      }
    }
  }
}

@Suite("COSE_Key (RFC 9052 §7, RFC 9053 §7)")
struct COSEKeyTests {
  @Test("a key comes back from its encoding", arguments: [COSEKey.Curve.p256, .p384, .ed25519])
  func roundTrip(curve: COSEKey.Curve) throws {
    let count = curve == .ed25519 ? 32 : 2 * curve.coordinateByteCount
    let point = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let key = try #require(COSEKey(curve, point: point))
    #expect(try COSEKey(try CBORValue(key.value.encoded.span)) == key)
    #expect(COSEKey(curve, point: point + [0]) == nil)
    #expect(COSEKey(curve, point: []) == nil)
  }

  @Test("what is no public key for checking signatures is refused")
  func refusals() throws {
    let key = try #require(COSEKey(.p256, point: [UInt8](repeating: 7, count: 64)))
    let whole = try #require(key.value.map)
    let changes: [(Int64, CBORValue?)] = [
      (1, .integer(1)), (1, nil), (1, .text("EC2")), (3, .integer(-35)), (3, .text("ES256")),
      (4, .array([])), (4, .array([.integer(1)])), (4, .integer(2)), (-1, .integer(2)),
      (-1, .integer(8)), (-1, nil), (-2, .bytes([1])), (-2, nil), (-3, .boolean(true)), (-3, nil),
      (-3, .bytes([UInt8](repeating: 1, count: 31))), (-4, .bytes([1])),
    ]
    for (label, value) in changes {
      var map = whole
      map[label] = value
      #expect(throws: COSEFault.invalidKey, "\(label)") { try COSEKey(.map(map)) }
    }
    #expect(throws: COSEFault.invalidKey) { try COSEKey(.null) }
    var short = whole
    short[3] = nil
    short[4] = nil
    #expect(try COSEKey(.map(short)) == key)
  }
}

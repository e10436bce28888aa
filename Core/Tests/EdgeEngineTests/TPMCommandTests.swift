import ByteIO
import EdgeEngine
import Testing

@Suite("Commands for a chip (TPM 2.0 Library, Part 3)")
struct TPMCommandTests {
  private static func hex(_ text: String) -> [UInt8] { Hex.decode(text.filter { $0 != " " }) ?? [] }

  @Test("commands have the bytes of the specification")
  func bytes() {
    let rows: [(TPMCommand, String)] = [
      (.readPublic(0x8101_0001), "8001 0000000e 00000173 81010001"),
      (.flush(0x8000_0000), "8001 0000000e 00000165 80000000"),
      (
        .startPolicy(nonce: [1, 2]),
        "8001 0000001d 00000176 40000007 40000007 0002 0102 0000 01 0010 000b"
      ),
      (
        .policySecret(session: 0x0300_0000, authorization: [0x70]),
        "8002 0000002a 00000151 4000000b 03000000 0000000a 40000009 0000 01 0001 70"
          + "0000 0000 0000 00000000"
      ),
      (
        .persist(0x8000_0001, at: 0x8100_0001, authorization: []),
        "8002 00000023 00000120 40000001 80000001 00000009 40000009 0000 01 0000 81000001"
      ),
      (
        .activate(1, key: 2, session: 3, credential: [0xAA], secret: [0xBB, 0xCC]),
        "8002 0000002f 00000147 00000001 00000002 00000012"
          + "40000009 0000 01 0000 00000003 0000 00 0000 0001 aa 0002 bbcc"
      ),
      (
        .hmac([0x61], key: 0x8000_0000),
        "8002 00000020 00000155 80000000 00000009 40000009 0000 01 0000 0001 61 000b"
      ),
    ]
    for (command, expected) in rows { #expect(command.bytes == Self.hex(expected), "\(expected)") }
  }

  @Test("answers are read: handles first, then sized values")
  func answers() throws {
    let loaded = try TPMAnswer(
      Self.hex("8002 0000001b 00000000 80000001 00000004 0002 abcd 00 0001 0000").span,
      to: .load(under: 1, privatePart: [], publicArea: [])
    )
    #expect(loaded.handles == [0x8000_0001])
    #expect(loaded.sized == [[0xAB, 0xCD]], "what stands behind the parameters is no parameter")
    let key = try TPMAnswer(Self.hex("8001 0000000e 00000000 0002 0102").span, to: .readPublic(1))
    #expect(key.sized == [[1, 2]])
  }

  @Test(
    "what is no answer is refused",
    arguments: [
      "", "8001", "8001 0000000b 00000000", "8001 00000009 0000", "8001 0000000a 000000",
      "8002 0000000c 00000000 0000", "8002 0000000e 00000000 000000ff",
    ]
  )
  func malformed(text: String) {
    #expect(throws: TPMAnswer.Fault.malformed) {
      try TPMAnswer(Self.hex(text).span, to: .hmac([], key: 1))
    }
  }

  @Test("a refusal is told, and whether it is for want of the object")
  func refusals() {
    for (code, isMissing) in [(0x18B, true), (0x28B, true), (0x98E, false), (0x101, false)] {
      let text = "8001 0000000a 0000" + String(code + 0x10000, radix: 16).dropFirst()
      #expect(throws: TPMAnswer.Fault.refused(UInt32(code))) {
        try TPMAnswer(Self.hex(text).span, to: .readPublic(1))
      }
      #expect(TPMAnswer.Fault.refused(UInt32(code)).isMissing == isMissing)
    }
    let heads = ["8001 00001001 00000000", "8001 00000009 00000000", "8001 0000000a 00000000"]
    let sizes = heads.map { TPMAnswer.byteCount(Self.hex($0).span) }
    #expect(sizes == [nil, nil, 10])
  }

  @Test("a key's package has five parts, and any cut of it is refused")
  func package() throws {
    let bytes = Self.hex("0001 01 0002 0202 0001 03 0001 04 0003 050505 0000")
    let read = TPMKeyPackage(bytes.span)
    let package = try #require(read)
    #expect(package.credential == [1] && package.credentialSeed == [2, 2])
    #expect(package.object == [3] && package.objectSeed == [4])
    #expect(package.publicArea == [5, 5, 5])
    for count in 0..<(bytes.count - 2) {
      let cut = TPMKeyPackage(bytes.span.extracting(0..<count))
      #expect(cut == nil, "\(count) bytes")
    }
    for wrong in [[UInt8](repeating: 0, count: 20), [UInt8](repeating: 1, count: 5_000)] {
      let none = TPMKeyPackage(wrong.span)
      #expect(none == nil)
    }
  }
}

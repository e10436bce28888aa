import ByteIO
import Testing

@Suite("UTF-8 check (RFC 3629)")
struct UTF8CheckTests {
  private func agree(_ bytes: [UInt8]) -> Bool {
    UTF8Check.isValid(bytes.span) == (String(validating: bytes, as: UTF8.self) != nil)
  }

  @Test("the edges of every length are told apart")
  func edges() {
    let rows: [([UInt8], Bool)] = [
      ([], true), ([0x00], true), ([0x7F], true), ([0x80], false), ([0xBF], false),
      ([0xC1, 0xBF], false), ([0xC2, 0x80], true), ([0xC2], false), ([0xC2, 0x7F], false),
      ([0xC2, 0xC0], false), ([0xE0, 0x9F, 0xBF], false), ([0xE0, 0xA0, 0x80], true),
      ([0xE0, 0xA0], false), ([0xE1, 0x80, 0xC0], false), ([0xED, 0x9F, 0xBF], true),
      ([0xED, 0xA0, 0x80], false), ([0xEE, 0x80, 0x80], true), ([0xEF, 0xBF, 0xBF], true),
      ([0xF0, 0x8F, 0xBF, 0xBF], false), ([0xF0, 0x90, 0x80, 0x80], true),
      ([0xF4, 0x8F, 0xBF, 0xBF], true), ([0xF4, 0x90, 0x80, 0x80], false),
      ([0xF1, 0x80, 0x80], false), ([0xF5, 0x80, 0x80, 0x80], false), ([0xFF], false),
    ]
    for (bytes, valid) in rows {
      #expect(UTF8Check.isValid(bytes.span) == valid, "\(bytes)")
      #expect(agree(bytes), "\(bytes)")
    }
  }

  @Test("random bytes get the standard library's answer")
  func standardLibrary() {
    // Bytes near the edges of the tables, so that most sequences are almost right.
    let palette: [UInt8] = [
      0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
      0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
    ]
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<50_000 {
      let length = Int.random(in: 0...6, using: &generator)
      let bytes = (0..<length).map { _ in palette.randomElement(using: &generator) ?? 0 }
      if !agree(bytes) { Issue.record("disagreement about \(bytes)") }
    }
  }
}

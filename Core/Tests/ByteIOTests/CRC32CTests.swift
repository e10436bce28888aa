import ByteIO
import Testing

@Suite("CRC-32C (RFC 3720 §12.1)")
struct CRC32CTests {
  private let crc = CRC32C()

  @Test("the published vectors come out (RFC 3720 appendix B.4)")
  func vectors() {
    let scsiRead: [UInt8] =
      [0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0]
      + [0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    let rows: [([UInt8], UInt32)] = [
      ([], 0),
      ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
      ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
      ([UInt8](0..<32), 0x46DD_794E),
      ((0..<32).reversed(), 0x113F_DB5C),
      (scsiRead, 0xD996_3A56),
      (Array("123456789".utf8), 0xE306_9283),
    ]
    for (bytes, expected) in rows { #expect(crc.checksum(bytes.span) == expected) }
  }

  @Test("every length agrees with the bit-by-bit definition")
  func definition() {
    var generator = SeededGenerator(seed: 1)
    for length in 0..<67 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
      var expected = UInt32.max
      for byte in bytes {
        expected ^= UInt32(byte)
        for _ in 0..<8 {
          expected = expected >> 1 ^ (expected & 1 == 1 ? 0x82F6_3B78 : 0)
        }
      }
      #expect(crc.checksum(bytes.span) == ~expected, "\(length) bytes")
    }
  }

  @Test("parts one after another give the checksum of the whole")
  func continuation() {
    let bytes = [UInt8](0..<100)
    let whole = crc.checksum(bytes.span)
    for cut in 0...100 {
      let first = crc.checksum(bytes.span.extracting(0..<cut))
      #expect(crc.checksum(bytes.span.extracting(cut..<100), continuing: first) == whole)
    }
  }
}

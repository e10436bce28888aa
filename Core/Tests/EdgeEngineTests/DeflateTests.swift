import ByteIO
import EdgeEngine
import Testing

@Suite("gzip (RFC 1951, RFC 1952)")
struct DeflateTests {
  /// Undoes a block with fixed codes, written from the standard alone.
  private struct Inflater {
    let bytes: [UInt8]
    var position = 0

    mutating func bit() -> Int {
      defer { position += 1 }
      guard position / 8 < bytes.count else { return 0 }
      return Int(bytes[position / 8]) >> (position % 8) & 1
    }

    mutating func number(_ width: Int) -> Int {
      (0..<width).reduce(0) { sum, index in sum | bit() << index }
    }

    mutating func code(_ width: Int) -> Int { (0..<width).reduce(0) { sum, _ in sum << 1 | bit() } }

    mutating func symbol() -> Int {
      let seven = code(7)
      if seven <= 0b001_0111 { return 256 + seven }
      let eight = seven << 1 | bit()
      if (0x30...0xBF).contains(eight) { return eight - 0x30 }
      if (0xC0...0xC7).contains(eight) { return 280 + eight - 0xC0 }
      return 144 + (eight << 1 | bit()) - 0x190
    }

    static let lengths = [
      3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
      163, 195, 227, 258,
    ]
    static let distances = [
      1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
      2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ]

    mutating func inflate() -> [UInt8]? {
      guard number(1) == 1, number(2) == 1 else { return nil }
      var out: [UInt8] = []
      while true {
        let symbol = symbol()
        if symbol < 256 {
          out.append(UInt8(symbol))
          continue
        }
        if symbol == 256 { return out }
        guard symbol <= 285 else { return nil }
        let extra = symbol < 265 || symbol == 285 ? 0 : (symbol - 261) / 4
        let length = Self.lengths[symbol - 257] + number(extra)
        let code = code(5)
        guard code < 30 else { return nil }
        let distance = Self.distances[code] + number(code < 4 ? 0 : (code - 2) / 2)
        guard distance <= out.count else { return nil }
        for _ in 0..<length { out.append(out[out.count - distance]) }
      }
    }
  }

  private static let samples: [[UInt8]] = {
    var generator = SeededGenerator(seed: 7)
    let noise = (0..<70_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let log = Array(String(repeating: "<6> 2026-01-02 a line of a log\n", count: 3_000).utf8)
    return [
      [], [0], [255, 254, 144, 143], Array(repeating: 7, count: 1_000), Array("abcabcabc".utf8),
      noise,
      log, Array(noise.prefix(40_000)) + noise.prefix(40_000), (0..<5_000).map { UInt8($0 % 251) },
    ]
  }()

  @Test("what was compressed comes back, whatever it was")
  func roundTrip() {
    for sample in Self.samples {
      let file = Deflate.gzip(sample)
      #expect(file.prefix(3) == [0x1F, 0x8B, 8])
      var inflater = Inflater(bytes: Array(file.dropFirst(10).dropLast(8)))
      #expect(inflater.inflate() == sample)
      let count = file.suffix(4).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      #expect(count == sample.count)
    }
  }

  @Test("the checksum is the one of the standard")
  func checksum() {
    let file = Deflate.gzip(Array("123456789".utf8))
    #expect(file.suffix(8).prefix(4) == [0x26, 0x39, 0xF4, 0xCB])
  }

  @Test("a log becomes much smaller")
  func ratio() {
    let log = Array(String(repeating: "<6> 2026-01-02 a line of a log\n", count: 3_000).utf8)
    #expect(Deflate.gzip(log).count < log.count / 20)
  }
}

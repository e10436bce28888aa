/// Compresses bytes (RFC 1951) with the fixed codes, which is enough for logs; and as gzip
/// (RFC 1952).
public enum Deflate {
  /// The bytes as a file of gzip.
  public static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    // No name and no time: the same bytes give the same file.
    [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255] + compress(bytes) + little(checksum(bytes), 4)
      + little(UInt32(truncatingIfNeeded: bytes.count), 4)
  }

  /// CRC-32 as gzip and ZIP use it.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var crc = ~UInt32(0)
    for byte in bytes { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    return ~crc
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ crc >> 1 : crc >> 1 }
  }

  /// The `count` lowest bytes of a number, lowest first.
  static func little(_ value: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }

  // MARK: RFC 1951

  private static let window = 32_768
  private static let longestMatch = 258
  private static let hashBits = 15

  static func compress(_ bytes: [UInt8]) -> [UInt8] {
    var bits = Bits()
    // The one and only block, with fixed codes.
    bits.put(0b011, 3)
    var last = [Int](repeating: -1, count: 1 << hashBits)
    var position = 0
    while position < bytes.count {
      var match = (length: 0, distance: 0)
      if position + 3 <= bytes.count {
        let key = hash(bytes, position)
        let candidate = last[key]
        last[key] = position
        if candidate >= 0, position - candidate <= window {
          match = (length(bytes, candidate, position), position - candidate)
        }
      }
      if match.length >= 3 {
        bits.putLength(match.length)
        bits.putDistance(match.distance)
        // Where a long match begins again is found without all of its places.
        for inner in stride(from: position + 1, to: position + match.length, by: 2)
        where inner + 3 <= bytes.count { last[hash(bytes, inner)] = inner }
        position += match.length
      } else {
        bits.putSymbol(Int(bytes[position]))
        position += 1
      }
    }
    bits.putSymbol(256)
    return bits.finished()
  }

  private static func hash(_ bytes: [UInt8], _ position: Int) -> Int {
    let value =
      UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8 | UInt32(bytes[position + 2]) << 16
    return Int((value &* 2_654_435_761) >> UInt32(32 - hashBits))
  }

  private static func length(_ bytes: [UInt8], _ candidate: Int, _ position: Int) -> Int {
    let limit = min(longestMatch, bytes.count - position)
    var length = 0
    while length < limit, bytes[candidate + length] == bytes[position + length] { length += 1 }
    return length
  }

  /// Bits, the first ones lowest in their byte.
  private struct Bits {
    private var bytes: [UInt8] = []
    private var rest: UInt64 = 0
    private var count: UInt64 = 0

    mutating func put(_ value: UInt64, _ width: UInt64) {
      rest |= value << count
      count += width
      while count >= 8 {
        bytes.append(UInt8(truncatingIfNeeded: rest))
        rest >>= 8
        count -= 8
      }
    }

    /// A Huffman code, which goes highest bit first.
    private mutating func putCode(_ code: Int, _ width: Int) {
      var reversed: UInt64 = 0
      for bit in 0..<width where code >> bit & 1 == 1 { reversed |= 1 << UInt64(width - 1 - bit) }
      put(reversed, UInt64(width))
    }

    /// RFC 1951 §3.2.6.
    mutating func putSymbol(_ symbol: Int) {
      switch symbol {
      case 0..<144: putCode(0x30 + symbol, 8)
      case 144..<256: putCode(0x190 + symbol - 144, 9)
      case 256..<280: putCode(symbol - 256, 7)
      default: putCode(0xC0 + symbol - 280, 8)
      }
    }

    /// RFC 1951 §3.2.5: codes double their range every four.
    mutating func putLength(_ length: Int) {
      if length == 258 { return putSymbol(285) }
      let value = length - 3
      guard value >= 8 else { return putSymbol(257 + value) }
      let extra = Int.bitWidth - 1 - value.leadingZeroBitCount - 2
      putSymbol(257 + 4 * extra + value >> extra)
      put(UInt64(value & ((1 << extra) - 1)), UInt64(extra))
    }

    /// RFC 1951 §3.2.5: codes double their range every two.
    mutating func putDistance(_ distance: Int) {
      let value = distance - 1
      guard value >= 4 else { return putCode(value, 5) }
      let extra = Int.bitWidth - 1 - value.leadingZeroBitCount - 1
      putCode(2 * extra + value >> extra, 5)
      put(UInt64(value & ((1 << extra) - 1)), UInt64(extra))
    }

    mutating func finished() -> [UInt8] {
      if count > 0 { put(0, 8 - count) }
      return bytes
    }
  }
}

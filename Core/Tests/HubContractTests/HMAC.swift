import ByteIO
import Testing

/// SHA-256 and HMAC for tests alone (FIPS 180-4, RFC 2104): products get theirs from a library.
enum TestHMAC {
  private static let constants: [UInt32] = primes(64).map { rootFraction($0, power: 3) }
  private static let start: [UInt32] = primes(8).map { rootFraction($0, power: 2) }

  static func sha256(_ message: [UInt8]) -> [UInt8] {
    var data = message + [0x80]
    while data.count % 64 != 56 { data.append(0) }
    var length = ByteWriter()
    length.uint64(UInt64(message.count) * 8)
    data += length.bytes
    var state = start
    for block in stride(from: 0, to: data.count, by: 64) {
      var words = (0..<16).map { word in
        data[block + word * 4..<block + word * 4 + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      }
      for t in 16..<64 {
        let low = rotate(words[t - 15], 7) ^ rotate(words[t - 15], 18) ^ words[t - 15] >> 3
        let high = rotate(words[t - 2], 17) ^ rotate(words[t - 2], 19) ^ words[t - 2] >> 10
        words.append(words[t - 16] &+ low &+ words[t - 7] &+ high)
      }
      var s = state
      for t in 0..<64 {
        let sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)
        let choice = s[4] & s[5] ^ ~s[4] & s[6]
        let first = s[7] &+ sum1 &+ choice &+ constants[t] &+ words[t]
        let sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)
        let majority = s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]
        s = [first &+ sum0 &+ majority, s[0], s[1], s[2], s[3] &+ first, s[4], s[5], s[6]]
      }
      for index in 0..<8 { state[index] &+= s[index] }
    }
    var out = ByteWriter()
    for word in state { out.uint32(word) }
    return out.bytes
  }

  static func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var block = key.count > 64 ? sha256(key) : key
    block += [UInt8](repeating: 0, count: 64 - block.count)
    return sha256(block.map { $0 ^ 0x5C } + sha256(block.map { $0 ^ 0x36 } + message))
  }

  private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value >> count | value << (32 - count)
  }

  private static func primes(_ count: Int) -> [Int] {
    var found: [Int] = []
    var candidate = 2
    while found.count < count {
      if found.allSatisfy({ candidate % $0 != 0 }) { found.append(candidate) }
      candidate += 1
    }
    return found
  }

  // First 32 bits of the fraction of a root, found by bisection in integers of 32.32 bits.
  private static func rootFraction(_ prime: Int, power: Int) -> UInt32 {
    var low: UInt64 = 0
    var high: UInt64 = 32 << 32
    while high - low > 1 {
      let middle = (low + high) / 2
      if isAtMost(middle, power: power, UInt64(prime)) { low = middle } else { high = middle }
    }
    return UInt32(truncatingIfNeeded: low)
  }

  private static func isAtMost(_ value: UInt64, power: Int, _ prime: UInt64) -> Bool {
    let square = UInt128(value) * UInt128(value)
    return power == 2
      ? square <= UInt128(prime) << 64 : square * UInt128(value) <= UInt128(prime) << 96
  }
}

@Suite("HMAC-SHA-256 of the tests (RFC 4231)")
struct TestHMACTests {
  @Test("known answers")
  func knownAnswers() {
    #expect(
      Hex.encode(TestHMAC.sha256([UInt8]("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    #expect(
      Hex.encode(
        TestHMAC.hmac([UInt8]("Jefe".utf8), [UInt8]("what do ya want for nothing?".utf8))
      ) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
  }
}

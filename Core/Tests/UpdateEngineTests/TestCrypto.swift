import ByteIO
import Simulation
import UpdateEngine

/// Signatures and hashes that hold in tests and prove nothing outside: a signature is a checksum of the
/// public value and the message.
struct TestCrypto: TUFCrypto {
  func isSigned(_ message: [UInt8], by key: TUFKey, _ signature: [UInt8]) -> Bool {
    signature == Self.signature(key, message)
  }

  func digest(_ bytes: [UInt8], _ hash: TUFHash) -> [UInt8] {
    let sum = Self.sum(bytes)
    return hash == .sha256 ? sum + sum : sum + sum + sum + sum
  }

  static func signature(_ key: TUFKey, _ message: [UInt8]) -> [UInt8] {
    sum(Array(key.value.utf8) + message)
  }

  private static func sum(_ bytes: [UInt8]) -> [UInt8] {
    var digest = SimDigest()
    digest.update(bytes.span)
    return digest.finish()
  }
}

/// SHA-256 for tests alone (FIPS 180-4): products get theirs from a library.
enum TestSHA256 {
  private static let constants: [UInt32] = primes(64).map { root($0, 3) }
  private static let start: [UInt32] = primes(8).map { root($0, 2) }

  static func digest(_ message: [UInt8]) -> [UInt8] {
    var data = ByteWriter(capacity: message.count + 72)
    data.append(message)
    data.uint8(0x80)
    while data.count % 64 != 56 { data.uint8(0) }
    data.uint64(UInt64(message.count) * 8)
    var state = start
    var words = [UInt32](repeating: 0, count: 64)
    let bytes = data.bytes.span
    for block in stride(from: 0, to: bytes.count, by: 64) {
      for word in 0..<16 {
        words[word] =
          UInt32(bytes.uint16(at: block + 4 * word) ?? 0) << 16
          | UInt32(bytes.uint16(at: block + 4 * word + 2) ?? 0)
      }
      for t in 16..<64 {
        let (late, early) = (words[t - 2], words[t - 15])
        let high = turn(late, 17) ^ turn(late, 19) ^ late >> 10
        let low = turn(early, 7) ^ turn(early, 18) ^ early >> 3
        words[t] = words[t - 16] &+ low &+ words[t - 7] &+ high
      }
      mix(words, &state)
    }
    var out = ByteWriter(capacity: 32)
    for word in state { out.uint32(word) }
    return out.bytes
  }

  private static func mix(_ words: [UInt32], _ state: inout [UInt32]) {
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for t in 0..<64 {
      let choice = e & f ^ ~e & g
      let first =
        h &+ (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) &+ choice &+ constants[t] &+ words[t]
      let majority = a & b ^ a & c ^ b & c
      let second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) &+ majority
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
    }
    for (index, value) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= value }
  }

  private static func turn(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value >> count | value << (32 - count)
  }

  private static func primes(_ count: Int) -> [UInt64] {
    var found: [UInt64] = []
    var candidate: UInt64 = 2
    while found.count < count {
      if found.allSatisfy({ candidate % $0 != 0 }) { found.append(candidate) }
      candidate += 1
    }
    return found
  }

  // The first 32 bits of the fraction of a root, by bisection.
  private static func root(_ prime: UInt64, _ power: Int) -> UInt32 {
    var (low, high): (UInt64, UInt64) = (0, 32 << 32)
    while high - low > 1 {
      let middle = (low + high) / 2
      let square = UInt128(middle) * UInt128(middle)
      let isBelow =
        power == 2
        ? square <= UInt128(prime) << 64 : square * UInt128(middle) <= UInt128(prime) << 96
      if isBelow { low = middle } else { high = middle }
    }
    return UInt32(truncatingIfNeeded: low)
  }
}

import Crypto

/// RSA encryption with OAEP, SHA-256 and a label (RFC 8017 §7.1.1), which is how secrets reach a chip.
///
/// swift-crypto encrypts with OAEP too, but takes no label, and has no RSA without padding either. So the
/// one exponentiation with the public exponent is done here. It needs no care for its time: what is
/// encrypted is padded with fresh random bytes and never used again.
enum LabelledOAEP {
  private static let digestBytes = 32

  /// The message as only the key's owner reads it; nil if it is longer than the key takes.
  ///
  /// The modulus is odd, its highest bit set, and a multiple of 64 bits long.
  static func encrypt(
    _ message: [UInt8],
    label: [UInt8],
    modulus: [UInt8],
    exponent: UInt32
  ) -> [UInt8]? {
    let count = modulus.count
    guard count % 8 == 0, message.count + 2 * digestBytes + 2 <= count else { return nil }
    var block = Hashing.sha256(label)
    block += [UInt8](repeating: 0, count: count - message.count - 2 * digestBytes - 2)
    block += [1] + message
    var seed = Entropy.bytes(digestBytes)
    block = zip(block, mask(seed, block.count)).map { $0 ^ $1 }
    seed = zip(seed, mask(block, digestBytes)).map { $0 ^ $1 }
    return Modulus(modulus).power([0] + seed + block, exponent)
  }

  /// MGF1 with SHA-256 (RFC 8017 §B.2.1).
  private static func mask(_ seed: [UInt8], _ count: Int) -> [UInt8] {
    var mask: [UInt8] = []
    var counter: UInt32 = 0
    while mask.count < count {
      mask += Hashing.sha256(seed + bigEndian(counter))
      counter += 1
    }
    return Array(mask.prefix(count))
  }

  static func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
  }
}

/// Arithmetic modulo an odd number whose highest bit is set, by Montgomery's method.
private struct Modulus {
  /// The number in 64-bit words, the lowest first.
  private let words: [UInt64]
  /// −1/n modulo 2^64.
  private let inverse: UInt64

  init(_ bytes: [UInt8]) {
    words = Self.words(bytes)
    // Newton's method doubles the bits that are right with each step; n itself has three.
    let n = words.first ?? 1
    var inverse = n
    for _ in 0..<5 { inverse = inverse &* (2 &- n &* inverse) }
    self.inverse = 0 &- inverse
  }

  /// base^exponent, as bytes of the modulus' length; the base is less than the modulus.
  func power(_ base: [UInt8], _ exponent: UInt32) -> [UInt8] {
    let base = multiplied(Self.words(base), square)
    var result = base
    for bit in (0..<(31 - exponent.leadingZeroBitCount)).reversed() {
      result = multiplied(result, result)
      if exponent >> UInt32(bit) & 1 == 1 { result = multiplied(result, base) }
    }
    var one = [UInt64](repeating: 0, count: words.count)
    one[0] = 1
    return multiplied(result, one).reversed().flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }
  }

  /// R² modulo n, where R is 2^(bits of n): R − n doubled as often as n has bits.
  private var square: [UInt64] {
    var value = words.map { ~$0 }
    for index in value.indices {
      value[index] &+= 1
      if value[index] != 0 { break }
    }
    for _ in 0..<(64 * words.count) {
      var carry: UInt64 = 0
      for index in value.indices {
        let word = value[index]
        value[index] = word << 1 | carry
        carry = word >> 63
      }
      if carry == 1 || !isLess(value) { subtract(from: &value) }
    }
    return value
  }

  /// a × b ÷ R modulo n.
  private func multiplied(_ a: [UInt64], _ b: [UInt64]) -> [UInt64] {
    let count = words.count
    var sum = [UInt64](repeating: 0, count: count + 2)
    for factor in a {
      add(b, times: factor, to: &sum)
      add(words, times: sum[0] &* inverse, to: &sum)
      // The lowest word is zero now.
      for index in 0..<(count + 1) { sum[index] = sum[index + 1] }
      sum[count + 1] = 0
    }
    var result = Array(sum[..<count])
    if sum[count] != 0 || !isLess(result) { subtract(from: &result) }
    return result
  }

  private func add(_ words: [UInt64], times factor: UInt64, to sum: inout [UInt64]) {
    var carry: UInt64 = 0
    for (index, word) in words.enumerated() {
      let (high, low) = word.multipliedFullWidth(by: factor)
      let (first, overflow) = low.addingReportingOverflow(sum[index])
      let (second, another) = first.addingReportingOverflow(carry)
      sum[index] = second
      // high is at most 2^64 − 2 where both overflow, so it never overflows itself.
      carry = high &+ (overflow ? 1 : 0) &+ (another ? 1 : 0)
    }
    let (last, overflow) = sum[words.count].addingReportingOverflow(carry)
    sum[words.count] = last
    if overflow { sum[words.count + 1] &+= 1 }
  }

  private func isLess(_ value: [UInt64]) -> Bool {
    for (mine, other) in zip(words.reversed(), value.reversed()) where mine != other {
      return other < mine
    }
    return false
  }

  private func subtract(from value: inout [UInt64]) {
    var borrow = false
    for (index, word) in words.enumerated() {
      let (first, underflow) = value[index].subtractingReportingOverflow(word)
      let (second, another) = first.subtractingReportingOverflow(borrow ? 1 : 0)
      value[index] = second
      borrow = underflow || another
    }
  }

  private static func words(_ bytes: [UInt8]) -> [UInt64] {
    stride(from: bytes.count, to: 0, by: -8).map { end in
      bytes[max(0, end - 8)..<end].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
  }
}

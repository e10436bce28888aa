/// Reading of unsigned decimal numbers to the nearest double: digits, a fraction, an exponent.
///
/// What people and sensors write, up to 19 digits and a power of ten within 27, is rounded with
/// integer arithmetic (40 ns); the standard library's reader, which takes the rest, is many times
/// slower.
package enum DecimalText {
  /// What a text spells: `significand` times ten to the power of `exponent`.
  package struct Parts: Equatable, Sendable {
    /// The first 19 significant digits.
    package var significand: UInt64 = 0
    /// Power of ten, held within a million.
    package var exponent = 0
    /// Whether there is neither fraction nor exponent.
    package var isInteger = true
    /// Whether digits other than 0 follow the significand.
    package var isTruncated = false
  }

  private static let largestExponent = 1_000_000
  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]
  /// Up to 5 to the power of 27, the largest that 64 bits hold.
  private static let powersOfFive: [UInt64] = (0...27).map { exponent in
    (0..<exponent).reduce(1) { power, _ in power * 5 }
  }

  /// The parts of the number that all of `text` spells, nil if it spells none.
  package static func parts(_ text: Span<UInt8>) -> Parts? {
    var parts = Parts()
    var index = 0
    var digits = 0
    var significant = 0
    var point: Int?
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "."), point == nil {
        point = index
        parts.isInteger = false
      } else {
        let digit = byte &- 0x30
        guard digit <= 9 else { break }
        digits += 1
        if significant < 19 {
          parts.significand = parts.significand &* 10 &+ UInt64(digit)
          if parts.significand != 0 { significant += 1 }
          if point != nil { parts.exponent -= 1 }
        } else {
          if digit != 0 { parts.isTruncated = true }
          if point == nil { parts.exponent += 1 }
        }
      }
      index += 1
    }
    // A point has to have a digit behind it.
    guard digits > 0, point != index - 1 else { return nil }
    guard index < text.count else { return parts }
    guard text[index] | 0x20 == UInt8(ascii: "e") else { return nil }
    parts.isInteger = false
    index += 1
    let isNegative = index < text.count && text[index] == UInt8(ascii: "-")
    if isNegative || (index < text.count && text[index] == UInt8(ascii: "+")) { index += 1 }
    guard index < text.count else { return nil }
    var exponent = 0
    while index < text.count {
      let digit = text[index] &- 0x30
      guard digit <= 9 else { return nil }
      exponent = min(exponent * 10 + Int(digit), largestExponent)
      index += 1
    }
    parts.exponent += isNegative ? -exponent : exponent
    return parts
  }

  /// The number that all of `text` spells as the nearest double, infinite beyond its range; nil if it
  /// spells none.
  package static func double(_ text: Span<UInt8>) -> Double? {
    guard let parts = parts(text) else { return nil }
    return double(parts, of: text)
  }

  /// The nearest double to what `parts` were read from `text`, infinite beyond its range.
  package static func double(_ parts: Parts, of text: Span<UInt8>) -> Double {
    let significand = parts.significand
    let exponent = parts.exponent
    if significand == 0 { return 0 }
    if !parts.isTruncated {
      if exponent == 0 { return Double(significand) }
      // Both are exact as doubles, so that one rounding is all there is (Clinger's fast path).
      if significand <= 1 << 53, exponent.magnitude < powersOfTen.count {
        let power = powersOfTen[Int(exponent.magnitude)]
        return exponent < 0 ? Double(significand) / power : Double(significand) * power
      }
    }
    if exponent.magnitude < powersOfFive.count {
      let rounded = round(significand, exponent)
      // The digits that are missing lie between this and the next significand.
      if !parts.isTruncated || rounded == round(significand + 1, exponent) { return rounded }
    }
    let copy = unsafe text.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    return Double(copy) ?? .infinity
  }

  /// `significand`, not 0, times ten to the power of `exponent`, rounded to nearest, ties to even.
  ///
  /// The leading 63 or 64 bits are exact, and bit 0, which is below the rounding bit, tells whether
  /// anything follows: rounding them is rounding the number.
  private static func round(_ significand: UInt64, _ exponent: Int) -> Double {
    let power = powersOfFive[Int(exponent.magnitude)]
    let bits: UInt64
    let scale: Int
    if exponent >= 0 {
      let product = significand.multipliedFullWidth(by: power)
      let (high, low) = (product.high, product.low)
      if high == 0 {
        (bits, scale) = (low, exponent)
      } else {
        let zeros = high.leadingZeroBitCount
        // Shifting by 64 gives 0, as it should.
        let rest = low << UInt64(zeros)
        (bits, scale) = (
          high << UInt64(zeros) | low >> UInt64(64 - zeros) | (rest == 0 ? 0 : 1),
          64 - zeros + exponent
        )
      }
    } else {
      let (zeros, shift) = (significand.leadingZeroBitCount, power.leadingZeroBitCount)
      let dividend = significand << UInt64(zeros)
      let (quotient, remainder) = (power << UInt64(shift)).dividingFullWidth(
        (dividend >> 1, dividend << 63)
      )
      (bits, scale) = (quotient | (remainder == 0 ? 0 : 1), shift - zeros - 63 + exponent)
    }
    // Far from both ends of the range: the exponent can be added as it stands.
    return Double(bitPattern: Double(bits).bitPattern &+ UInt64(bitPattern: Int64(scale)) << 52)
  }
}

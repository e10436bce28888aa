/// Exponential, logarithm and power of doubles.
///
/// The standard library has none, and Core imports no C library. Errors stay within a few units in
/// the last place for `exp` and for whole exponents of `power`; for broken exponents they grow with
/// the logarithm of the result, to 1e-13 at most.
enum Exponential {
  /// e to the power of `x`.
  static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x > 709.79 { return .infinity }
    if x < -745.2 { return 0 }
    // x = k ln 2 + r with |r| at most half of ln 2, where the series is short. ln 2 is split in
    // two, the first part with trailing zeros, so that the product with k is exact.
    let k = (x * 1.442695040888963407).rounded()
    let r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    var sum = 1.0
    for n in stride(from: 18, through: 1, by: -1) { sum = 1 + sum * r / Double(n) }
    // In two steps, because 2 to the power of k alone may leave the range where the result is in.
    let half = (k / 2).rounded(.down)
    return sum * powerOfTwo(Int(half)) * powerOfTwo(Int(k - half))
  }

  /// The natural logarithm of `x`, NaN below 0.
  static func log(_ x: Double) -> Double {
    if x.isNaN || x < 0 { return .nan }
    if x == 0 { return -.infinity }
    if x.isInfinite { return x }
    var exponent = Double(x.exponent)
    var significand = x.significand
    if significand > 1.4142135623730951 {
      significand /= 2
      exponent += 1
    }
    let s = (significand - 1) / (significand + 1)
    var sum = 0.0
    for n in stride(from: 25, through: 1, by: -2) { sum = sum * s * s + 1 / Double(n) }
    return exponent * 6.93147180369123816490e-01
      + (2 * s * sum + exponent * 1.90821492927058770002e-10)
  }

  /// `base` to the power of `exponent`, as IEEE 754 `pow`.
  static func power(_ base: Double, _ exponent: Double) -> Double {
    if exponent == 0 || base == 1 { return 1 }
    if base.isNaN || exponent.isNaN { return .nan }
    let isWhole = exponent.rounded() == exponent
    if isWhole, exponent.magnitude <= 1024 { return whole(base, Int(exponent)) }
    if exponent.isInfinite {
      if base.magnitude == 1 { return 1 }
      return (base.magnitude > 1) == (exponent > 0) ? .infinity : 0
    }
    let isOdd = isWhole && exponent.truncatingRemainder(dividingBy: 2) != 0
    if base == 0 { return exponent > 0 ? 0 : .infinity }
    if base < 0, !isWhole, base.isFinite { return .nan }
    let magnitude = exp(exponent * log(base.magnitude))
    return base < 0 && isOdd ? -magnitude : magnitude
  }

  private static func whole(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var factor = base
    var left = exponent.magnitude
    while left > 0 {
      if left & 1 == 1 { result *= factor }
      factor *= factor
      left >>= 1
    }
    return exponent < 0 ? 1 / result : result
  }

  private static func powerOfTwo(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }
}

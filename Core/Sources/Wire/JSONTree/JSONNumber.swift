/// A JSON number, kept as it was written: `1.0` stays `1.0` (RFC 8259 §6).
///
/// Numbers of up to 15 characters need no memory of their own.
public struct JSONNumber: Hashable, Sendable {
  /// The number's text, which follows the grammar of RFC 8259 §6.
  public let text: String

  /// Creates the number that `value`'s decimal digits spell.
  public init(_ value: Int64) { text = String(value) }

  /// Creates the shortest number that reads back as `value`, or nil if it is not finite.
  public init?(double value: Double) {
    guard value.isFinite else { return nil }
    text = value.description
  }

  /// Creates the number spelled by `text`, or nil if that is no JSON number.
  public init?(text: String) {
    let bytes = text.utf8Span.span
    var scanner = NumberScanner()
    guard scanner.scan(bytes, from: 0), scanner.end == bytes.count else { return nil }
    self.text = text
  }

  /// Creates a number from text that a `NumberScanner` has accepted.
  init(scanned text: String) { self.text = text }

  /// The value, if it is written without fraction and exponent and fits 64 bits.
  public var integer: Int64? {
    let bytes = text.utf8Span.span
    guard bytes.count <= 20 else { return nil }
    var value: Int64 = 0
    let isNegative = bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
    for index in (isNegative ? 1 : 0)..<bytes.count {
      guard (0x30...0x39).contains(bytes[index]) else { return nil }
      let digit = Int64(bytes[index] &- 0x30)
      let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
      // Built downwards for negative numbers: the smallest has no positive counterpart.
      let (sum, carried) =
        isNegative
        ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
      if tooLarge || carried { return nil }
      value = sum
    }
    return value
  }

  /// The nearest double; infinite beyond its range.
  public var double: Double {
    if let integer { return Double(integer) }
    let bytes = text.utf8Span.span
    let isNegative = bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
    let value = DecimalText.double(bytes.extracting(droppingFirst: isNegative ? 1 : 0)) ?? .infinity
    return isNegative ? -value : value
  }
}

/// The grammar of RFC 8259 §6 as a scanner over bytes.
struct NumberScanner {
  /// Index behind the last byte that belongs to the number, or of the byte that broke it.
  private(set) var end = 0

  /// Whether a number begins at `start`; `end` then is where it stops.
  mutating func scan(_ bytes: Span<UInt8>, from start: Int) -> Bool {
    end = start
    if at(bytes, is: UInt8(ascii: "-")) { end += 1 }
    if at(bytes, is: UInt8(ascii: "0")) {
      end += 1
    } else if !digits(bytes) {
      return false
    }
    if at(bytes, is: UInt8(ascii: ".")) {
      end += 1
      guard digits(bytes) else { return false }
    }
    if at(bytes, is: UInt8(ascii: "e")) || at(bytes, is: UInt8(ascii: "E")) {
      end += 1
      if at(bytes, is: UInt8(ascii: "+")) || at(bytes, is: UInt8(ascii: "-")) { end += 1 }
      guard digits(bytes) else { return false }
    }
    return true
  }

  private func at(_ bytes: Span<UInt8>, is byte: UInt8) -> Bool {
    end < bytes.count && bytes[end] == byte
  }

  private mutating func digits(_ bytes: Span<UInt8>) -> Bool {
    let start = end
    while end < bytes.count, (0x30...0x39).contains(bytes[end]) { end += 1 }
    return end > start
  }
}

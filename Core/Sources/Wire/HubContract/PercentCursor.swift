internal import ByteIO

/// Walks over percent-encoded bytes and gives the decoded ones, without allocating.
///
/// A `%` that two hexadecimal digits do not follow stands for itself, and `+` is a plus: what a
/// client meant literally stays literal (contract §3.4).
struct PercentCursor: ~Escapable {
  private let bytes: Span<UInt8>
  private var position = 0

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  @inline(__always)
  @_lifetime(self: copy self)
  mutating func next() -> UInt8? {
    guard position < bytes.count else { return nil }
    let byte = bytes[position]
    position += 1
    guard byte == UInt8(ascii: "%"), bytes.count - position >= 2,
      let high = Hex.digit(bytes[position]), let low = Hex.digit(bytes[position + 1])
    else { return byte }
    position += 2
    return high << 4 | low
  }

  /// How many bytes `text` stands for.
  static func decodedCount(_ text: Span<UInt8>) -> Int {
    var count = 0
    var cursor = PercentCursor(text)
    while cursor.next() != nil { count += 1 }
    return count
  }

  /// The bytes that `text` stands for.
  static func decode(_ text: Span<UInt8>) -> [UInt8] {
    var out = [UInt8]()
    out.reserveCapacity(text.count)
    var cursor = PercentCursor(text)
    while let byte = cursor.next() { out.append(byte) }
    return out
  }

  /// The text that `text` stands for; what is not UTF-8 becomes U+FFFD.
  static func decodeText(_ text: Span<UInt8>) -> String {
    String(decoding: decode(text), as: UTF8.self)
  }
}

/// Percent-encoding (RFC 3986 §2.1) as the hub protocols use it: `+` is always a literal plus.
public enum PercentCoding {
  /// Whether `byte` is unreserved (RFC 3986 §2.3) and so travels as it is.
  @inlinable
  public static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
    default: false
    }
  }

  /// `bytes` with everything but unreserved characters escaped, digits in upper case.
  public static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var out = [UInt8]()
    append(bytes, to: &out)
    return out
  }

  /// `text` with everything but unreserved characters escaped, digits in upper case.
  public static func encode(_ text: String) -> String {
    String(decoding: encode(text.utf8), as: UTF8.self)
  }

  /// Appends the escaped form of `bytes` to `out`.
  @inlinable
  public static func append(_ bytes: some Sequence<UInt8>, to out: inout [UInt8]) {
    let digits: StaticString = "0123456789ABCDEF"
    for byte in bytes {
      if isUnreserved(byte) {
        out.append(byte)
      } else {
        out.append(UInt8(ascii: "%"))
        unsafe out.append(digits.utf8Start[Int(byte >> 4)])
        unsafe out.append(digits.utf8Start[Int(byte & 15)])
      }
    }
  }

  /// `text` with its escapes resolved once, or nil if a `%` is not followed by two digits.
  public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var out = [UInt8]()
    out.reserveCapacity(text.count)
    var iterator = text.makeIterator()
    while let byte = iterator.next() {
      guard byte == UInt8(ascii: "%") else {
        out.append(byte)
        continue
      }
      guard let high = iterator.next().flatMap(Hex.digit),
        let low = iterator.next().flatMap(Hex.digit)
      else { return nil }
      out.append(high << 4 | low)
    }
    return out
  }

  /// `text` with its escapes resolved once, or nil if an escape is broken or the result is not UTF-8.
  public static func decode(_ text: String) -> String? {
    guard let bytes = decode(Array(text.utf8)) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }
}

/// Hexadecimal text (RFC 4648 §8).
public enum Hex {
  /// The lower-case text form of `bytes`.
  public static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var out = [UInt8]()
    for byte in bytes {
      out.append(character(byte >> 4))
      out.append(character(byte & 15))
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// The bytes that `text` stands for, either case, or nil if it is not whole hexadecimal bytes.
  public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count % 2 == 0 else { return nil }
    var out = [UInt8]()
    out.reserveCapacity(text.count / 2)
    var high: UInt8?
    for byte in text {
      guard let value = digit(byte) else { return nil }
      if let first = high {
        out.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return out
  }

  /// The bytes that `text` stands for, either case, or nil if it is not whole hexadecimal bytes.
  public static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

  /// The value of one hexadecimal digit, or nil.
  @inlinable
  public static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  /// The lower-case digit of a value below 16.
  @inlinable
  public static func character(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x61 + (value & 15) - 10
  }
}

internal import ByteIO
public import JSONTree

/// Reading of JSON bodies in the encodings that conditions understand (contract §9.4).
public enum BodyText {
  /// The JSON value that `bytes` hold in `encoding`; nil if they hold none.
  public static func json(_ bytes: Span<UInt8>, encoding: String) -> JSONValue? {
    switch encoding.lowercased() {
    case "utf-8", "utf8": try? JSON.parse(bytes)
    case "utf-16": text(bytes, width: 2).flatMap { try? JSON.parse($0) }
    case "utf-32": text(bytes, width: 4).flatMap { try? JSON.parse($0) }
    default: nil
    }
  }

  /// The text of units of `width` bytes; nil if it is broken.
  ///
  /// Without a byte order mark the order is seen from the first unit, since JSON begins with an
  /// ASCII character (RFC 4627 §3).
  private static func text(_ bytes: Span<UInt8>, width: Int) -> String? {
    guard !bytes.isEmpty, bytes.count.isMultiple(of: width) else { return nil }
    func unit(_ index: Int, isBigEndian: Bool) -> UInt32 {
      var value: UInt32 = 0
      for offset in 0..<width {
        value = value << 8 | UInt32(bytes[index + (isBigEndian ? offset : width - 1 - offset)])
      }
      return value
    }
    let mark: UInt32 = 0xFEFF
    let hasMark = unit(0, isBigEndian: true) == mark || unit(0, isBigEndian: false) == mark
    let isBigEndian = hasMark ? unit(0, isBigEndian: true) == mark : bytes[0] == 0
    let units = stride(from: hasMark ? width : 0, to: bytes.count, by: width).map {
      unit($0, isBigEndian: isBigEndian)
    }
    return width == 2
      ? String(validating: units.map { UInt16(truncatingIfNeeded: $0) }, as: UTF16.self)
      : String(validating: units, as: UTF32.self)
  }
}

public import JSONTree

/// The one spelling of a JSON value over which metadata is signed and keys are named: the "canonical
/// JSON" that TUF 1.0.34 §4.1 points to.
///
/// Members are sorted by their keys' Unicode scalars; there are no blanks; of a string only the quote
/// and the backslash are escaped, and control characters stand as they are; numbers are integers.
public enum CanonicalJSON {
  /// The canonical spelling of `value`; nil if a number is no integer.
  ///
  /// The caller bounds the depth, with the limits it parses under.
  public static func bytes(_ value: JSONValue) -> [UInt8]? {
    var out: [UInt8] = []
    return append(value, to: &out) ? out : nil
  }

  private static func append(_ value: JSONValue, to out: inout [UInt8]) -> Bool {
    switch value {
    case .null: out += "null".utf8
    case .bool(let value): out += (value ? "true" : "false").utf8
    case .number(let number):
      guard isInteger(number.text) else { return false }
      out += number.text.utf8
    case .string(let text): append(text, to: &out)
    case .array(let elements):
      out.append(UInt8(ascii: "["))
      for index in elements.indices {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        guard append(elements[index], to: &out) else { return false }
      }
      out.append(UInt8(ascii: "]"))
    case .object(let object):
      out.append(UInt8(ascii: "{"))
      let members = object.sorted { $0.key.ordinallyPrecedes($1.key) }
      for index in members.indices {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        append(members[index].key, to: &out)
        out.append(UInt8(ascii: ":"))
        guard append(members[index].value, to: &out) else { return false }
      }
      out.append(UInt8(ascii: "}"))
    }
    return true
  }

  private static func append(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        out.append(UInt8(ascii: "\\"))
      }
      out.append(byte)
    }
    out.append(UInt8(ascii: "\""))
  }

  // JSON allows no leading zeros, so that only minus zero has two spellings.
  private static func isInteger(_ text: String) -> Bool {
    guard !text.ordinallyEquals("-0") else { return false }
    return text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
  }
}

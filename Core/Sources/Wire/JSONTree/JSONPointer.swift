/// A JSON Pointer (RFC 6901): the way to one value inside another.
public struct JSONPointer: Equatable, Sendable {
  /// The names on the way, without escapes; none is the whole value.
  public var names: [String]

  /// Creates the pointer along `names`.
  public init(_ names: [String] = []) { self.names = names }

  /// Reads a pointer; nil if `text` is none: it begins with no slash, or an escape is neither `~0` nor
  /// `~1` (RFC 6901 §3).
  public init?(_ text: String) {
    names = []
    guard !text.isEmpty else { return }
    guard text.utf8.first == UInt8(ascii: "/") else { return nil }
    for part in text.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"),
      omittingEmptySubsequences: false
    ) {
      guard let name = Self.unescaped(part) else { return nil }
      names.append(name)
    }
  }

  /// The pointer's text.
  public var text: String { names.map { "/" + Self.escaped($0) }.joined() }

  private static func unescaped(_ part: Substring.UTF8View) -> String? {
    guard part.contains(UInt8(ascii: "~")) else { return String(Substring(part)) }
    var bytes: [UInt8] = []
    var rest = part
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "~") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
      case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
      default: return nil
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func escaped(_ name: String) -> String {
    var bytes: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "~"): bytes += [byte, UInt8(ascii: "0")]
      case UInt8(ascii: "/"): bytes += [UInt8(ascii: "~"), UInt8(ascii: "1")]
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

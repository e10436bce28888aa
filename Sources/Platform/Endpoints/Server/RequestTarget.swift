import ByteIO

/// What a request line names: path segments and query parameters, decoded once.
///
/// `+` is a literal plus everywhere: device IDs hold it, and no stock client writes a blank so
/// (contract "Identifiers").
package struct RequestTarget: Equatable, Sendable {
  /// Why a target is none.
  package enum Fault: Error {
    /// An escape is broken, or what it stands for is not UTF-8.
    case malformed
  }

  /// The path's segments; one slash at the end makes none.
  package let segments: [String]
  /// The first value of each query parameter; a name alone has the value "".
  package let query: [String: String]

  /// Reads the target of a request line, in origin form or in absolute form (RFC 9112 §3.2).
  package init(_ text: String) throws(Fault) {
    var rest = text.utf8[...]
    for scheme in ["https://", "http://"] where rest.starts(with: scheme.utf8) {
      let authority = rest.dropFirst(scheme.utf8.count)
      rest = authority.drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    }
    let mark = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
    var raw = rest[..<mark].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if raw.first?.isEmpty == true { raw.removeFirst() }
    if raw.last?.isEmpty == true { raw.removeLast() }
    var segments: [String] = []
    for segment in raw { segments.append(try Self.decode(segment)) }
    self.segments = segments
    var query: [String: String] = [:]
    for pair in rest[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
      let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      let name = try Self.decode(pair[..<equals])
      let value = try Self.decode(pair[equals...].dropFirst())
      if query[name] == nil { query[name] = value }
    }
    self.query = query
  }

  private static func decode(_ bytes: Substring.UTF8View) throws(Fault) -> String {
    guard let decoded = PercentCoding.decode(bytes),
      let text = String(validating: decoded, as: UTF8.self)
    else { throw .malformed }
    return text
  }
}

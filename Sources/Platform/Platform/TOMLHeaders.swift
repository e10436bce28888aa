/// Looks at the headers of a TOML file's tables (TOML 1.0, "Table").
///
/// The parser takes for granted that a name follows the bracket, and ends the program where none does.
package enum TOMLHeaders {
  /// The line of the first header without the beginning of a name, counted from 1; nil if all have one.
  ///
  /// What is before a fault of another kind is understood as the parser does it; behind that the parser
  /// reads nothing.
  package static func lineWithoutName(_ text: String) -> Int? {
    let bytes = Array(text.utf8)
    var rest = bytes[...]
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    while let byte = rest.first {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), lineEnd: rest.removeFirst()
      case UInt8(ascii: "#"): skipLine(&rest)
      case UInt8(ascii: "["):
        guard isNamed(rest) else {
          return bytes[..<rest.startIndex].count { $0 == lineEnd } + 1
        }
        skipLine(&rest)
      default: skipSetting(&rest)
      }
    }
    return nil
  }

  private static let lineEnd = UInt8(ascii: "\n")

  private static func isNamed(_ header: ArraySlice<UInt8>) -> Bool {
    let brackets = header.prefix(2).count { $0 == UInt8(ascii: "[") }
    let name = header.dropFirst(brackets)
      .drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let first = name.first else { return false }
    switch first {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "\""), UInt8(ascii: "'"):
      return true
    default: return false
    }
  }

  private static func skipLine(_ rest: inout ArraySlice<UInt8>) {
    rest = rest.drop { $0 != lineEnd }
  }

  /// Skips a name and its value, which goes over several lines if it has arrays or long texts.
  private static func skipSetting(_ rest: inout ArraySlice<UInt8>) {
    var depth = 0
    while let byte = rest.first {
      switch byte {
      case UInt8(ascii: "#"): skipLine(&rest)
      case UInt8(ascii: "\""), UInt8(ascii: "'"): skipText(&rest, quote: byte)
      case lineEnd where depth == 0: return
      default:
        if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { depth += 1 }
        if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { depth -= 1 }
        depth = max(depth, 0)
        rest.removeFirst()
      }
    }
  }

  private static func skipText(_ rest: inout ArraySlice<UInt8>, quote: UInt8) {
    let isLong = rest.prefix(3).count { $0 == quote } == 3
    let end = [UInt8](repeating: quote, count: isLong ? 3 : 1)
    rest = rest.dropFirst(end.count)
    while let byte = rest.first, isLong || byte != lineEnd {
      if rest.starts(with: end) {
        rest = rest.dropFirst(end.count)
        // Two more may stand at the end of a long text, and belong to it.
        for _ in 0..<2 where isLong && rest.first == quote { rest.removeFirst() }
        return
      }
      let isEscape = byte == UInt8(ascii: "\\") && quote == UInt8(ascii: "\"")
      rest = rest.dropFirst(isEscape ? 2 : 1)
    }
  }
}

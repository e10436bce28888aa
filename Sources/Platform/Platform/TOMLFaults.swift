/// Finds the faults of a TOML file at which the parser would end the program.
///
/// It takes for granted that a name follows the bracket of a table's header, and that what stands in an
/// array and is no bracket, comma or comment begins a value (TOML 1.0, "Table" and "Array").
package enum TOMLFaults {
  /// The first of them, nil if there is none.
  ///
  /// What is before a fault of another kind is understood as the parser does it; behind that the parser
  /// reads nothing.
  package static func first(in text: String) -> String? {
    let bytes = Array(text.utf8)
    var rest = bytes[...]
    func place() -> String {
      "in line \(bytes[..<rest.startIndex].count { $0 == lineEnd } + 1)"
    }
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    while let byte = rest.first {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), lineEnd: rest.removeFirst()
      case UInt8(ascii: "#"): skipLine(&rest)
      case UInt8(ascii: "["):
        guard isNamed(rest) else {
          return "there is no name of a table behind [ \(place())"
        }
        skipLine(&rest)
      default:
        guard skipSetting(&rest) else {
          return "an array has something else than values, commas and its ] \(place())"
        }
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
  ///
  /// - Returns: False before what an array cannot have.
  private static func skipSetting(_ rest: inout ArraySlice<UInt8>) -> Bool {
    var open: [UInt8] = []
    while let byte = rest.first {
      let isInArray = open.last == UInt8(ascii: "[")
      switch byte {
      case UInt8(ascii: "#"): skipLine(&rest)
      case UInt8(ascii: "\""), UInt8(ascii: "'"): skipText(&rest, quote: byte)
      case lineEnd where open.isEmpty: return true
      // Beyond ASCII there are line breaks that the parser does not pass over.
      case UInt8(ascii: "}") where isInArray, 0x80... where isInArray: return false
      default:
        if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { open.append(byte) }
        if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { _ = open.popLast() }
        rest.removeFirst()
      }
    }
    return true
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

/// A file of variables as `iotedgedev` has one, `.env` (edge contract section 13.1).
package enum EnvironmentFile {
  /// The most bytes of a file.
  static let byteLimit = 1 << 20

  /// Reads `NAME=VALUE` lines; `#` begins a comment line, `export` may stand before, and the value may
  /// be in quotes.
  package static func read(_ text: String) throws(TemplateFault) -> [String: String] {
    guard text.utf8.count <= byteLimit else { throw TemplateFault("it has more than 1 MiB") }
    var variables: [String: String] = [:]
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      var line = line.trimmed
      if line.isEmpty || line.hasPrefix("#") { continue }
      if line.hasPrefix("export ") { line = line.dropFirst(7).trimmed }
      guard let equals = line.firstIndex(of: "=") else {
        throw TemplateFault("line \(number + 1) is no NAME=VALUE")
      }
      let name = line[..<equals].trimmed
      guard TemplateText.isName(name) else {
        throw TemplateFault(
          "line \(number + 1): a name has letters, digits and _, and begins with no digit"
        )
      }
      variables[name] = try value(line[line.index(after: equals)...].trimmed, line: number + 1)
    }
    return variables
  }

  private static func value(_ text: String, line: Int) throws(TemplateFault) -> String {
    guard let quote = text.first, quote == "\"" || quote == "'" else {
      // A comment begins behind a blank.
      return text.firstRange(of: " #").map { text[..<$0.lowerBound].trimmed } ?? text
    }
    guard let end = text.dropFirst().firstIndex(of: quote) else {
      throw TemplateFault("line \(line): the quotation has no end")
    }
    let rest = text[text.index(after: end)...].trimmed
    guard rest.isEmpty || rest.hasPrefix("#") else {
      throw TemplateFault("line \(line): something stands behind the quotation")
    }
    return String(text[text.index(after: text.startIndex)..<end])
  }
}

/// Swift source with its comments and the insides of its strings blanked out, line by line.
///
/// The checks look for words such as `print(`; a comment that mentions one must not count, and
/// neither must a message. This is no parser: it knows line and block comments (which nest),
/// strings of one and of many lines, raw strings, and interpolation, whose inside is code again.
/// Regular-expression literals are taken for operators, which is harmless for these checks.
struct SourceText {
  /// The lines as written.
  let lines: [String]
  /// The same lines, as long as before, with comments and string contents as blanks.
  let code: [String]

  init(_ text: String) {
    var scanner = Scanner(Array(text.unicodeScalars))
    let blanked = scanner.blanked()
    lines = Self.split(text.unicodeScalars)
    code = Self.split(blanked)
  }

  /// Splits at line feeds; the scanner keeps every line feed, so both splits have equal length.
  private static func split(_ scalars: some Sequence<Unicode.Scalar>) -> [String] {
    var lines: [String] = []
    var current = String.UnicodeScalarView()
    for scalar in scalars {
      if scalar == "\n" {
        lines.append(String(current))
        current = .init()
      } else {
        current.append(scalar)
      }
    }
    lines.append(String(current))
    return lines
  }
}

extension SourceText {
  /// What the scanner is inside of; the innermost is last on its stack.
  private enum Context {
    /// Code within an interpolation, with the number of parentheses open since it began.
    case interpolation(openParentheses: Int)
    /// A string literal by its number of `#` and whether it spans lines.
    case string(pounds: Int, multiline: Bool)
  }

  private struct Scanner {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var output: [Unicode.Scalar] = []
    private var contexts: [Context] = []

    init(_ scalars: [Unicode.Scalar]) {
      self.scalars = scalars
      output.reserveCapacity(scalars.count)
    }

    mutating func blanked() -> [Unicode.Scalar] {
      while position < scalars.count {
        if case .string(let pounds, let multiline) = contexts.last {
          scanString(pounds: pounds, multiline: multiline)
        } else {
          scanCode()
        }
      }
      return output
    }

    private func peek(_ text: String, at offset: Int = 0) -> Bool {
      var index = position + offset
      for scalar in text.unicodeScalars {
        guard index < scalars.count, scalars[index] == scalar else { return false }
        index += 1
      }
      return true
    }

    private mutating func keep(_ count: Int = 1) {
      let end = min(position + count, scalars.count)
      output.append(contentsOf: scalars[position..<end])
      position = end
    }

    private mutating func blank(_ count: Int = 1) {
      let end = min(position + count, scalars.count)
      for index in position..<end { output.append(scalars[index] == "\n" ? "\n" : " ") }
      position = end
    }

    private mutating func scanCode() {
      if peek("//") {
        while position < scalars.count, scalars[position] != "\n" { blank() }
      } else if peek("/*") {
        scanBlockComment()
      } else if let opening = stringOpening() {
        keep(opening.length)
        contexts.append(.string(pounds: opening.pounds, multiline: opening.multiline))
      } else {
        countParentheses()
        keep()
      }
    }

    /// Counts the parentheses of an interpolation and leaves it at its closing one.
    private mutating func countParentheses() {
      guard case .interpolation(let open) = contexts.last else { return }
      if scalars[position] == "(" {
        contexts[contexts.count - 1] = .interpolation(openParentheses: open + 1)
      } else if scalars[position] == ")" {
        contexts.removeLast()
        if open > 1 { contexts.append(.interpolation(openParentheses: open - 1)) }
      }
    }

    private mutating func scanBlockComment() {
      var depth = 0
      repeat {
        if peek("/*") {
          depth += 1
          blank(2)
        } else if peek("*/") {
          depth -= 1
          blank(2)
        } else {
          blank()
        }
      } while depth > 0 && position < scalars.count
    }

    private func stringOpening() -> (pounds: Int, multiline: Bool, length: Int)? {
      var pounds = 0
      while peek("#", at: pounds) { pounds += 1 }
      guard peek("\"", at: pounds) else { return nil }
      let multiline = peek("\"\"\"", at: pounds)
      return (pounds, multiline, pounds + (multiline ? 3 : 1))
    }

    private mutating func scanString(pounds: Int, multiline: Bool) {
      let fence = String(repeating: "#", count: pounds)
      let closing = (multiline ? "\"\"\"" : "\"") + fence
      if peek(closing) {
        keep(closing.unicodeScalars.count)
        contexts.removeLast()
      } else if peek("\\" + fence + "(") {
        blank(1 + pounds)
        keep()
        contexts.append(.interpolation(openParentheses: 1))
      } else if peek("\\" + fence) {
        // An escape: whatever follows the backslash closes nothing.
        blank(2 + pounds)
      } else if scalars[position] == "\n" && !multiline {
        // Not Swift, or a slip of this scanner: start afresh rather than lose the rest of the file.
        contexts.removeAll()
        keep()
      } else {
        blank()
      }
    }
  }
}

/// One field of a table.
package struct Cell: Sendable, Equatable {
  let text: String
  let style: Style

  /// Creates a field; control characters are shown as `\u{…}`.
  ///
  /// Much of what is shown comes from devices, and a terminal would obey what a device wrote.
  package init(_ text: String, _ style: Style? = nil) {
    self.text = Self.visible(text)
    self.style = style ?? Style(state: text)
  }

  /// `text` with everything that a terminal would obey made visible.
  static func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}

/// Rows under headings, laid out for people.
package struct Table: Sendable {
  private let titles: [String]
  private var rows: [[Cell]] = []

  /// Creates an empty table.
  package init(_ titles: [String]) { self.titles = titles }

  /// Rows so far.
  var count: Int { rows.count }

  /// Adds a row, which has as many fields as there are titles.
  package mutating func append(_ row: [Cell]) { rows.append(row) }

  /// The text, every line with its end.
  ///
  /// `width` is the terminal's, in columns, 0 for no limit: the last column is cut to fit.
  func rendered(width: Int = 0, isColored: Bool = false) -> String {
    var widths = titles.map(\.count)
    for row in rows {
      for (index, cell) in row.enumerated() where index < widths.count {
        widths[index] = max(widths[index], cell.text.count)
      }
    }
    let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
    let last = width > 0 ? max(width - before, 12) : Int.max
    var text = line(titles.map { Cell($0, .strong) }, widths, last, isColored)
    for row in rows { text += line(row, widths, last, isColored) }
    return text
  }

  private func line(_ row: [Cell], _ widths: [Int], _ last: Int, _ isColored: Bool) -> String {
    var line = ""
    for (index, cell) in row.enumerated() {
      let isLast = index == row.count - 1
      let shown = isLast && cell.text.count > last ? cell.text.prefix(last - 1) + "…" : cell.text
      line += cell.style.applied(to: String(shown), if: isColored)
      if !isLast {
        line += String(repeating: " ", count: max(widths[index] - shown.count, 0) + 2)
      }
    }
    // A missing last field must not leave blanks at the end of the line.
    while line.last == " " { line.removeLast() }
    return line + "\n"
  }
}

/// Names with values, one a line: a single object laid out for people.
package struct FactSheet: Sendable {
  private var facts: [(name: String, value: Cell)] = []

  /// Creates an empty sheet.
  init() {}

  /// Adds a fact; a nil value adds nothing.
  mutating func append(_ name: String, _ value: String?, _ style: Style? = nil) {
    guard let value else { return }
    facts.append((name, Cell(value.isEmpty ? "-" : value, style)))
  }

  /// The text, every line with its end.
  func rendered(isColored: Bool = false) -> String {
    let width = facts.map(\.name.count).max() ?? 0
    return facts.map { fact in
      let blanks = String(repeating: " ", count: width - fact.name.count + 2)
      let name = Style.strong.applied(to: fact.name, if: isColored)
      return name + blanks + fact.value.style.applied(to: fact.value.text, if: isColored) + "\n"
    }.joined()
  }
}

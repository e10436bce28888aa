import ArgumentParser
package import JSONTree

/// In which form a command prints its result.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// Columns and lines for people.
  case table
  /// JSON for programs: one value, or one value a line where the output goes on.
  case json
}

/// Prints results in the form that was asked for.
package struct Printer: Sendable {
  /// The form.
  let format: OutputFormat
  /// Where it goes.
  let console: Console
  /// Whether somebody asked for this form by name.
  private let isAskedFor: Bool

  /// A printer; without a format, tables go to terminals and JSON to everything else.
  package init(_ format: OutputFormat?, console: Console = .current) {
    self.format = format ?? (console.isOutputTerminal ? .table : .json)
    self.console = console
    isAskedFor = format != nil
  }

  /// Whether people read it.
  var isForPeople: Bool { format == .table }

  /// Prints a value as JSON, over several lines.
  func json(_ value: JSONValue) { console.writeOutput(JSON.prettyText(value) + "\n") }

  /// Prints a value as JSON in one line, for output that goes on.
  func jsonLine(_ value: JSONValue) { console.writeOutput(JSON.text(value) + "\n") }

  /// Prints rows; without any it prints nothing, and says `none` beside the output.
  package func table(_ table: Table, none: String) {
    guard table.count > 0 else { return console.remark(Cell.visible(none)) }
    console.writeOutput(
      table.rendered(
        width: console.isOutputTerminal ? console.width : 0,
        isColored: console.isOutputColored
      )
    )
  }

  /// Prints one object's facts.
  func facts(_ sheet: FactSheet) {
    console.writeOutput(sheet.rendered(isColored: console.isOutputColored))
  }

  /// Prints a line.
  func line(_ text: String) { console.writeOutput(text + "\n") }

  /// Prints a text that is the whole result, bare so that a shell can take it, and as JSON only if
  /// that was asked for by name.
  func text(_ text: String, as json: @autoclosure () -> JSONValue) {
    if isAskedFor, format == .json { self.json(json()) } else { line(text) }
  }

  /// Tells a person that something is done; programs see the exit status.
  package func done(_ text: String) {
    if isForPeople { console.writeOutput(Cell.visible(text) + "\n") }
  }

  /// Prints `value` for programs, or what `render` makes of it for people.
  package func show(_ value: JSONValue, _ render: (Printer) -> Void) {
    switch format {
    case .json: json(value)
    case .table: render(self)
    }
  }
}

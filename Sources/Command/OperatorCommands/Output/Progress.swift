/// Tells a person how far long work has come, on the error stream, and programs nothing.
struct Progress: Sendable {
  private let console: Console
  private let what: String

  /// Progress of `what`, such as "identities imported".
  init(_ what: String, console: Console = .current) {
    self.console = console
    self.what = what
  }

  /// Shows the count in place of the last one.
  func show(_ count: Int, of total: Int? = nil, _ more: String = "") {
    guard console.isErrorTerminal else { return }
    let whole = total.map { " of \($0)" } ?? ""
    console.writeError("\r\u{1B}[K\(count)\(whole) \(what)\(more)")
  }

  /// Removes the line, so that what comes next begins at the margin.
  func end() {
    guard console.isErrorTerminal else { return }
    console.writeError("\r\u{1B}[K")
  }
}

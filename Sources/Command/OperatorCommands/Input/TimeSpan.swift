import ArgumentParser

/// A length of time as people write it: `30s`, `5m`, `1h`, `2d`, `250ms`, or seconds without a unit.
package struct TimeSpan: ExpressibleByArgument, Equatable, Sendable, CustomStringConvertible {
  /// Milliseconds, at least 0.
  package let milliseconds: Int64

  /// Creates a span of whole seconds.
  package init(seconds: Int64) { milliseconds = seconds * 1000 }

  /// Reads a span; nil if it is none, or longer than ten years.
  package init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), number >= 0 else { return nil }
    let factor: Double
    switch argument.dropFirst(digits.count) {
    case "ms": factor = 1
    case "", "s": factor = 1000
    case "m", "min": factor = 60_000
    case "h": factor = 3_600_000
    case "d": factor = 86_400_000
    default: return nil
    }
    let product = number * factor
    guard product <= 3650 * 86_400_000 else { return nil }
    milliseconds = Int64(product.rounded())
  }

  /// Whole seconds, rounded up.
  package var seconds: Int64 { (milliseconds + 999) / 1000 }

  /// As a `Duration`.
  package var duration: Duration { .milliseconds(milliseconds) }

  /// As people write it.
  package var description: String {
    if milliseconds % 1000 != 0 || milliseconds == 0 { return "\(milliseconds)ms" }
    let seconds = milliseconds / 1000
    if seconds % 86_400 == 0 { return "\(seconds / 86_400)d" }
    if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
    if seconds % 60 == 0 { return "\(seconds / 60)m" }
    return "\(seconds)s"
  }

  /// How the help text shows the default.
  package var defaultValueDescription: String { description }
}

/// A name and a value joined by `=`, such as a message's property.
package struct NamedValue: ExpressibleByArgument, Equatable, Sendable {
  /// What stands before the first `=`.
  package let name: String
  /// What stands behind it.
  package let value: String

  /// Reads `NAME=VALUE`; nil without a name or without `=`.
  package init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else {
      return nil
    }
    name = String(argument[..<equals])
    value = String(argument[argument.index(after: equals)...])
  }
}

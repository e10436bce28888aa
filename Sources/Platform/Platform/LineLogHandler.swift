import HubContract
import Glibc
import JSONTree
package import Logging

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
  /// One JSON object a line: `time`, `level`, `logger`, `message` and the metadata.
  case json
  /// `time level message key=value …` for people.
  case text
}

/// Writes log lines to standard error, one `write` a line, so that lines of threads do not mix.
///
/// Metadata is written as given: callers never put keys, tokens or message bodies there.
package struct LineLogHandler: LogHandler {
  package var logLevel: Logger.Level {
    get { ownLevel ?? threshold.level }
    set { ownLevel = newValue }
  }
  /// Set for this logger alone.
  private var ownLevel: Logger.Level?
  private let threshold: LogThreshold
  package var metadata: Logger.Metadata = [:]
  private let label: String
  private let format: LogFormat
  private let colour: Bool

  /// Creates a handler for `label`; colour is used for text on a terminal alone.
  package init(label: String, level: Logger.Level, format: LogFormat) {
    self.init(label: label, threshold: LogThreshold(level), format: format)
  }

  /// Creates a handler for `label` that writes from `threshold` on, whatever that becomes.
  package init(label: String, threshold: LogThreshold, format: LogFormat) {
    self.label = label
    self.threshold = threshold
    self.format = format
    self.colour = format == .text && isatty(2) == 1 && getenv("NO_COLOR") == nil
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var fields = metadata
    if let more = event.metadata { fields.merge(more) { _, new in new } }
    let time = Timestamp(ticks: SystemClock.wallTicks()).iso8601
    let line =
      switch format {
      case .json: json(time: time, level: event.level, message: "\(event.message)", fields: fields)
      case .text: text(time: time, level: event.level, message: "\(event.message)", fields: fields)
      }
    line.withCString { _ = write(2, $0, strlen($0)) }
  }

  private func json(
    time: String,
    level: Logger.Level,
    message: String,
    fields: Logger.Metadata
  ) -> String {
    var object = JSONObject()
    object["time"] = .string(time)
    object["level"] = .string(level.rawValue)
    object["logger"] = .string(label)
    object["message"] = .string(message)
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      object[key] = .string("\(value)")
    }
    return JSON.text(.object(object)) + "\n"
  }

  /// `text` with its control characters spelled out.
  ///
  /// Values may come from a peer, which must neither begin a line of its own nor speak to a terminal.
  package static func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return text.unicodeScalars.map { scalar in
      isControl(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }.joined()
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private func text(
    time: String,
    level: Logger.Level,
    message: String,
    fields: Logger.Metadata
  ) -> String {
    let mark =
      switch level {
      case .trace, .debug: "\u{1B}[2m"
      case .info: "\u{1B}[32m"
      case .notice: "\u{1B}[36m"
      case .warning: "\u{1B}[33m"
      case .error, .critical: "\u{1B}[31m"
      }
    let name = level.rawValue.padding(to: 8)
    let message = Self.visible(message)
    let values = fields.sorted { $0.key < $1.key }
      .map { " \($0.key)=\(Self.visible("\($0.value)"))" }.joined()
    return colour
      ? "\(time) \(mark)\(name)\u{1B}[0m \(message)\(values)\n"
      : "\(time) \(name) \(message)\(values)\n"
  }
}

extension String {
  fileprivate func padding(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

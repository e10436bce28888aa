import JSONTree

/// How much of a module's log is kept.
struct LogLimits: Equatable {
  /// The longest file, in bytes, and how many there are.
  var fileBytes: Int64 = 10 << 20
  var files: Int = 3

  /// Reads the options of an engine's log driver; what cannot be read is as if it were not there.
  init(_ options: JSONObject = [:]) {
    if let text = options["max-size"]?.stringValue, let bytes = Self.bytes(text) {
      fileBytes = max(bytes, 4096)
    }
    if let count = options["max-file"]?.stringValue.flatMap({ Int($0) }) {
      files = min(max(count, 1), 100)
    }
  }

  private static func bytes(_ text: String) -> Int64? {
    let units: [Character: Int64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
    let unit = text.lowercased().last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? text : String(text.dropLast())) else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    return overflow || bytes <= 0 ? nil : bytes
  }
}

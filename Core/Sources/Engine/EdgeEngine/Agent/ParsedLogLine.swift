public import HubContract
public import JSONTree

/// A line of a module's log, taken apart (edge contract section 3.8).
///
/// A line `<N> yyyy-MM-dd HH:mm:ss.fff +00:00 text` has level N; all others have level 6.
public struct ParsedLogLine: Equatable, Sendable {
  /// The level of a line that names none.
  public static let defaultLevel = 6

  /// The level, 0 the most urgent.
  public let level: Int
  /// When it was written, by the line's own words.
  public let time: Timestamp?
  /// The rest.
  public let text: String

  /// Takes a line without its end apart.
  public init(_ line: String) {
    let bytes = Array(line.utf8.prefix(40))
    let digit = bytes.count > 1 ? Int(bytes[1]) - 0x30 : -1
    // `<6> 2026-01-02 03:04:05.678 +00:00 text`: the date ends at 14, the time at 27, the zone at 34.
    guard bytes.count >= 34, bytes[0] == UInt8(ascii: "<"), (0...7).contains(digit),
      bytes[2] == UInt8(ascii: ">"), [3, 14, 27].allSatisfy({ bytes[$0] == UInt8(ascii: " ") }),
      let time = Timestamp(
        iso8601: String(decoding: bytes[4..<14], as: UTF8.self) + "T"
          + String(decoding: bytes[15..<27] + bytes[28..<34], as: UTF8.self)
      )
    else {
      (level, time, text) = (Self.defaultLevel, nil, line)
      return
    }
    level = digit
    self.time = time
    let rest = line.utf8.dropFirst(34)
    text = String(Substring(rest.first == UInt8(ascii: " ") ? rest.dropFirst() : rest))
  }

  /// The line as one object of a JSON log.
  public func json(
    hub: String,
    deviceID: String,
    module: String,
    stream: String
  ) -> JSONObject {
    var line: JSONObject = [
      "iothub": .string(hub), "device": .string(deviceID), "id": .string(module),
      "stream": .string(stream), "loglevel": .int(Int64(level)), "text": .string(text),
    ]
    if let time { line["timestamp"] = .string(time.iso8601) }
    return line
  }
}

/// Judges lines by a filter's level and regular expression; time and number are the runtime's.
public struct LogLineFilter {
  private let level: Int?
  private let pattern: Regex<AnyRegexOutput>?

  /// What of a line a regular expression is looked for in, in characters: some would take for ever.
  private static let searchedLength = 4096

  /// Prepares the judgement.
  public init(_ filter: LogFilter) {
    level = filter.logLevel
    pattern = filter.pattern.flatMap { try? Regex($0) }
  }

  /// Whether all lines are wanted.
  public var wantsAll: Bool { level == nil && pattern == nil }

  /// Whether a line is wanted.
  public func wants(_ line: String) -> Bool {
    if let level, ParsedLogLine(line).level > level { return false }
    guard let pattern else { return true }
    return (try? pattern.firstMatch(in: line.prefix(Self.searchedLength))) != nil
  }
}

import HubContract

/// A line of a module's log as it is kept: `time stream flag text`, as Kubernetes' runtimes keep logs.
struct LogLine: Equatable {
  /// The longest text; what is longer is kept as several lines.
  static let textLimit = 16 << 10

  let time: Timestamp
  let stream: LogChunk.Stream
  /// Whether the line goes on in the next one.
  let isPartial: Bool
  let text: [UInt8]

  init(time: Timestamp, stream: LogChunk.Stream, isPartial: Bool, text: [UInt8]) {
    (self.time, self.stream, self.isPartial, self.text) = (time, stream, isPartial, text)
  }

  /// Reads a line without its end; nil for what is none, such as the rest of one that was torn.
  init?(_ line: some Collection<UInt8>) {
    let parts = line.split(
      separator: UInt8(ascii: " "),
      maxSplits: 3,
      omittingEmptySubsequences: false
    )
    guard parts.count == 4, let time = Timestamp(iso8601: parts[0]) else { return nil }
    switch String(decoding: parts[1], as: UTF8.self) {
    case "stdout": stream = .output
    case "stderr": stream = .error
    default: return nil
    }
    switch String(decoding: parts[2], as: UTF8.self) {
    case "F": isPartial = false
    case "P": isPartial = true
    default: return nil
    }
    self.time = time
    text = Array(parts[3])
  }

  /// The form in the file, with its end.
  var bytes: [UInt8] {
    let stream = stream == .output ? "stdout" : "stderr"
    return Array("\(time.iso8601) \(stream) \(isPartial ? "P" : "F") ".utf8) + text + [0x0A]
  }

  /// What is handed to who reads the log.
  func chunk(withTime: Bool) -> LogChunk {
    LogChunk(
      stream,
      (withTime ? Array("\(time.iso8601) ".utf8) : []) + text + (isPartial ? [] : [0x0A])
    )
  }
}

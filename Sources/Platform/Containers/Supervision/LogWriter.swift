import Glibc
import HubContract
import Platform

/// Writes a module's log: a file, and some older ones with a number behind their name.
///
/// Not synced: a power cut may take the last seconds of a log, as it does with every engine.
struct LogWriter {
  private let path: String
  private let limits: LogLimits
  private var file: Int32 = -1
  private var size: Int64 = 0
  private var unfinished: [LogChunk.Stream: [UInt8]] = [:]

  init(_ path: String, _ limits: LogLimits) {
    self.path = path
    self.limits = limits
    openFile()
  }

  private mutating func openFile() {
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    size = file >= 0 ? Int64(max(lseek(file, 0, SEEK_END), 0)) : 0
  }

  /// Takes what the module wrote.
  mutating func write(_ stream: LogChunk.Stream, _ bytes: some Collection<UInt8>, _ now: Timestamp)
  {
    var text = unfinished[stream] ?? []
    var lines: [UInt8] = []
    for byte in bytes {
      let isEnd = byte == 0x0A
      if !isEnd { text.append(byte) }
      guard isEnd || text.count >= LogLine.textLimit else { continue }
      let line = LogLine(time: now, stream: stream, isPartial: !isEnd, text: text).bytes
      if size + Int64(lines.count + line.count) > limits.fileBytes {
        put(lines)
        lines = []
        if size > 0 { rotate() }
      }
      lines += line
      text = []
    }
    unfinished[stream] = text
    put(lines)
  }

  /// The module is over: writes what has no end.
  mutating func finish(_ now: Timestamp) {
    for stream in [LogChunk.Stream.output, .error] where unfinished[stream]?.isEmpty == false {
      write(stream, [0x0A], now)
    }
    if file >= 0 { close(file) }
    file = -1
  }

  private mutating func put(_ lines: [UInt8]) {
    guard !lines.isEmpty else { return }
    // A full disk costs the log, and not the module.
    if file >= 0, (try? PrivateFile.write(lines.span, to: file, at: path)) != nil {
      size += Int64(lines.count)
    }
  }

  private mutating func rotate() {
    if file >= 0 { close(file) }
    for number in stride(from: limits.files - 1, to: 0, by: -1) {
      rename(number == 1 ? path : "\(path).\(number - 1)", "\(path).\(number)")
    }
    if limits.files == 1 { unlink(path) }
    openFile()
  }
}

import Glibc
import HubContract
import NIOPosix
import Platform

/// Reads what `LogWriter` writes.
struct LogReader {
  private let path: String
  private let query: LogQuery

  init(_ path: String, _ query: LogQuery) {
    self.path = path
    self.query = query
  }

  /// Hands the log to `sink`; with `follow` until `isOver` says so.
  func read(
    isOver: () -> Bool,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    var tail: [LogLine] = []
    let limit = query.tail.map { min(max($0, 0), 1_000_000) }
    var number = 1
    while PrivateFile.exists("\(path).\(number)"), number < 100 { number += 1 }
    var reading: OpenFile?
    defer { reading?.close() }
    for older in stride(from: number - 1, through: 0, by: -1) {
      reading?.close()
      reading = OpenFile(older == 0 ? path : "\(path).\(older)")
      while let lines = try reading?.lines(), !lines.isEmpty {
        for line in lines where isWanted(line) {
          guard let limit else {
            try await sink(line.chunk(withTime: query.timestamps))
            continue
          }
          tail.append(line)
          // Twice as many, so that the front is not dropped one by one.
          if tail.count > max(limit * 2, 64) { tail.removeFirst(tail.count - limit) }
        }
        await Task.yield()
      }
    }
    if let limit {
      for line in tail.suffix(limit) { try await sink(line.chunk(withTime: query.timestamps)) }
    }
    guard query.follow else { return }
    while true {
      // Asked first: what is written before its end has to be read after it.
      let isLast = isOver()
      if reading == nil { reading = OpenFile(path) }
      while let lines = try reading?.lines(), !lines.isEmpty {
        for line in lines where isWanted(line) {
          try await sink(line.chunk(withTime: query.timestamps))
        }
      }
      if let open = reading, !open.isStill(at: path) {
        open.close()
        reading = nil
        continue
      }
      if isLast { return }
      if let until = query.until, Timestamp(ticks: SystemClock.wallTicks()) > until { return }
      try await Pause.sleep(for: .milliseconds(200))
    }
  }

  private func isWanted(_ line: LogLine) -> Bool {
    if let since = query.since, line.time < since { return false }
    if let until = query.until, line.time > until { return false }
    return true
  }
}

/// A file of a log that is being read, line by line.
private struct OpenFile {
  private let file: Int32
  private let path: String
  private var rest: [UInt8] = []

  /// What is read at once, in bytes.
  private static let portion = 256 << 10

  init?(_ path: String) {
    file = open(path, O_RDONLY | O_CLOEXEC)
    self.path = path
    guard file >= 0 else { return nil }
  }

  func close() { Glibc.close(file) }

  /// The next lines; none at the end of what was written so far.
  mutating func lines() throws -> [LogLine] {
    var found: [LogLine] = []
    while found.isEmpty {
      var portion = [UInt8](repeating: 0, count: Self.portion)
      let count = read(file, &portion, portion.count)
      guard count >= 0 else { throw FileFault("read", path) }
      if count == 0 { return [] }
      rest += portion[..<count]
      var parts = rest.split(separator: 0x0A, omittingEmptySubsequences: false)
      let last = parts.popLast() ?? []
      found = parts.compactMap { LogLine($0) }
      // Nothing that is written here is as long as that.
      rest = last.count > 2 * LogLine.textLimit ? [] : Array(last)
    }
    return found
  }

  /// Whether the name still leads to this file.
  func isStill(at path: String) -> Bool {
    var (own, current) = (stat(), stat())
    guard fstat(file, &own) == 0, stat(path, &current) == 0 else { return false }
    return own.st_ino == current.st_ino && own.st_dev == current.st_dev
  }
}

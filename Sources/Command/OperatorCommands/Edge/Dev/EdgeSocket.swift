import AsyncHTTPClient
import ByteIO
import Containers
import JSONTree
import NIOCore
import NIOHTTP1
import Platform

/// Asks the processes of an edge on this machine over their sockets (edge contract section 4).
struct EdgeSocket: Sendable {
  private static let version = "2022-08-03"
  private static let answerBytes = 1 << 20

  private let client: HTTPClient
  private let base: String

  init(_ path: String, _ client: HTTPClient) {
    base = "http+unix://" + PercentCoding.encode(path)
    self.client = client
  }

  private func url(_ path: [String], _ query: String) -> String {
    base + path.map { "/" + PercentCoding.encode($0) }.joined()
      + "?api-version=\(Self.version)" + query
  }

  /// A JSON answer; nil while there is none.
  func get(_ path: String...) async -> JSONValue? {
    let request = HTTPClientRequest(url: url(path, ""))
    guard let answer = try? await client.execute(request, timeout: .seconds(5)),
      answer.status == .ok, let bytes = try? await answer.body.collect(upTo: Self.answerBytes)
    else { return nil }
    return try? JSON.parse(Array(bytes.readableBytesView))
  }

  /// Stops and starts a module; whether that was done.
  func restart(_ module: String) async -> Bool {
    var request = HTTPClientRequest(url: url(["modules", module, "restart"], ""))
    request.method = .POST
    let answer = try? await client.execute(request, timeout: .seconds(60))
    return answer.map { (200..<300).contains($0.status.code) } ?? false
  }

  /// Hands what a module writes to `sink`, line by line, over its restarts, until the task is
  /// cancelled.
  func follow(_ module: String, _ sink: @Sendable (String) -> Void) async throws {
    var last = ""
    while true {
      try Task.checkCancellation()
      let since = last.isEmpty ? "" : "&since=\(PercentCoding.encode(last))"
      let request = HTTPClientRequest(
        url: url(["modules", module, "logs"], "&follow=true&timestamps=true\(since)")
      )
      let seen = last
      var lines = TimedLines()
      if let answer = try? await client.execute(request, timeout: .hours(24 * 365)),
        answer.status == .ok
      {
        do {
          for try await part in answer.body {
            for (time, text) in lines.receive(Array(part.readableBytesView)) where time > seen {
              last = max(last, time)
              sink(text)
            }
          }
        } catch {
          // It ended with the module, or with the agent; another turn finds out.
        }
      }
      try await Pause.sleep(for: .milliseconds(300))
    }
  }
}

/// Makes lines of a log's frames, each of which begins with its time.
struct TimedLines {
  private var frames = LogFrames(isFramed: true)
  private var open: [LogChunk.Stream: [UInt8]] = [:]

  /// The lines that are whole by now.
  mutating func receive(_ bytes: [UInt8]) -> [(time: String, text: String)] {
    var found: [(time: String, text: String)] = []
    for chunk in (try? frames.receive(bytes)) ?? [] {
      var parts = ((open[chunk.stream] ?? []) + chunk.bytes)
        .split(separator: 0x0A, omittingEmptySubsequences: false)
      open[chunk.stream] = parts.popLast().map { Array($0) }
      for part in parts {
        let words = String(decoding: part, as: UTF8.self)
          .split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        found.append((words.first.map(String.init) ?? "", words.count > 1 ? String(words[1]) : ""))
      }
    }
    return found
  }
}

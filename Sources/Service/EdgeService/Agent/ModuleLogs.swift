import Containers
import EdgeEngine
import HubContract
import JSONTree
import ByteIO

/// Gathers logs of modules as direct methods ask for them (edge contract section 3.8).
struct ModuleLogs: Sendable {
  let agent: ModuleAgent
  let identity: EdgeIdentity

  /// The most bytes of one module's log that are gathered.
  static let limit = 64 << 20

  /// The logs of all modules that `items` name, each once, by the first item that names it.
  func gather(
    _ items: [AgentMethod.LogItem],
    _ form: AgentMethod.LogForm
  ) async throws -> [(module: String, bytes: [UInt8])] {
    var logs: [(module: String, bytes: [UInt8])] = []
    for module in try await agent.loggedModules() {
      guard let item = items.first(where: { $0.names(module) }) else { continue }
      let text = try await text(of: module, item.filter, isJSON: form.isJSON)
      logs.append((module, form.isCompressed ? Deflate.gzip(text) : text))
    }
    guard !logs.isEmpty else {
      throw RuntimeFault(
        .notFound,
        "No module is called \(items.map { "\"\($0.id)\"" }.joined(separator: " or "))."
      )
    }
    return logs
  }

  /// The log of a module.
  func text(of module: String, _ filter: LogFilter, isJSON: Bool) async throws -> [UInt8] {
    let runtime = try await agent.existing(module)
    let judge = LogLineFilter(filter)
    var query = LogQuery(since: filter.since, until: filter.until)
    // With a judgement of lines only the judged ones count.
    if judge.wantsAll { query.tail = filter.tail }
    var lines: [(stream: LogChunk.Stream, text: String)] = []
    var size = 0
    var unfinished: [LogChunk.Stream: [UInt8]] = [:]
    func take(_ stream: LogChunk.Stream, _ bytes: [UInt8]) throws {
      let line = String(decoding: bytes.last == 0x0D ? bytes.dropLast() : bytes[...], as: UTF8.self)
      guard judge.wants(line) else { return }
      size += bytes.count
      guard size <= Self.limit else {
        throw RuntimeFault(
          .refused,
          "The log of \(module) has more than \(Self.limit >> 20) MiB; ask for less with tail or since."
        )
      }
      lines.append((stream, line))
    }
    try await runtime.logs(of: module, query) { chunk in
      var parts = chunk.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      let last = parts.popLast() ?? []
      for part in parts {
        try take(chunk.stream, (unfinished[chunk.stream] ?? []) + part)
        unfinished[chunk.stream] = nil
      }
      if !last.isEmpty { unfinished[chunk.stream, default: []] += last }
    }
    for (stream, rest) in unfinished where !rest.isEmpty { try take(stream, rest) }
    if let tail = filter.tail { lines = lines.suffix(tail) }
    var bytes: [UInt8] = []
    for line in lines {
      if isJSON {
        let object = ParsedLogLine(line.text).json(
          hub: identity.hubHostName,
          deviceID: identity.deviceID,
          module: module,
          stream: line.stream == .output ? "stdout" : "stderr"
        )
        bytes += JSON.bytes(.object(object))
      } else {
        bytes += line.text.utf8
      }
      bytes.append(0x0A)
    }
    return bytes
  }
}

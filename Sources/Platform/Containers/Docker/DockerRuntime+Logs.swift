import HubContract
import JSONTree

extension DockerRuntime {
  package func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws {
    let container = try await inspect(name)
    var frames = LogFrames(isFramed: container["Config"]?["Tty"]?.boolValue != true)
    var parameters = [
      (name: "stdout", value: "true"), (name: "stderr", value: "true"),
      (name: "follow", value: String(query.follow)),
      (name: "timestamps", value: String(query.timestamps)),
      (name: "tail", value: query.tail.map { String($0) } ?? "all"),
    ]
    if let since = query.since { parameters.append(("since", Self.seconds(since))) }
    if let until = query.until { parameters.append(("until", Self.seconds(until))) }
    try await client.stream(
      EngineClient.Request(
        path: ["containers", name, "logs"],
        query: parameters,
        subject: "Reading the log of \(name)"
      )
    ) { bytes in
      let chunks: [LogChunk]
      do {
        chunks = try frames.receive(bytes)
      } catch {
        throw RuntimeFault(
          .failed,
          "Reading the log of \(name): the container engine sent what are no frames of a log."
        )
      }
      for chunk in chunks { try await sink(chunk) }
    }
  }

  /// Seconds with a fraction, as the engine takes times.
  private static func seconds(_ time: Timestamp) -> String {
    let fraction = String(time.ticks - time.seconds * Timestamp.ticksPerSecond)
    return "\(time.seconds)." + String(repeating: "0", count: 7 - fraction.count) + fraction
  }

  package func usage(of name: String) async throws -> ModuleUsage {
    let stats = try await client.perform(
      EngineClient.Request(
        path: ["containers", name, "stats"],
        query: [("stream", "false"), ("one-shot", "true")],
        subject: "Measuring \(name)"
      )
    )
    return ModuleUsage(stats: stats)
  }
}

extension ModuleUsage {
  /// Reads the engine's statistics.
  init(stats: JSONValue) {
    self.init()
    memoryBytes = stats["memory_stats"]?["usage"]?.int64Value
    memoryLimitBytes = stats["memory_stats"]?["limit"]?.int64Value
    processorNanoseconds = stats["cpu_stats"]?["cpu_usage"]?["total_usage"]?.int64Value
    processCount = stats["pids_stats"]?["current"]?.int64Value
    if let networks = stats["networks"]?.objectValue {
      networkInBytes = Self.sum(networks.values.map { $0["rx_bytes"] })
      networkOutBytes = Self.sum(networks.values.map { $0["tx_bytes"] })
    }
    if let entries = stats["blkio_stats"]?["io_service_bytes_recursive"]?.arrayValue {
      func bytes(_ operation: String) -> Int64 {
        Self.sum(
          entries.filter { $0["op"]?.stringValue?.lowercased() == operation }.map { $0["value"] }
        )
      }
      (diskReadBytes, diskWriteBytes) = (bytes("read"), bytes("write"))
    }
  }

  private static func sum(_ values: [JSONValue?]) -> Int64 {
    values.reduce(0) { $0.addingReportingOverflow($1?.int64Value ?? 0).partialValue }
  }
}

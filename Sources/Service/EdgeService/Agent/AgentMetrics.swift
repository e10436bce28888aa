package import ByteIO
package import Containers
package import EdgeEngine
import JSONTree
package import Platform
import Synchronization

/// The agent's figures, with the names that existing dashboards use (edge contract section 10).
package final class AgentMetrics: Sendable {
  /// For how long a module ran well, and should have run, in milliseconds.
  private struct Availability: Equatable {
    var well: Int64 = 0
    var expected: Int64 = 0
  }

  private struct State {
    var table = MetricTable()
    var availability: [String: Availability] = [:]
    var versions: [String: String] = [:]
    /// The processor time at the last measurement, by module.
    var processors: [String: (nanoseconds: Int64, time: Instant)] = [:]
    var deploymentBegan: Instant?
    var kept: (availability: [String: Availability], time: Instant)?
  }

  /// The name that the figures of the whole machine have in place of a module's.
  private static let host = "_host_"
  /// Milliseconds between two writes of the availability.
  private static let keepMilliseconds: UInt64 = 300_000
  /// Modules whose availability is known.
  private static let moduleLimit = MetricTable.seriesLimit

  private let state: Mutex<State>
  private let labels: [(String, String)]
  private let path: String?
  private let start = SystemClock.now()

  /// Figures with these labels; the availability goes on from what is kept at `path`, if there is one.
  package init(labels: [(String, String)], path: String? = nil) {
    self.labels = labels
    self.path = path
    var state = State()
    if let path, let bytes = try? PrivateFile.read(path), let kept = try? JSON.parse(bytes) {
      for (name, times) in (kept.objectValue ?? [:]).prefix(Self.moduleLimit) {
        guard let well = times["well"]?.int64Value, let expected = times["expected"]?.int64Value
        else { continue }
        state.availability[name] = Availability(well: well, expected: expected)
      }
    }
    self.state = Mutex(state)
  }

  /// A pass has seen the machine, so long after the one before.
  package func observed(
    _ machine: [ModuleObservation],
    wanted: AgentConfiguration?,
    milliseconds: Int64
  ) {
    let running = Set(machine.filter { $0.state == .running }.map(\.name))
    state.withLock { state in
      for module in wanted?.allModules ?? [] {
        state.versions[module.name] = module.version
        guard module.status == .running,
          state.availability[module.name] != nil || state.availability.count < Self.moduleLimit
        else { continue }
        state.availability[module.name, default: Availability()].expected += milliseconds
        if running.contains(module.name) {
          state.availability[module.name]?.well += milliseconds
        }
      }
    }
    keep(isLast: false)
  }

  /// Keeps the availability, when it is time or `isLast`.
  package func keep(isLast: Bool) {
    guard let path else { return }
    let now = SystemClock.now()
    let due = state.withLock { state -> [String: Availability]? in
      let kept = state.kept ?? ([:], start)
      guard isLast || now.milliseconds(since: kept.time) >= Self.keepMilliseconds,
        kept.availability != state.availability
      else { return nil }
      state.kept = (state.availability, now)
      return state.availability
    }
    guard let due else { return }
    var json = JSONObject()
    for (name, times) in due {
      json[name] = ["well": .int(times.well), "expected": .int(times.expected)]
    }
    // It is tried again in a while; a count that begins anew harms nobody.
    try? PrivateFile.replace(path, with: JSON.bytes(.object(json)))
  }

  /// A step is over.
  package func performed(_ step: AgentStep, milliseconds: Int64) {
    let command: String
    var counts: [EdgeMetric] = []
    switch step {
    case .pull, .updateAgent: return
    case .stop: (command, counts) = ("stop", [.moduleStops])
    case .remove: command = "remove"
    case .create: (command, counts) = ("create", [.moduleStarts])
    case .replace: (command, counts) = ("update", [.moduleUpdates, .moduleStarts])
    case .start: (command, counts) = ("start", [.moduleStarts])
    case .restart: (command, counts) = ("restart", [.moduleStops, .moduleStarts])
    }
    let name = step.module ?? ""
    state.withLock { state in
      for metric in counts { state.table.count(metric, [name, state.versions[name] ?? ""]) }
      state.table.record(
        .commandTime,
        [command],
        UInt64(clamping: milliseconds) * 1_000,
        now: SystemClock.now()
      )
    }
  }

  /// A new deployment has come.
  package func deploymentBegan() { state.withLock { $0.deploymentBegan = SystemClock.now() } }

  /// The machine is as the last deployment says.
  package func deploymentIsDone() {
    state.withLock { state in
      guard let began = state.deploymentBegan.take() else { return }
      let now = SystemClock.now()
      state.table.record(.deploymentTime, [], now.microseconds(since: began), now: now)
    }
  }

  /// A direct method was called.
  package func called(_ method: String) {
    state.withLock { $0.table.count(.methodCalls, [method]) }
  }

  /// The twin was read, or could not be.
  package func synchronised(_ isDone: Bool) {
    state.withLock { $0.table.count(isDone ? .syncs : .failedSyncs) }
  }

  /// An image was not run since its digest or its signature is not what is asked for.
  package func refusedImage() { state.withLock { $0.table.count(.refusedImages) } }

  /// What modules and the whole machine use.
  package func measured(_ usage: [String: ModuleUsage], host: HostUsage, now: Instant) {
    state.withLock { state in
      var table = state.table
      for (name, used) in usage.merging([Self.host: host.usage], uniquingKeysWith: { $1 }) {
        let figures: [(EdgeMetric, Int64?)] = [
          (.memoryUsed, used.memoryBytes), (.memorySize, used.memoryLimitBytes),
          (.processes, used.processCount), (.networkIn, used.networkInBytes),
          (.networkOut, used.networkOutBytes), (.diskRead, used.diskReadBytes),
          (.diskWrite, used.diskWriteBytes),
        ]
        for case (let metric, let value?) in figures {
          table.set(metric, [name], to: Double(value))
        }
        let before = state.processors[name]
        state.processors[name] = used.processorNanoseconds.map { ($0, now) }
        if let before, let time = used.processorNanoseconds, time >= before.nanoseconds,
          now > before.time
        {
          let elapsed = Double(now.nanoseconds - before.time.nanoseconds)
          let share = Double(time - before.nanoseconds) / elapsed
          // In thousandths of a percent.
          let percent = share / Double(Machine.usableProcessors) * 100_000
          table.record(.processorPercent, [name], UInt64(percent), now: now)
        }
      }
      for disk in host.disks {
        let labels = [disk.name, disk.fileSystem, disk.kind]
        table.set(.diskFree, labels, to: Double(disk.freeBytes))
        table.set(.diskSize, labels, to: Double(disk.totalBytes))
      }
      state.table = table
    }
  }

  /// What runs here.
  package func runs(_ version: String, on platform: RuntimePlatform) {
    let host: JSONObject = [
      "OperatingSystemType": .string(platform.os),
      "Architecture": .string(platform.architecture), "Version": .string(platform.version),
    ]
    let labels = [version, "{}", String(decoding: JSON.bytes(.object(host)), as: UTF8.self)]
    state.withLock { $0.table.set(.metadata, labels, to: 0) }
  }

  /// The figures at this moment.
  package func samples() -> [PrometheusMetrics.Sample] {
    let now = SystemClock.now()
    let state = state.withLock { $0 }
    var samples = state.table.samples(now: now)
    for (name, times) in state.availability {
      samples.append(MetricSample(.timeWell, [name], Double(times.well) / 1_000))
      samples.append(MetricSample(.timeExpected, [name], Double(times.expected) / 1_000))
    }
    samples.append(MetricSample(.hostUptime, [], HostUsage.uptime()))
    let uptime = Double(now.milliseconds(since: start)) / 1_000
    samples.append(MetricSample(.runtimeUptime, [], uptime))
    // Counters that have not counted yet are there too.
    for metric in [EdgeMetric.syncs, .failedSyncs, .refusedImages]
    where !samples.contains(where: { $0.name == metric.name }) {
      samples.append(MetricSample(metric, [], 0))
    }
    return samples.map { $0.prometheus(labels) }
  }
}

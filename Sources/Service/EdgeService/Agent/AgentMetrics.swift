package import Containers
package import EdgeEngine
package import Platform
import Synchronization

/// The agent's figures, with the names that existing dashboards use (edge contract section 10).
package final class AgentMetrics: Sendable {
  private struct Module {
    var version = ""
    var wellMilliseconds: Int64 = 0
    var expectedMilliseconds: Int64 = 0
    var starts = 0
    var stops = 0
    var updates = 0
    var usage: ModuleUsage?
  }

  private struct State {
    var modules: [String: Module] = [:]
    var commands: [String: (seconds: Double, count: Int)] = [:]
    var methods: [String: Int] = [:]
    var syncs = 0
    var failedSyncs = 0
  }

  private let state = Mutex(State())
  private let labels: [(String, String)]

  /// Figures of one device; `instance` is new at every start.
  package init(hub: String, deviceID: String, instance: String) {
    labels = [
      ("iothub", hub), ("edge_device", deviceID), ("instance_number", instance),
    ]
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
        state.modules[module.name, default: Module()].version = module.version
        guard module.status == .running else { continue }
        state.modules[module.name]?.expectedMilliseconds += milliseconds
        if running.contains(module.name) {
          state.modules[module.name]?.wellMilliseconds += milliseconds
        }
      }
    }
  }

  /// A step is over.
  package func performed(_ step: AgentStep, milliseconds: Int64) {
    state.withLock { state in
      let name = step.module ?? ""
      func count(_ path: WritableKeyPath<Module, Int>) {
        state.modules[name, default: Module()][keyPath: path] += 1
      }
      let command: String
      switch step {
      case .pull, .updateAgent: return
      case .stop:
        command = "stop"
        count(\.stops)
      case .remove: command = "remove"
      case .create:
        command = "create"
        count(\.starts)
      case .replace:
        command = "update"
        count(\.updates)
        count(\.starts)
      case .start:
        command = "start"
        count(\.starts)
      case .restart:
        command = "restart"
        count(\.starts)
        count(\.stops)
      }
      state.commands[command, default: (0, 0)].seconds += Double(milliseconds) / 1000
      state.commands[command]?.count += 1
    }
  }

  /// A direct method was called.
  package func called(_ method: String) {
    state.withLock { $0.methods[method, default: 0] += 1 }
  }

  /// The twin was read, or could not be.
  package func synchronised(_ isDone: Bool) {
    state.withLock { state in
      if isDone { state.syncs += 1 } else { state.failedSyncs += 1 }
    }
  }

  /// What modules use, by name.
  package func measured(_ usage: [String: ModuleUsage]) {
    state.withLock { state in
      for name in state.modules.keys { state.modules[name]?.usage = usage[name] }
    }
  }

  /// The figures at this moment.
  package func samples() -> [PrometheusMetrics.Sample] {
    let state = state.withLock { $0 }
    var samples: [PrometheusMetrics.Sample] = []
    func add(
      _ name: String,
      _ kind: PrometheusMetrics.Kind,
      _ help: String,
      _ more: [(String, String)] = [],
      _ value: Double
    ) {
      samples.append(.init(name, kind, help, labels: labels + more, value: value))
    }
    add("edgeAgent_iothub_syncs_total", .counter, "Readings of the twin.", [], Double(state.syncs))
    add(
      "edgeAgent_unsuccessful_iothub_syncs_total",
      .counter,
      "Readings of the twin that failed.",
      [],
      Double(state.failedSyncs)
    )
    for (name, module) in state.modules {
      let own = [("module_name", name)]
      let versioned = own + [("module_version", module.version)]
      add(
        "edgeAgent_total_time_running_correctly_seconds",
        .gauge,
        "Time that the module ran as it should.",
        own,
        Double(module.wellMilliseconds) / 1000
      )
      add(
        "edgeAgent_total_time_expected_running_seconds",
        .gauge,
        "Time that the module should have run.",
        own,
        Double(module.expectedMilliseconds) / 1000
      )
      let counts = [
        ("edgeAgent_module_start_total", "Starts of the module.", module.starts),
        ("edgeAgent_module_stop_total", "Stops of the module.", module.stops),
        ("edgeAgent_module_prepare_update_total", "Updates of the module.", module.updates),
      ]
      for (name, help, count) in counts { add(name, .counter, help, versioned, Double(count)) }
      let uses = [
        ("edgeAgent_used_memory_bytes", "Memory that the module uses.", module.usage?.memoryBytes),
        ("edgeAgent_created_pids_total", "Processes of the module.", module.usage?.processCount),
        (
          "edgeAgent_total_network_in_bytes", "Bytes that the module received.",
          module.usage?.networkInBytes
        ),
        (
          "edgeAgent_total_network_out_bytes", "Bytes that the module sent.",
          module.usage?.networkOutBytes
        ),
        (
          "edgeAgent_total_disk_read_bytes", "Bytes that the module read from disks.",
          module.usage?.diskReadBytes
        ),
        (
          "edgeAgent_total_disk_write_bytes", "Bytes that the module wrote to disks.",
          module.usage?.diskWriteBytes
        ),
      ]
      for (name, help, value) in uses {
        if let value { add(name, .gauge, help, own, Double(value)) }
      }
    }
    for (command, figures) in state.commands {
      let name = "edgeAgent_command_latency_seconds"
      let help = "Time that steps took."
      add(name + "_sum", .counter, help, [("command", command)], figures.seconds)
      add(name + "_count", .counter, help, [("command", command)], Double(figures.count))
    }
    for (method, count) in state.methods {
      add(
        "edgeagent_direct_method_invocations_count",
        .counter,
        "Calls of direct methods.",
        [("method_name", method)],
        Double(count)
      )
    }
    return samples
  }
}

import ArgumentParser
import EdgeService
import Endpoints
import JSONTree
import OperatorCommands
import Platform

/// `orrery-edge system`: the processes of the edge.
struct SystemCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "system",
    abstract: "Look after the processes of the edge: keys, agent and hub.",
    discussion: """
      They ask the supervisor ('orrery-edge run') over its socket in --run-dir, which only its own user, \
      root and, for a few orders, the agent can use.

        orrery-edge system status
        orrery-edge system restart hub
        orrery-edge system set-log-level debug
        orrery-edge system logs hub --tail 100 -f
      """,
    subcommands: [
      SystemStatus.self, SystemRestart.self, SystemStop.self, SystemLogs.self,
      SystemLogLevel.self, SystemReprovision.self,
    ]
  )
}

extension EdgeRole: ExpressibleByArgument {}

/// Where a command finds the supervisor.
struct SupervisorAddress: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp("Directory of the sockets.", valueName: "dir"),
    completion: .directory
  )
  var runDir = EdgePaths.standardRun

  var paths: EdgePaths { EdgePaths(run: SettingsOptions.absolute(runDir)) }

  /// Gives an order.
  @discardableResult
  func ask(_ order: SupervisorOrder) throws(CommandFailure) -> JSONValue {
    do throws(SupervisorClient.Failure) {
      return try SupervisorClient.ask(order, at: paths.supervisorSocket)
    } catch {
      throw CommandFailure(.unreachable, error.description, remedy: error.remedy)
    }
  }
}

struct SystemStatus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show each process: since when it runs, and how it ended last."
  )

  @OptionGroup var supervisor: SupervisorAddress

  @Option(name: .shortAndLong, help: "table or json.")
  var output: OutputFormat?

  func run() throws {
    let answer = try supervisor.ask(.status)
    Printer(output).show(answer) { printer in
      var table = Table(["PROCESS", "STATE", "PID", "SINCE", "RESTARTS", "LAST END"])
      for process in answer["processes"]?.arrayValue ?? [] {
        let state = process["state"]?.stringValue ?? "-"
        table.append([
          Cell(process["role"]?.stringValue ?? "-", .strong),
          Cell(state, state == "running" ? .good : .bad),
          Cell(process["pid"]?.int64Value.map { "\($0)" } ?? "-"),
          Cell(Self.span(process["seconds"]?.int64Value ?? 0)),
          Cell("\(process["restarts"]?.int64Value ?? 0)"),
          Cell(process["lastEnding"]?.stringValue ?? "-"),
        ])
      }
      printer.table(table, none: "nothing runs")
    }
  }

  /// A span of time in its two largest units.
  static func span(_ seconds: Int64) -> String {
    let parts = [
      (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"),
      (seconds % 60, "s"),
    ]
    let shown = parts.drop { $0.0 == 0 }.prefix(2)
    return shown.isEmpty ? "0s" : shown.map { "\($0.0)\($0.1)" }.joined(separator: " ")
  }
}

struct SystemRestart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart",
    abstract: "Stop processes and start them again; waits until they run.",
    discussion: "The agent stops its modules before it ends, and starts them when it is back."
  )

  @Argument(help: "keys, agent or hub; without one, all three.")
  var role: EdgeRole?

  @OptionGroup var supervisor: SupervisorAddress

  /// A process that does not stop is killed after a minute.
  private static let seconds = 70

  func run() async throws {
    let roles = role.map { [$0] } ?? EdgeRole.allCases
    let before = try processIDs()
    try supervisor.ask(.restart(roles))
    for _ in 0..<(Self.seconds * 5) {
      try await Pause.sleep(for: .milliseconds(200))
      let now = try processIDs()
      if roles.allSatisfy({ now[$0] != nil && now[$0] != before[$0] }) {
        let names = roles.map(\.rawValue).joined(separator: ", ")
        return Printer(nil).done("restarted \(names)")
      }
    }
    throw CommandFailure(
      .timedOut,
      "not all of them run again after \(Self.seconds) s",
      remedy: "'orrery-edge system status' shows them, 'orrery-edge system logs' says why."
    )
  }

  private func processIDs() throws(CommandFailure) -> [EdgeRole: Int64] {
    var found: [EdgeRole: Int64] = [:]
    for process in try supervisor.ask(.status)["processes"]?.arrayValue ?? [] {
      guard let role = process["role"]?.stringValue.flatMap({ EdgeRole(rawValue: $0) }) else {
        continue
      }
      found[role] = process["pid"]?.int64Value
    }
    return found
  }
}

struct SystemStop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "Stop the whole edge, modules included, as SIGTERM does.",
    discussion: "It returns at once; stopping takes up to a minute."
  )

  @OptionGroup var supervisor: SupervisorAddress

  func run() throws {
    try supervisor.ask(.stop)
    Printer(nil).done("the edge stops")
  }
}

struct SystemLogLevel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-log-level",
    abstract: "Let the processes log more or less, at once, without a restart.",
    discussion: """
      It holds until the supervisor ends; for longer set level in [logging]. Without a level it is \
      that of the settings again.
      """
  )

  @Argument(help: "debug, info, notice, warning or error.")
  var level: String?

  @OptionGroup var supervisor: SupervisorAddress

  func validate() throws {
    guard let level, !SupervisorOrder.levels.contains(level) else { return }
    throw ValidationError("the level is one of \(SupervisorOrder.levels.joined(separator: ", "))")
  }

  func run() throws {
    try supervisor.ask(.logLevel(level))
    Printer(nil).done("the processes log from \(level ?? "the level of the settings") on")
  }
}

struct SystemReprovision: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reprovision",
    abstract: "Ask the provisioning service again who this device is.",
    discussion: "If it is another one then, everything starts again."
  )

  @OptionGroup var supervisor: SupervisorAddress

  func run() async throws {
    let client = LocalClient(.unix(path: supervisor.paths.identitySocket))
    do throws(LocalClient.Failure) {
      _ = try await client.call("POST", ["device", "reprovision"])
      await client.close()
    } catch {
      await client.close()
      throw CommandFailure(
        .unreachable,
        error.description,
        remedy: "Does the keys process run? 'orrery-edge system status' shows it."
      )
    }
    Printer(nil).done("asked for")
  }
}

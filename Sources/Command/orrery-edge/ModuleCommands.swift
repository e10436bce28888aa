import ArgumentParser
import Containers
import EdgeService
import Endpoints
import JSONTree
import OperatorCommands

/// Where a command finds the agent.
struct AgentAddress: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The agent's management API: unix:///path or http://host:port. Otherwise IOTEDGE_HOST says it, "
        + "or it is the socket in --run-dir.",
      valueName: "uri"
    )
  )
  var host: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Directory of the sockets.", valueName: "dir"),
    completion: .directory
  )
  var runDir = EdgePaths.standardRun

  /// The way to the agent.
  func client() throws(CommandFailure) -> LocalClient {
    guard let text = host ?? ProcessEnvironment.variables["IOTEDGE_HOST"] else {
      return LocalClient(.unix(path: EdgePaths(run: runDir).managementSocket))
    }
    guard let address = SocketAddressURI(text) else {
      throw CommandFailure(
        .usage,
        "the address of the management API must be like unix:///path or http://127.0.0.1:15580, not "
          + "\"\(text)\""
      )
    }
    return LocalClient(address)
  }

  /// Does something with the agent, and tells failures as such of a command.
  func withAgent<Result>(
    _ body: (LocalClient) async throws -> Result
  ) async throws -> Result {
    let client = try client()
    do {
      let result = try await body(client)
      await client.close()
      return result
    } catch let failure as LocalClient.Failure {
      await client.close()
      switch failure.status {
      case 404: throw CommandFailure(.notFound, failure.description)
      case 403: throw CommandFailure(.unauthorized, failure.description)
      case 409: throw CommandFailure(.conflict, failure.description)
      case nil:
        throw CommandFailure(
          .unreachable,
          failure.description,
          remedy: "Does 'orrery-edge run' run, and may this user (try root) use its socket?"
        )
      default: throw CommandFailure(.failure, failure.description)
      }
    } catch {
      await client.close()
      throw error
    }
  }
}

/// `orrery-edge list`.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Show the modules on this machine, and how they are."
  )

  @OptionGroup var agent: AgentAddress

  @Option(name: .shortAndLong, help: "table or json.")
  var output: OutputFormat?

  func run() async throws {
    let answer = try await agent.withAgent { try await $0.call("GET", ["modules"]) }
    let modules = answer["modules"]?.arrayValue ?? []
    Printer(output).show(.array(modules)) { printer in
      var table = Table(["NAME", "STATUS", "DESCRIPTION", "CONFIG"])
      for module in modules {
        let state = module["status"]?["runtimeStatus"]
        table.append([
          Cell(Self.text(module["name"])), Cell(Self.text(state?["status"])),
          Cell(Self.text(state?["description"])),
          Cell(Self.text(module["config"]?["settings"]?["image"])),
        ])
      }
      printer.table(table, none: "no modules: nothing is deployed yet")
    }
  }

  private static func text(_ value: JSONValue?) -> String { value?.stringValue ?? "-" }
}

/// `orrery-edge restart`.
struct RestartCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart",
    abstract: "Stop a module and start it again."
  )

  @Argument(help: "The module's name.")
  var module: String

  @OptionGroup var agent: AgentAddress

  func run() async throws {
    _ = try await agent.withAgent { try await $0.call("POST", ["modules", module, "restart"]) }
    Printer(nil).done("restarted \(module)")
  }
}

/// `orrery-edge logs`.
struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Print what a module has written."
  )

  @Argument(help: "The module's name.")
  var module: String

  @Option(name: .long, help: ArgumentHelp("So many lines at the end.", valueName: "n"))
  var tail: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "From then on: a time, seconds since 1970, or a span like 1d.",
      valueName: "t"
    )
  )
  var since: String?

  @Option(name: .long, help: ArgumentHelp("Up to then; see --since.", valueName: "t"))
  var until: String?

  @Flag(name: .shortAndLong, help: "Go on with what it writes from now on.")
  var follow = false

  @Flag(name: .long, help: "Begin each line with its time.")
  var timestamps = false

  @OptionGroup var agent: AgentAddress

  func run() async throws {
    var query: [(name: String, value: String)] = []
    if let tail { query.append(("tail", tail)) }
    if let since { query.append(("since", since)) }
    if let until { query.append(("until", until)) }
    if follow { query.append(("follow", "true")) }
    if timestamps { query.append(("timestamps", "true")) }
    let console = Console.current
    try await agent.withAgent { client in
      var frames = LogFrames(isFramed: true)
      try await client.stream(["modules", module, "logs"], query: query) { bytes in
        for chunk in (try? frames.receive(bytes)) ?? [] {
          let text = String(decoding: chunk.bytes, as: UTF8.self)
          // As the module wrote them, so that a shell can tell them apart too.
          if chunk.stream == .output { console.writeOutput(text) } else { console.writeError(text) }
        }
      }
    }
  }
}

import ArgumentParser
import Glibc
import OperatorCommands
import Platform

/// The gateway's program: its processes, and what an operator does with them.
@main
struct OrreryEdge: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orrery-edge",
    abstract: "Your own IoT edge: modules, a local hub and leaf devices on your gateway.",
    discussion: """
      Write /etc/orrery/edge.toml and try it:

        orrery-edge config check
        orrery-edge run

      Exit status: 0 done; 153 the settings cannot be used, so starting again does not help; \
      154 the device has become another one, start again at once; 1 anything else.
      """,
    subcommands: [
      RunCommand.self, KeysCommand.self, AgentCommand.self, HubCommand.self, ConfigCommand.self,
      ListCommand.self, LogsCommand.self, RestartCommand.self, ModuleShimCommand.self,
      ModuleLaunchCommand.self,
    ]
  )

  static func main() async {
    // What the roles write is theirs alone: keys, tokens, messages.
    umask(0o077)
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let fault as SettingsFault {
      complain("\(fault.problem)", fault.remedy)
      Glibc.exit(ExitStatus.settings)
    } catch let failure as CommandFailure {
      complain(failure.problem, failure.remedy)
      Glibc.exit(failure.status.rawValue)
    } catch let fault as FileFault {
      complain("\(fault)", fault.remedy)
      Glibc.exit(1)
    } catch {
      exit(withError: error)
    }
  }

  private static func complain(_ problem: String, _ remedy: String?) {
    let text = "orrery-edge: \(problem)\n" + (remedy.map { "  \($0)\n" } ?? "")
    _ = write(2, text, text.utf8.count)
  }
}

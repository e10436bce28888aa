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
      From nothing to a running edge:

        orrery-edge config mp --connection-string-file -   write the settings
        orrery-edge check                                  what is wrong
        orrery-edge run                                    the edge itself
        orrery-edge list                                   the modules

      From the vendor's runtime: orrery-edge config import takes its settings over.

      --run-dir says which edge, and --config (/etc/orrery/edge.toml) and --data do for commands that \
      read settings. Every command explains itself, with examples: orrery-edge help check.

      Exit status: 0 done; 1 failed, the message says why; 2 wrong command line, or a part of an import \
      that has no counterpart; 3 what was named does not exist; 6 a process of the edge does not \
      answer; 153 the settings cannot be used, so starting again does not help; 154 the device has \
      become another one, start again at once.
      """,
    subcommands: [
      KeysCommand.self, AgentCommand.self, ModuleShimCommand.self, ModuleLaunchCommand.self,
      ModuleContainerCommand.self,
    ],
    groupedSubcommands: [
      CommandGroup(
        name: "Run it",
        subcommands: [RunCommand.self, SystemCommand.self, HubCommand.self]
      ),
      CommandGroup(name: "Set it up", subcommands: [ConfigCommand.self]),
      CommandGroup(
        name: "See what it does",
        subcommands: [ListCommand.self, LogsCommand.self, RestartCommand.self, RoutesCommand.self]
      ),
      CommandGroup(
        name: "Find what is wrong",
        subcommands: [
          CheckCommand.self, CheckListCommand.self, SupportBundleCommand.self, VersionCommand.self,
        ]
      ),
    ]
  )

  static func main() async {
    // What the roles write is theirs alone: keys, tokens, messages.
    umask(0o077)
    do {
      let words = Array(CommandLine.arguments.dropFirst())
      if let failure = UnknownSubcommand.failure(words, Self.self) { throw failure }
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
      // The status that operators' tools share, in place of the parser's own.
      guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
      let text = fullMessage(for: error) + "\n"
      _ = write(2, text, text.utf8.count)
      Glibc.exit(CommandStatus.usage.rawValue)
    }
  }

  private static func complain(_ problem: String, _ remedy: String?) {
    let text = "orrery-edge: \(problem)\n" + (remedy.map { "  \($0)\n" } ?? "")
    _ = write(2, text, text.utf8.count)
  }
}

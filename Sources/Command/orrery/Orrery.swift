import ArgumentParser
import Glibc
import OperatorCommands

/// The program: server roles and the operator's commands.
@main
struct Orrery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orrery",
    abstract: "Your own IoT hub: devices, twins, methods and telemetry on your machine.",
    discussion: """
      Start a hub that keeps its data where the other commands look for it, and try it:

        orrery hub --data .orrery
        orrery device create thermostat-1
        orrery simulate device thermostat-1
        orrery monitor events

      It prints connection strings and the line that each stock SDK needs. The other commands talk \
      to the hub that --connect or --data names, or ORRERY_CONNECTION_STRING with ORRERY_CA, or that \
      has its data in .orrery or /var/lib/orrery.

      Completions for your shell (bash, zsh or fish):

        orrery --generate-completion-script bash > /etc/bash_completion.d/orrery

      \(CommandStatus.help)
      """,
    version: Version.text,
    subcommands: [HubCommand.self] + OperatorCommands.all
  )

  static func main() async {
    let status = await CommandRunner.run(Self.self, Array(CommandLine.arguments.dropFirst()))
    Glibc.exit(status.rawValue)
  }
}

/// What this build calls itself.
enum Version {
  static let text = "0.1.0"
}

import ArgumentParser

/// The program: server roles and the operator's commands.
@main
struct Orrery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orrery",
    abstract: "Your own IoT hub: devices, twins, methods and telemetry on your machine.",
    discussion: """
      Start a hub that keeps nothing, for a try or for tests:

        orrery hub --ephemeral

      Start one that keeps its data:

        orrery hub --data ./hub-data

      It prints connection strings and the line that each stock SDK needs.
      """,
    version: Version.text,
    subcommands: [HubCommand.self]
  )
}

/// What this build calls itself.
enum Version {
  static let text = "0.1.0"
}

import ArgumentParser
import OperatorCommands

/// `orrery hub`: the server, and what an operator does with it.
struct HubCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hub",
    abstract: "Run the hub; look after it.",
    discussion: """
      Without the name of a subcommand it runs the hub; its options: orrery hub run --help

        orrery hub --ephemeral
        orrery hub --data /var/lib/orrery --names hub.example,10.0.0.5
        orrery hub --data ./d --set listen.mqtt_port=18883
        orrery hub --config /etc/orrery/hub.toml --check-config
        orrery hub status --data /var/lib/orrery
      """,
    subcommands: [HubRun.self] + OperatorCommands.ofHub,
    defaultSubcommand: HubRun.self
  )
}

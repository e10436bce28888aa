import ArgumentParser
import EdgeService
import Logging
import Platform

/// `orrery-edge keys`: the process that owns identity, keys and certificates.
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Run the keys process alone; 'run' starts it with the others.",
    shouldDisplay: false
  )

  @OptionGroup var options: SettingsOptions

  func run() async throws {
    let settings = try options.settings(of: .keys)
    settings.bootstrapLogging()
    let logger = Logger(label: "orrery.keys")
    let service = KeysService(
      settings: settings,
      environment: ProcessEnvironment.variables,
      logger: logger,
      onReady: { ServiceManager.notify("READY=1") }
    )
    do {
      try await RoleProcess.run(service)
    } catch is KeysService.Reprovisioned {
      throw ExitCode(ExitStatus.reprovisioned)
    }
  }
}

import ArgumentParser
import EdgeEngine
import EdgeService
import Logging
import Metrics
import Platform

/// `orrery-edge agent`: the process that runs modules.
struct AgentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agent",
    abstract: "Run the agent alone; 'run' starts it with the others.",
    shouldDisplay: false
  )

  @OptionGroup var options: SettingsOptions

  func run() async throws {
    let settings = try options.settings(of: .agent)
    settings.bootstrapLogging()
    let metrics = PrometheusMetrics()
    MetricsSystem.bootstrap(metrics)
    let service = try AgentService(
      settings: settings,
      version: EdgeVersion.runtime.version,
      metrics: metrics,
      environment: ProcessEnvironment.variables,
      logger: Logger(label: "orrery.agent"),
      onReady: { ServiceManager.notify("READY=1") }
    )
    try await RoleProcess.run(service)
  }
}

import EdgeService
import Logging
import Platform
import ServiceLifecycle
import UnixSignals

/// Runs one role of the edge in this process.
enum RoleProcess {
  /// Runs the service until SIGTERM, or until it fails.
  static func run(_ service: any Service) async throws {
    var configuration = ServiceGroupConfiguration(
      services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "orrery.lifecycle") { _ in SwiftLogNoOpLogHandler() }
    )
    // The start runs through most of the program once, and what comes later now and then through some
    // of it: what was not needed for a minute is not kept. Ends with the role.
    let release = Task {
      try await Pause.sleep(for: .seconds(5))
      while true {
        ProgramCode.release()
        try await Pause.sleep(for: .seconds(60))
      }
    }
    defer { release.cancel() }
    // The supervisor waits a minute, then kills.
    configuration.maximumGracefulShutdownDuration = .seconds(55)
    try await ServiceGroup(configuration: configuration).run()
  }
}

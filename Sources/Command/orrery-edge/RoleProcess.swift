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
    // By then the start is over, which ran through most of the program once; ends with the role.
    let release = Task {
      try await Pause.sleep(for: .seconds(5))
      ProgramCode.release()
    }
    defer { release.cancel() }
    // The supervisor waits a minute, then kills.
    configuration.maximumGracefulShutdownDuration = .seconds(55)
    try await ServiceGroup(configuration: configuration).run()
  }
}

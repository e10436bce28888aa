import Endpoints
import Logging
import Platform

/// Serves the workload API on a socket for each module, for as long as the module is there.
struct WorkloadSockets: Sendable {
  let api: WorkloadAPI
  let settings: EdgeSettings
  let logger: Logger

  /// Opens and closes sockets as it is told, until nothing is told any more and the sockets are closed.
  func run(_ changes: AsyncStream<WorkloadChange>) async {
    let directories = WorkloadDirectories(paths: settings.paths)
    await withDiscardingTaskGroup { group in
      var open: [String: LocalListener] = [:]
      for await change in changes {
        switch change {
        case .opened(let moduleID):
          guard open[moduleID] == nil else { continue }
          let (listener, task) = socket(moduleID, directories)
          open[moduleID] = listener
          group.addTask { await task() }
        case .closed(let moduleID):
          await open.removeValue(forKey: moduleID)?.stop()
          directories.remove(for: moduleID)
        }
      }
    }
  }

  /// A module's listener, and what runs it.
  private func socket(
    _ moduleID: String,
    _ directories: WorkloadDirectories
  ) -> (LocalListener, @Sendable () async -> Void) {
    let (api, logger) = (api, logger)
    let listener = LocalListener(
      .unix(path: settings.paths.workloadSocket(of: moduleID)),
      queue: RequestQueue(limit: settings.workloadRequests),
      logger: logger,
      respond: { try await api.respond(to: $0, from: .module(moduleID)) }
    )
    return (
      listener,
      {
        do {
          try directories.make(for: moduleID)
          try await listener.run()
        } catch is CancellationError {
          return
        } catch {
          // The module is told by its own client; the others go on.
          logger.error(
            "a module has no workload socket",
            metadata: ["module": "\(moduleID)", "error": "\(error)"]
          )
        }
      }
    )
  }
}

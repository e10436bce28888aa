import Glibc
import UnixSignals

/// How work that runs until somebody stops it came to its end.
enum Ending: Sendable {
  /// By itself.
  case finished
  /// By Ctrl-C, or by a supervisor's SIGTERM.
  case interrupted
}

/// Runs `body` until it returns or the process is asked to stop, which cancels it.
///
/// The first signal cancels, so that the body can put its things away and the caller can say how far
/// it came. A second one ends the process at once.
func untilInterrupted(_ body: @escaping @Sendable () async throws -> Void) async throws -> Ending {
  let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
  return try await withThrowingTaskGroup(of: Ending.self) { group in
    group.addTask {
      do {
        try await body()
      } catch is CancellationError {
        return .interrupted
      }
      return .finished
    }
    group.addTask {
      for await _ in signals {
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
        return .interrupted
      }
      // Cancelled, since the body is done: never the first to end.
      return .finished
    }
    let ending = try await group.next() ?? .finished
    group.cancelAll()
    try await group.waitForAll()
    return ending
  }
}

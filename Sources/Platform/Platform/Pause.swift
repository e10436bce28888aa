import Glibc

/// Waiting, for services; the Core never waits.
package enum Pause {
  /// Returns after `duration`; throws `CancellationError` when the task is cancelled.
  package static func sleep(for duration: Duration) async throws {
    try await Task.sleep(for: duration)
  }

  /// Blocks the thread, as a slow disk would; for threads of one's own alone.
  package static func block(milliseconds: UInt64) {
    usleep(UInt32(clamping: min(milliseconds, 60_000) * 1_000))
  }
}

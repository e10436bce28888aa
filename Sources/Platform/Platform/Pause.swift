/// Waiting, for services; the Core never waits.
package enum Pause {
  /// Returns after `duration`; throws `CancellationError` when the task is cancelled.
  package static func sleep(for duration: Duration) async throws {
    try await Task.sleep(for: duration)
  }
}

package import MessageLog

/// Where loops hand their batches to be made durable.
package protocol TelemetryLog: Sendable {
  /// Writes `batch` and answers, from any thread, with the batch to use again.
  func submit(
    _ batch: consuming LogBatch,
    reply: @escaping @Sendable (LogBatch, Result<Void, LogFault>) -> Void
  )
}

package import HubContract
package import MessageLog

/// A batch on its way between a loop and the log's writer, and back for the next turn.
///
/// Handed over, never shared: whoever has it may change it. A class, so that the batch's storage has
/// one owner and is stamped in place and filled again without being copied or allocated anew.
package final class TelemetryBatch: @unchecked Sendable {
  // Protected by the hand-over: the loop does not touch it between `submit` and its reply.
  package var records: LogBatch

  /// An empty batch.
  package init(limits: LogLimits) { records = LogBatch(limits: limits) }
}

/// Who decides where a device's messages go.
package protocol TelemetryRouter: Sendable {
  /// What is decided for one message; called on the connection's loop, and answers at once.
  ///
  /// No destination means that the message is not kept: it is acknowledged all the same.
  func route(
    _ stamp: EventStamp,
    flags: EventFlags,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) -> EventRouting
}

/// Where loops hand their batches to be made durable.
package protocol TelemetryLog: Sendable {
  /// Writes `batch`, which is the log's until `reply` is called, from any thread.
  func submit(
    _ batch: TelemetryBatch,
    reply: @escaping @Sendable (Result<Void, LogFault>) -> Void
  )
}

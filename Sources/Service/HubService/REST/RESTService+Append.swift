import Endpoints
import HubContract
import MessageLog
import Synchronization

extension RESTService {
  /// Appends the events of one sender in one batch, and waits until they are durable.
  ///
  /// - Parameters:
  ///   - events: property bag and body of each; their sizes were checked.
  ///   - stamp: what they have in common.
  ///   - identity: the sender.
  /// - Throws: 503001 when the log takes nothing; then none of them is kept.
  func append(
    _ events: [(bag: [UInt8], body: [UInt8])],
    stamp: EventStamp,
    of identity: IdentityKey
  ) async throws {
    let log = hub.events
    guard log.isEnabled else { return }
    let partition = log.partition(of: identity.deviceID)
    let refusal = RESTRefusal(
      HubError(.serviceUnavailable, "The hub takes no events at the moment; try again."),
      retryAfterSeconds: 5
    )
    let result = await withCheckedContinuation { continuation in
      hub.routing.deciding.withLock { _ in
        guard let batch = self.batch(of: events, stamp, in: partition) else {
          return continuation.resume(returning: Result<Void, LogFault>?.none)
        }
        log.submit(batch) { result in continuation.resume(returning: result) }
      }
    }
    guard let result else {
      throw HubError(.messageTooLarge, "The messages are too large together.")
    }
    if case .failure = result { throw refusal }
  }

  /// The events as records, each with where the routes send it; nil if they are too many for a batch.
  private func batch(
    of events: [(bag: [UInt8], body: [UInt8])],
    _ stamp: EventStamp,
    in partition: UInt16
  ) -> TelemetryBatch? {
    // A request's body is far below the log's own limits.
    let batch = TelemetryBatch(limits: LogLimits(recordBytes: 1 << 20, batchBytes: 8 << 20))
    for event in events {
      let routing = hub.routing.route(
        stamp,
        flags: [],
        bag: event.bag.span,
        body: event.body.span
      )
      // Routed nowhere: acknowledged, and dropped (contract §9.1).
      if routing.destinations.isEmpty { continue }
      batch.records.beginRecord(partition: partition)
      EventEncoder.append(
        stamp: stamp,
        routing: routing,
        bag: event.bag.span,
        body: event.body.span,
        to: &batch.records
      )
      do throws(LogFault) {
        try batch.records.endRecord()
      } catch {
        return nil
      }
    }
    return batch
  }
}

import Endpoints
import HubContract
import HubEngine
import Logging
import MessageLog
import Platform
import Synchronization

/// Brings the hub's own events from the registry, where they were written with their causes, into the
/// log.
///
/// What is in the log and not yet forgotten in the registry when the process dies is appended again by
/// the next one: each event arrives at least once, and the first time in order.
final class EventOutbox: Sendable {
  /// Events of one batch; each is at most as large as a record of the log.
  private static let batchCount = 64

  private let store: HubStore
  private let log: EventLog
  private let logger: Logger
  private let wakeUps: AsyncStream<Void>
  private let waker: AsyncStream<Void>.Continuation
  /// The sequence of the last event that is in the log.
  private let appended = Atomic<UInt64>(0)
  private let appendedCount = Atomic<Int>(0)

  init(store: HubStore, log: EventLog, logger: Logger) {
    self.store = store
    self.log = log
    self.logger = logger
    (wakeUps, waker) = AsyncStream.makeStream(
      of: Void.self,
      bufferingPolicy: .bufferingNewest(1)
    )
  }

  /// Events of the hub's own that are in the log since it started.
  var count: Int { appendedCount.load(ordering: .relaxed) }

  /// Says that there are events.
  func wake() { waker.yield() }

  /// Moves events until cancelled, once.
  func run() async {
    // What a former process left.
    wake()
    var isFailing = false
    for await _ in wakeUps {
      var goesOn = true
      while goesOn, !Task.isCancelled {
        do throws(HubError) {
          goesOn = try await move()
          isFailing = false
        } catch {
          if !isFailing {
            logger.error(
              "events of the hub's own wait in the registry, and are tried again each second",
              metadata: ["error": "\(error)"]
            )
          }
          isFailing = true
          try? await Pause.sleep(for: .seconds(1))
        }
      }
    }
  }

  /// Returns when every event whose cause was submitted to the store before is in the log.
  func settle() async {
    while !Task.isCancelled {
      do throws(HubError) {
        let last = try await store.write { engine throws(HubError) in
          try engine.view.lastOutgoingEvent()
        }
        guard let last else { return }
        while !Task.isCancelled, appended.load(ordering: .acquiring) < last {
          try? await Pause.sleep(for: .milliseconds(50))
        }
        return
      } catch {
        try? await Pause.sleep(for: .seconds(1))
      }
    }
  }

  /// Moves the first events; false if there are none.
  private func move() async throws(HubError) -> Bool {
    let after = appended.load(ordering: .acquiring)
    let events = try await store.read { view throws(HubError) in
      try view.outgoingEvents(after: after, limit: Self.batchCount)
    }
    guard let last = events.last?.sequence else { return false }
    if log.isEnabled { try await append(events) }
    appended.store(last, ordering: .releasing)
    appendedCount.add(events.count, ordering: .relaxed)
    // Nobody waits for it: until it is done they are passed over by their sequence.
    store.submitOwed { engine throws(HubError) in try engine.eventsAppended(through: last) }
    return events.count == Self.batchCount
  }

  private func append(_ events: [OutgoingEvent]) async throws(HubError) {
    // Room for all of them, however large they are.
    let limits = LogLimits(recordBytes: 1 << 20, batchBytes: (Self.batchCount + 1) << 20)
    let batch = TelemetryBatch(limits: limits)
    for event in events {
      batch.records.beginRecord(partition: log.partition(of: event.deviceID))
      batch.records.append(event.record.span)
      do throws(LogFault) {
        try batch.records.endRecord()
      } catch {
        logger.error(
          "an event of the hub's own is too large for the log, and is dropped",
          metadata: ["device": "\(event.deviceID)", "fault": "\(error)"]
        )
      }
    }
    let result = await withCheckedContinuation { continuation in
      log.submit(batch) { result in continuation.resume(returning: result) }
    }
    if case .failure(let fault) = result {
      throw HubError(.serviceUnavailable, "The log takes no events: \(fault)")
    }
  }
}

import ByteIO
import EdgeEngine
import HubContract
import Platform
import Synchronization

/// What the local hub counts and times, for its metrics.
///
/// What comes with each message has places of its own: in `EdgeRouter` for what is received, in
/// `DeliveryFigures` for what is sent.
final class HubFigures: Sendable {
  private let table = Mutex(MetricTable())
  /// Messages upstream.
  let upstream = DeliveryFigures()
  /// Messages to modules, in several places so that loops seldom meet.
  private let modules = (0..<4).map { _ in DeliveryFigures() }

  /// The label for who is above.
  static let upstreamName = "upstream"
  /// The label for this hub.
  static let ownName = "edge_hub"

  /// Adds to a counter.
  func count(_ metric: EdgeMetric, _ labels: String..., by amount: Int = 1) {
    table.withLock { $0.count(metric, labels, by: Double(amount)) }
  }

  /// Takes the time since `start` for a summary.
  func time(_ metric: EdgeMetric, _ labels: String..., since start: Instant) {
    let now = SystemClock.now()
    table.withLock { $0.record(metric, labels, now.microseconds(since: start), now: now) }
  }

  /// A client was turned away; its name counts only if somebody of that name may be here, because
  /// strangers can invent any.
  func turnedAway(_ identity: IdentityKey, isKnown: Bool, reason: String) {
    count(.connectFailures, isKnown ? identity.clientID : MetricTable.others, reason)
  }

  /// Messages were given up.
  func dropped(_ reason: String, _ senders: [MessageSender: Int]) {
    for (sender, number) in senders {
      count(.messagesDropped, reason, sender.identity.clientID, sender.output, by: number)
    }
  }

  /// Messages could not be kept.
  func unacknowledged(_ senders: [MessageSender: Int]) {
    for (sender, number) in senders {
      count(
        .messagesUnacknowledged,
        "storage_failure",
        sender.identity.clientID,
        sender.output,
        by: number
      )
    }
  }

  /// Where messages to a module are counted.
  func deliveries(to module: IdentityKey) -> DeliveryFigures {
    modules[Int(UInt(bitPattern: module.hashValue) % UInt(modules.count))]
  }

  /// All values.
  func samples(now: Instant) -> [MetricSample] {
    table.withLock { $0.samples(now: now) }
      + DeliveryFigures.samples([upstream] + modules, now: now)
  }
}

extension Instant {
  /// Whole microseconds from `earlier` to this, 0 if it is not earlier.
  func microseconds(since earlier: Instant) -> UInt64 {
    nanoseconds <= earlier.nanoseconds ? 0 : (nanoseconds - earlier.nanoseconds) / 1_000
  }
}

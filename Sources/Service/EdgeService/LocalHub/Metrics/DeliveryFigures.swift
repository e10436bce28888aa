import ByteIO
import EdgeEngine
import HubContract
import Platform
import Synchronization

/// What is known of messages that leave the store: how many, and how long they took.
///
/// A message is counted when its receiver has confirmed it.
final class DeliveryFigures: Sendable {
  /// Where messages come from and go to.
  struct Path: Hashable, Sendable {
    let sender: MessageSender
    let to: String
    let input: String
    let priority: PriorityClass
  }

  /// A message on its way.
  struct Sent: Sendable {
    fileprivate let place: Int
    fileprivate let start: Instant
    /// How long it had waited, in milliseconds.
    fileprivate let waited: UInt64
  }

  private struct Figures: Sendable {
    var sent: UInt64 = 0
    var sendTime = MetricSummary()
    var processTime = MetricSummary()
  }

  /// Paths that have figures of their own.
  private static let limit = 256

  private let table = Mutex(SeriesTable<Path, Figures>(limit: limit, Figures()))

  /// Where the figures are of messages like this one; it stays the same for all with its head.
  func place(of message: borrowing StoredMessage, to: String, input: String = "") -> Int {
    let path = Path(
      sender: MessageSender(message.event),
      to: to,
      input: input,
      priority: message.priority
    )
    return table.withLock { $0.place(of: path) }
  }

  /// A message is about to be sent whose figures are at `place`; `now` is the edge's calendar, in
  /// milliseconds.
  func sending(
    _ message: borrowing StoredMessage,
    at place: Int,
    start: Instant,
    now: UInt64
  ) -> Sent {
    Sent(
      place: place,
      start: start,
      waited: now > message.enqueuedTime ? now - message.enqueuedTime : 0
    )
  }

  /// It was confirmed.
  func confirmed(_ sent: Sent, now: Instant) {
    let time = now.microseconds(since: sent.start)
    table.withLock { table in
      table[sent.place].sent += 1
      table[sent.place].sendTime.record(time, now: now)
      table[sent.place].processTime.record(time + sent.waited * 1_000, now: now)
    }
  }

  /// The values of all of them together.
  static func samples(_ all: [DeliveryFigures], now: Instant) -> [MetricSample] {
    var sent: [[String]: UInt64] = [:]
    var send: [[String]: MetricSummary] = [:]
    var process: [[String]: MetricSummary] = [:]
    let entries = all.flatMap { $0.table.withLock(\.entries) }
    for (path, figures) in entries where figures.sent > 0 {
      let other = MetricTable.others
      let from = path?.sender.identity.clientID ?? other
      let (to, output) = (path?.to ?? other, path?.sender.output ?? other)
      let input = path?.input ?? other
      let priority = path.map { "\($0.priority.priority)" } ?? other
      sent[[from, to, output, input, priority], default: 0] += figures.sent
      send[[from, to, output, input], default: MetricSummary()].merge(figures.sendTime, now: now)
      process[[from, to, priority], default: MetricSummary()]
        .merge(figures.processTime, now: now)
    }
    return sent.map { MetricSample(.messagesSent, $0, Double($1)) }
      + send.flatMap { MetricSample.summary(.sendTime, $0, $1, now: now) }
      + process.flatMap { MetricSample.summary(.processTime, $0, $1, now: now) }
  }
}

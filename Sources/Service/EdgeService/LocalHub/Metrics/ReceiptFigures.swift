import ByteIO
import EdgeEngine
import HubContract

/// What one thread counts of the messages that clients send.
struct ReceiptFigures: Sendable {
  private struct Figures: Sendable {
    var received: UInt64 = 0
    var dropped: UInt64 = 0
    var size = MetricSummary()
  }

  /// Senders that have figures of their own.
  private static let limit = 256

  private var table = SeriesTable<MessageSender, Figures>(limit: limit, Figures())

  /// A client has sent a message.
  mutating func received(
    _ sender: MessageSender,
    byteCount: Int,
    isDropped: Bool,
    now: Instant
  ) {
    let place = table.place(of: sender)
    table[place].received += 1
    table[place].size.record(UInt64(clamping: byteCount), now: now)
    if isDropped { table[place].dropped += 1 }
  }

  /// A message that no client sent goes nowhere.
  mutating func dropped(_ sender: MessageSender) { table[table.place(of: sender)].dropped += 1 }

  /// The values of all threads together.
  static func samples(_ all: [ReceiptFigures], now: Instant) -> [MetricSample] {
    var received: [[String]: UInt64] = [:]
    var dropped: [[String]: UInt64] = [:]
    var sizes: [[String]: MetricSummary] = [:]
    for (sender, figures) in all.flatMap(\.table.entries) {
      let id = sender?.identity.clientID ?? MetricTable.others
      let output = sender?.output ?? MetricTable.others
      if figures.received > 0 {
        received[[output, id], default: 0] += figures.received
        sizes[[id], default: MetricSummary()].merge(figures.size, now: now)
      }
      if figures.dropped > 0 { dropped[["no_route", id, output], default: 0] += figures.dropped }
    }
    return received.map { MetricSample(.messagesReceived, $0, Double($1)) }
      + dropped.map { MetricSample(.messagesDropped, $0, Double($1)) }
      + sizes.flatMap { MetricSample.summary(.messageSize, $0, $1, now: now) }
  }
}

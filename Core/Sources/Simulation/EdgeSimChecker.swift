import EdgeEngine
import HubContract

/// Watches one destination of a simulated edge from outside: what was acknowledged to a sender has to
/// arrive, in the sender's order, and only time may excuse it.
struct EdgeSimChecker {
  struct Accepted {
    var number: Int
    /// When the sender was answered, in true milliseconds.
    var time: UInt64
  }

  /// How long messages may wait here in milliseconds, nil for ever.
  let lifetime: [IdentityKey: UInt64]
  /// The size of each body, nil for several.
  var bodyBytes: Int?
  /// Whether routes let the oldest messages give way to newer ones.
  var mayGiveWay = false
  private var waiting: [IdentityKey: [Accepted]] = [:]
  private var highest: [IdentityKey: Int] = [:]
  private var arrived: [IdentityKey: Set<Int>] = [:]
  private var identifiers: [EdgeMessageID: Int] = [:]
  private(set) var deliveredCount = 0
  private(set) var duplicateCount = 0
  private(set) var expiredCount = 0
  private(set) var droppedCount = 0
  private(set) var lostCount = 0
  private(set) var failure: String?

  init(lifetime: [IdentityKey: UInt64]) { self.lifetime = lifetime }

  mutating func fail(_ reason: String) { failure = failure ?? reason }

  /// Takes note that the edge answered for messages of a sender.
  mutating func accepted(_ sender: IdentityKey, _ numbers: [Int], at time: UInt64) {
    let known = arrived[sender] ?? []
    waiting[sender, default: []] += numbers.filter { !known.contains($0) }.map {
      Accepted(number: $0, time: time)
    }
  }

  /// Takes note that a message has arrived.
  mutating func arrived(_ sender: IdentityKey, _ body: [UInt8], id: EdgeMessageID) {
    guard let number = EdgeSimSender.number(body, bodyBytes) else {
      return fail("a body of \(sender) arrived that nobody sent")
    }
    let isFirst = arrived[sender, default: []].insert(number).inserted
    guard isFirst else {
      duplicateCount += 1
      return
    }
    deliveredCount += 1
    if let highest = highest[sender], number < highest {
      fail("\(sender): message \(number) arrived after \(highest)")
    }
    highest[sender] = number
    if let index = waiting[sender]?.firstIndex(where: { $0.number == number }) {
      waiting[sender]?.remove(at: index)
    }
    if let other = identifiers.updateValue(number, forKey: id), other != number {
      fail("messages \(other) and \(number) have the same identifier")
    }
  }

  /// Takes note that nothing waits at the edge any more, at `time`: what has not arrived by now never
  /// will.
  mutating func drained(at time: UInt64) {
    for (sender, messages) in waiting where !messages.isEmpty {
      for message in messages {
        // A second for the rest of milliseconds that no clock counts.
        if let lifetime = lifetime[sender], time - message.time + 1000 >= lifetime {
          expiredCount += 1
        } else if mayGiveWay, let highest = highest[sender], message.number < highest {
          droppedCount += 1
        } else {
          lostCount += 1
          fail("message \(message.number) of \(sender), acknowledged at \(message.time), is lost")
        }
      }
      waiting[sender] = []
    }
  }
}

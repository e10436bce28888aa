public import ByteIO

/// What is to happen in a simulation, and when; virtual time jumps from event to event.
///
/// Events of the same instant come in an order that the seed picks, so that nothing comes to rely
/// on the order in which they were scheduled.
public struct SimScheduler<Event> {
  /// Names a scheduled event, to cancel it.
  public struct Ticket: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  fileprivate struct Entry {
    var instant: Instant
    var order: UInt64
    var ticket: Ticket
    var event: Event

    func comes(before other: Entry) -> Bool {
      (instant, order, ticket.number) < (other.instant, other.order, other.ticket.number)
    }
  }

  /// Instant of the event that came last.
  public private(set) var now = Instant(nanoseconds: 0)
  /// A binary heap: an entry comes before those at twice its index plus one and plus two.
  private var heap: [Entry] = []
  private var waiting: Set<Ticket> = []
  private var generator: SeededGenerator
  private var nextNumber: UInt64 = 0

  /// Creates a scheduler without events.
  public init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Number of events to come.
  public var count: Int { waiting.count }

  /// Instant of the next event; nil if there is none.
  public var nextInstant: Instant? {
    mutating get {
      dropCancelled()
      return heap.first?.instant
    }
  }

  /// Schedules `event` for `instant`, or for now if that is past.
  @discardableResult
  public mutating func schedule(_ event: Event, at instant: Instant) -> Ticket {
    let ticket = Ticket(number: nextNumber)
    nextNumber += 1
    waiting.insert(ticket)
    heap.append(
      Entry(instant: max(instant, now), order: generator.next(), ticket: ticket, event: event)
    )
    var index = heap.count - 1
    while index > 0, heap[index].comes(before: heap[(index - 1) / 2]) {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
    return ticket
  }

  /// Schedules `event` so many milliseconds from now.
  @discardableResult
  public mutating func schedule(_ event: Event, afterMilliseconds delay: UInt64) -> Ticket {
    schedule(event, at: now.adding(milliseconds: delay))
  }

  /// Takes an event back; false if it came already or was cancelled.
  @discardableResult
  public mutating func cancel(_ ticket: Ticket) -> Bool { waiting.remove(ticket) != nil }

  /// Moves time to the next event and takes it; nil if there is none.
  public mutating func next() -> Event? {
    dropCancelled()
    guard let entry = popFirst() else { return nil }
    waiting.remove(entry.ticket)
    now = entry.instant
    return entry.event
  }

  /// Moves time to `instant` and takes the next event that is due by then; nil if there is none.
  public mutating func next(until instant: Instant) -> Event? {
    guard let due = nextInstant, due <= instant else {
      now = max(now, instant)
      return nil
    }
    return next()
  }

  private mutating func dropCancelled() {
    while let first = heap.first, !waiting.contains(first.ticket) { _ = popFirst() }
  }

  private mutating func popFirst() -> Entry? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < heap.count && heap[child].comes(before: heap[least]) {
        least = child
      }
      guard least != index else { return first }
      heap.swapAt(index, least)
      index = least
    }
  }
}

extension SimScheduler: Sendable where Event: Sendable {}

extension SimScheduler.Entry: Sendable where Event: Sendable {}

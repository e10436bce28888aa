import HubContract
import MessageLog

/// A reader's place in one class.
struct QueueLane<Disk: LogDisk>: ~Copyable {
  /// So many bytes of other classes are stepped over; beyond, the index is asked.
  private static var seekByteCount: UInt64 { 1 << 20 }

  let priority: PriorityClass
  var window = SettlementWindow()
  /// Number of the next message to give.
  private var next: UInt64 = 0
  /// Whether `next` and `window` have begun.
  private var hasStarted = false
  private var cursor: LogCursor<Disk>?
  /// Where the log ended when the cursor had read all of it; nil while there is more.
  private var scannedEnd: UInt64?
  /// `window.low` when it was last told.
  private var told: UInt64 = 0

  init(_ priority: PriorityClass) { self.priority = priority }

  /// Takes over what the store has settled by itself, or given back.
  mutating func catchUp(with view: QueueView) {
    let bound = max(view.settled[priority.index], view.log[priority.partition].firstSequence)
    if !hasStarted {
      hasStarted = true
      window.start(at: bound)
      next = bound
      told = bound
    } else if bound > window.low {
      window.settleAll(before: bound)
      told = max(told, bound)
      if next < bound { move(to: bound) }
    }
  }

  func hasMore(in view: QueueView) -> Bool {
    let bound = hasStarted ? next : view.settled[priority.index]
    return bound < view.log[priority.partition].nextSequence
  }

  private mutating func move(to sequence: UInt64) {
    next = sequence
    cursor = nil
    scannedEnd = nil
  }

  mutating func rewind() {
    if hasStarted, next != window.low { move(to: window.low) }
  }

  mutating func rest() {
    cursor = nil
    scannedEnd = nil
  }

  mutating func takeSettlement() -> QueueSettlement? {
    guard window.low > told else { return nil }
    told = window.low
    return QueueSettlement(priority: priority, firstUnsettled: told)
  }

  mutating func read(
    in view: QueueView,
    disk: Disk,
    windowByteCount: Int,
    age: UInt64,
    maxMessages: Int,
    maxBytes: Int,
    _ reading: inout QueueReading,
    _ visit: (StoredMessage) -> Void
  ) throws(LogFault) {
    seekIfFar(in: view, disk: disk, windowByteCount: windowByteCount)
    // Moved out and back, because the visits below write to it while the cursor is in use.
    var window = SettlementWindow()
    swap(&window, &self.window)
    var next = self.next
    defer {
      swap(&window, &self.window)
      self.next = next
    }
    // Until something was visited, or all of it was over its time.
    while reading.messageCount == 0, maxMessages > 0 {
      let step = try cursor?.read(in: view.log, maxRecords: maxMessages, maxBytes: maxBytes) {
        record in
        let isRepeated = record.sequence < window.high
        next = record.sequence + 1
        guard window.give(record.sequence) else { return }
        guard let header = StoredHeader(record.payload),
          let event = try? EventView(
            record.payload.extracting(StoredHeader.byteCount..<record.payload.count)
          )
        else {
          window.settle(record.sequence)
          reading.unreadableCount += 1
          return
        }
        guard age < header.expiry else {
          window.settle(record.sequence)
          reading.expiredCount += 1
          reading.expiredSenders[MessageSender(event), default: 0] += 1
          return
        }
        reading.messageCount += 1
        reading.byteCount += record.payload.count
        reading.priority = priority
        visit(
          StoredMessage(
            header,
            event,
            priority: priority,
            sequence: record.sequence,
            enqueuedTime: record.enqueuedTime,
            isRepeated: isRepeated
          )
        )
      }
      guard let step else { return }
      reading.damage += step.damage
      if step.isAtEnd {
        scannedEnd = view.log.committedEnd
        // What the log says is there and is not was damaged: it can't be given, now or later.
        let end = view.log[priority.partition].nextSequence
        if next < end {
          window.passOver(to: end)
          next = end
        }
        return
      }
      guard step.recordCount > 0 else { return }
    }
  }

  /// Makes a cursor that stands at or before `next`, if there is none that is near.
  private mutating func seekIfFar(in view: QueueView, disk: Disk, windowByteCount: Int) {
    let isFar = scannedEnd.map { view.log.committedEnd - $0 > Self.seekByteCount } ?? false
    scannedEnd = nil
    guard cursor == nil || isFar else { return }
    if cursor == nil {
      cursor = LogCursor(
        disk: disk,
        partition: priority.partition,
        windowByteCount: windowByteCount
      )
    }
    cursor?.seek(.sequence(next, inclusive: true), in: view.log)
  }
}

extension QueueLane: Sendable where Disk: Sendable {}

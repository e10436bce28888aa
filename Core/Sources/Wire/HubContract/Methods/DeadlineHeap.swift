internal import ByteIO

/// Deadlines with the earliest in front: a binary heap.
///
/// Nothing is taken out before its time: who pops an entry asks whether it still holds.
struct DeadlineHeap: Sendable {
  private var entries: [(deadline: Instant, id: UInt64)] = []

  /// The earliest deadline.
  var first: Instant? { entries.first?.deadline }

  /// Adds an entry.
  mutating func insert(_ deadline: Instant, _ id: UInt64) {
    entries.append((deadline, id))
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].deadline < entries[parent].deadline else { return }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the earliest entry, if its deadline is not after `now`.
  mutating func popFirst(until now: Instant) -> UInt64? {
    guard let first = entries.first, first.deadline <= now else { return nil }
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var parent = 0
    while true {
      let left = 2 * parent + 1
      guard left < entries.count else { break }
      let right = left + 1
      let child =
        right < entries.count && entries[right].deadline < entries[left].deadline ? right : left
      guard entries[child].deadline < entries[parent].deadline else { break }
      entries.swapAt(child, parent)
      parent = child
    }
    return first.id
  }

  /// Forgets all entries.
  mutating func removeAll() { entries.removeAll(keepingCapacity: entries.count < 1024) }
}

/// What will happen, earliest first; what is set for the same time happens in the order it was set.
struct HubSimAgenda {
  private struct Entry {
    var time: UInt64
    var order: UInt64
    var event: HubSimEvent

    func precedes(_ other: Entry) -> Bool { (time, order) < (other.time, other.order) }
  }

  private var heap: [Entry] = []
  private var order: UInt64 = 0

  mutating func add(_ event: HubSimEvent, at time: UInt64) {
    order += 1
    heap.append(Entry(time: time, order: order, event: event))
    var child = heap.count - 1
    while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() -> (time: UInt64, event: HubSimEvent)? {
    guard let first = heap.first else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while 2 * parent + 1 < heap.count {
      var child = 2 * parent + 1
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(heap[parent]) else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return (first.time, first.event)
  }
}

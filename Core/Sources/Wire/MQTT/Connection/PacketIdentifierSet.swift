/// Packet identifiers in a sorted array: empty it owns no memory.
struct PacketIdentifierSet: Sendable, Equatable {
  private var sorted: [UInt16] = []

  init() {}

  var count: Int { sorted.count }

  func contains(_ identifier: UInt16) -> Bool {
    let index = position(identifier)
    return index < sorted.count && sorted[index] == identifier
  }

  mutating func insert(_ identifier: UInt16) {
    let index = position(identifier)
    if index < sorted.count, sorted[index] == identifier { return }
    sorted.insert(identifier, at: index)
  }

  mutating func remove(_ identifier: UInt16) {
    let index = position(identifier)
    if index < sorted.count, sorted[index] == identifier { sorted.remove(at: index) }
  }

  mutating func removeAll() { sorted = [] }

  private func position(_ identifier: UInt16) -> Int {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < identifier { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

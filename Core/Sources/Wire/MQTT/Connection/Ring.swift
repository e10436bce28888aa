/// A first-in first-out list with access by index, over one array that grows by doubling.
///
/// Empty it owns no memory, and once grown it allocates no more. At most 32 768 elements.
struct Ring<Element: BitwiseCopyable> {
  private var storage: [Element] = []
  private var head: UInt16 = 0
  private var used: UInt16 = 0

  /// The most elements a ring holds.
  static var maximumCount: Int { 32_768 }

  init() {}

  var count: Int { Int(used) }
  var isEmpty: Bool { used == 0 }

  /// The element at `index`, counted from the oldest; `index` must be in `0..<count`.
  subscript(index: Int) -> Element {
    @inline(__always) get { storage[slot(index)] }
    @inline(__always) set { storage[slot(index)] = newValue }
  }

  /// Adds at the end; the caller keeps `count` below `maximumCount`.
  @inline(__always)
  mutating func append(_ element: Element) {
    if Int(used) == storage.count { grow(element) }
    used += 1
    self[count - 1] = element
  }

  /// Takes the oldest; the ring must not be empty.
  @inline(__always)
  mutating func removeFirst() -> Element {
    let element = self[0]
    head = UInt16(truncatingIfNeeded: slot(1))
    used -= 1
    return element
  }

  /// Takes out the element at `index`, moving the shorter side; the oldest costs nothing.
  mutating func remove(at index: Int) -> Element {
    let element = self[index]
    if index <= count / 2 {
      var place = index
      while place > 0 {
        self[place] = self[place - 1]
        place -= 1
      }
      _ = removeFirst()
    } else {
      for place in index..<count - 1 { self[place] = self[place + 1] }
      used -= 1
    }
    return element
  }

  mutating func removeAll() {
    storage = []
    head = 0
    used = 0
  }

  /// The capacity is a power of two, so that wrapping is a mask.
  @inline(__always)
  private func slot(_ index: Int) -> Int { (Int(head) + index) & (storage.count - 1) }

  private mutating func grow(_ filler: Element) {
    let capacity = max(4, storage.count * 2)
    var larger: [Element] = []
    larger.reserveCapacity(capacity)
    for index in 0..<count { larger.append(self[index]) }
    for _ in count..<capacity { larger.append(filler) }
    storage = larger
    head = 0
  }
}

extension Ring: Sendable where Element: Sendable {}

/// A first-in first-out queue of at most `limit` elements over one circular array.
///
/// The array grows by doubling up to the limit, so that an idle queue costs nothing.
public struct RingQueue<Element> {
  private var storage: [Element?] = []
  private var head = 0
  /// Elements that wait.
  public private(set) var count = 0
  /// The most elements it holds; `append` answers false beyond.
  public let limit: Int

  /// Creates an empty queue.
  public init(limit: Int) { self.limit = limit }

  /// Whether nothing waits.
  public var isEmpty: Bool { count == 0 }

  /// The oldest element.
  public var first: Element? { count == 0 ? nil : storage[head] }

  /// Adds at the end; false, without change, when the queue is full.
  public mutating func append(_ element: Element) -> Bool {
    guard count < limit else { return false }
    if count == storage.count { grow() }
    var tail = head + count
    if tail >= storage.count { tail -= storage.count }
    storage[tail] = element
    count += 1
    return true
  }

  /// Takes the oldest element.
  public mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = storage[head]
    storage[head] = nil
    head = head + 1 == storage.count ? 0 : head + 1
    count -= 1
    return element
  }

  private mutating func grow() {
    var larger: [Element?] = []
    let capacity = min(limit, max(4, storage.count * 2))
    larger.reserveCapacity(capacity)
    for offset in 0..<count { larger.append(storage[(head + offset) % storage.count]) }
    for _ in count..<capacity { larger.append(nil) }
    storage = larger
    head = 0
  }
}

extension RingQueue: Sendable where Element: Sendable {}

public import MessageLog

/// One settlement for the store: everything of a class before a number.
public struct QueueSettlement: Equatable, Sendable {
  /// The class.
  public let priority: PriorityClass
  /// The number of the first message that is not settled.
  public let firstUnsettled: UInt64
}

/// What one `QueueReader.read` gave.
public struct QueueReading: Equatable, Sendable {
  /// Messages that were visited.
  public internal(set) var messageCount = 0
  /// Bytes of their records.
  public internal(set) var byteCount = 0
  /// The class that all of them are of.
  public internal(set) var priority: PriorityClass?
  /// Messages that were skipped and count as settled, because their time is over.
  public internal(set) var expiredCount = 0
  /// Whose messages these were.
  public internal(set) var expiredSenders: [MessageSender: Int] = [:]
  /// The same, because they can't be read by this version.
  public internal(set) var unreadableCount = 0
  /// Damaged places that were stepped over.
  public internal(set) var damage: [LogDamage] = []
}

/// Reads one endpoint's queue, on any thread: the highest class that has something first, in order
/// within a class.
///
/// It has its own buffers and takes the queue's current `QueueView` with each call. What it gave is
/// on its way until `settle`, in whatever order; `takeSettlements` says how far the checkpoint may
/// move. After a reconnection `rewind` gives what was not settled once more.
///
/// ```swift
/// let reading = try reader.read(in: view, age: now.savedAge, maxMessages: 10) { message in
///   send(message)                               // and remember its priority and sequence
/// }
/// // later, for each confirmation
/// reader.settle(sequence, priority)
/// submit(reader.takeSettlements())              // for `EdgeStore.settle`, on the writer's thread
/// ```
public struct QueueReader<Disk: LogDisk>: ~Copyable {
  private let disk: Disk
  private let windowByteCount: Int
  private var lanes: InlineArray<11, QueueLane<Disk>>

  /// Creates a reader that stands at the checkpoint; `windowByteCount` is how much of a class is
  /// read at once.
  public init(disk: Disk, windowByteCount: Int = 64 << 10) {
    self.disk = disk
    self.windowByteCount = windowByteCount
    lanes = InlineArray { QueueLane(PriorityClass(unchecked: UInt8($0))) }
  }

  /// Visits the next messages, all of one class: the highest that has any.
  ///
  /// At most `maxMessages`, and as many as fit in the class's `allowance` of bytes of records, though
  /// always one; a class whose allowance is 0 is passed over. `age` is
  /// `EdgeTime.savedAge`. Nothing is visited when nothing waits that was not given before. Throws
  /// `viewOutdated` if space was given back since the view was taken (take the current one and read
  /// again), `disk` if the disk fails; what was visited before is on its way.
  public mutating func read(
    in view: QueueView,
    age: UInt64,
    maxMessages: Int,
    allowance: (PriorityClass) -> Int = { _ in .max },
    _ visit: (StoredMessage) -> Void
  ) throws(LogFault) -> QueueReading {
    var reading = QueueReading()
    for index in 0..<PriorityClass.count {
      lanes[index].catchUp(with: view)
      guard lanes[index].hasMore(in: view) else { continue }
      let maxBytes = allowance(PriorityClass(unchecked: UInt8(index)))
      guard maxBytes > 0 else { continue }
      try lanes[index].read(
        in: view,
        disk: disk,
        windowByteCount: windowByteCount,
        age: age,
        maxMessages: maxMessages,
        maxBytes: maxBytes,
        &reading,
        visit
      )
      if reading.messageCount > 0 { break }
    }
    return reading
  }

  /// Whether `read` would find something that was not given yet; it may be over its time.
  public func hasMore(in view: QueueView) -> Bool {
    for index in 0..<PriorityClass.count where lanes[index].hasMore(in: view) { return true }
    return false
  }

  /// Messages that are on their way: given and not settled.
  public var openCount: Int {
    var count = 0
    for index in 0..<PriorityClass.count { count += lanes[index].window.openCount }
    return count
  }

  /// Takes note that a message was confirmed, or is given up; false if it was not on its way.
  @discardableResult
  public mutating func settle(_ sequence: UInt64, _ priority: PriorityClass) -> Bool {
    lanes[priority.index].window.settle(sequence)
  }

  /// How far the checkpoint may move in each class that has news since the last call.
  public mutating func takeSettlements() -> [QueueSettlement] {
    var news: [QueueSettlement] = []
    for index in 0..<PriorityClass.count {
      if let settlement = lanes[index].takeSettlement() { news.append(settlement) }
    }
    return news
  }

  /// Goes back to the lowest message of each class that is not settled.
  ///
  /// Those behind it that are settled are not given again.
  public mutating func rewind() {
    for index in 0..<PriorityClass.count { lanes[index].rewind() }
  }

  /// Gives the buffers and files back until the next `read`: for a queue that is idle for long.
  public mutating func rest() {
    for index in 0..<PriorityClass.count { lanes[index].rest() }
  }
}

extension QueueReader: Sendable where Disk: Sendable {}

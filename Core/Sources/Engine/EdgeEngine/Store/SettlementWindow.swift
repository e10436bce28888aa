/// Which of the messages that were given out are settled, in whatever order that happens.
///
/// It covers the numbers from the lowest that is not settled to the highest that was given out.
struct SettlementWindow: Sendable {
  /// Everything before it is settled.
  private(set) var low: UInt64 = 0
  /// Numbers from `low` to before `high` are known.
  var high: UInt64 { low + UInt64(flags.count - head) }
  /// Known and not settled.
  private(set) var openCount = 0
  /// Whether the numbers from `low - head` on are settled.
  private var flags: [Bool] = []
  private var head = 0

  /// Begins at `low`, with nothing given out.
  mutating func start(at low: UInt64) {
    self.low = low
    openCount = 0
    flags.removeAll(keepingCapacity: true)
    head = 0
  }

  /// Takes note that everything before `bound` is settled.
  mutating func settleAll(before bound: UInt64) {
    guard bound > low else { return }
    guard bound < high else { return start(at: bound) }
    for _ in low..<bound {
      if !flags[head] { openCount -= 1 }
      head += 1
    }
    low = bound
    passSettled()
  }

  /// Takes note that `sequence` is given out, all between `high` and it being gone; false if it was
  /// settled before.
  mutating func give(_ sequence: UInt64) -> Bool {
    guard sequence >= low else { return false }
    if sequence < high { return !flags[head + Int(sequence - low)] }
    passOver(to: sequence)
    flags.append(false)
    openCount += 1
    return true
  }

  /// Takes note that what lies between `high` and `sequence` is gone, and will never be given out.
  mutating func passOver(to sequence: UInt64) {
    guard openCount > 0 else { return settleAll(before: sequence) }
    while high < sequence { flags.append(true) }
  }

  /// Takes note that `sequence` is settled; false if that is not news.
  @discardableResult
  mutating func settle(_ sequence: UInt64) -> Bool {
    guard sequence >= low, sequence < high, case let index = head + Int(sequence - low),
      !flags[index]
    else { return false }
    flags[index] = true
    openCount -= 1
    passSettled()
    return true
  }

  private mutating func passSettled() {
    while head < flags.count, flags[head] {
      head += 1
      low += 1
    }
    // Moved rarely enough that a message costs a constant.
    if head == flags.count {
      flags.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024, head * 2 > flags.count {
      flags.removeFirst(head)
      head = 0
    }
  }
}

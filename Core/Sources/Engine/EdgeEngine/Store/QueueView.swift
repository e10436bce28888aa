public import MessageLog

/// What one endpoint's queue holds at one moment: a value that any thread may hold and read with.
public struct QueueView: Sendable {
  /// What is committed of its log.
  public let log: LogView
  /// For each class, the number before which everything is settled.
  let settled: [UInt64]

  /// The number of the first message of `priority` that is not settled.
  public func firstUnsettled(_ priority: PriorityClass) -> UInt64 { settled[priority.index] }

  /// Messages of `priority` that wait or are on their way.
  public func length(_ priority: PriorityClass) -> UInt64 {
    log[priority.partition].nextSequence - settled[priority.index]
  }

  /// Whether nothing waits and nothing is on its way.
  public var isEmpty: Bool { PriorityClass.all.allSatisfy { length($0) == 0 } }
}

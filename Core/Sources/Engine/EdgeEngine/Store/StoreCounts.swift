public import MessageLog

/// What became of the messages of one class of a queue since the store was opened.
public struct StoreCounts: Equatable, Sendable {
  /// Taken in, durably.
  public internal(set) var accepted: UInt64 = 0
  /// Settled by the reader, those that it skipped among them.
  public internal(set) var settled: UInt64 = 0
  /// Removed at the head of the queue because their time was over: metric
  /// `edgehub_messages_dropped_total` with reason `ttl_expiry`, beside what readers skip.
  public internal(set) var expired: UInt64 = 0
  /// Removed to make room for newer ones.
  public internal(set) var dropped: UInt64 = 0

  init() {}
}

/// What one class of a queue holds.
public struct QueueFigures: Equatable, Sendable {
  /// The endpoint's name.
  public let endpoint: String
  /// The class.
  public let priority: PriorityClass
  /// Messages that wait or are on their way: metric `edgehub_queue_length`.
  public let length: UInt64
  /// What became of others.
  public let counts: StoreCounts
}

/// What one group did.
public struct StoreCommit: Equatable, Sendable {
  /// The fault of each batch since the last commit, nil for those that are durable in every queue
  /// they go to: only these may be acknowledged.
  public var faults: [LogFault?] = []
  /// The endpoints whose view has changed: publish it, and wake their readers.
  public var changed: [UInt16] = []
}

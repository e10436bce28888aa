/// Where a partition stands at one position of the log.
struct PartitionState: Equatable, Sendable {
  /// Sequence number that the next record gets.
  var nextSequence: UInt64 = 0
  /// Enqueued time of the newest record, 0 before the first.
  var lastTime: UInt64 = 0
  /// Position of the newest record, 0 before the first (where a header lies, never a record).
  var lastPosition: UInt64 = 0

  static let byteCount = 24
}

/// The records of one partition that can be read.
public struct LogPartition: Equatable, Sendable {
  /// Sequence number of the oldest kept record; equal to `nextSequence` if there is none.
  public let firstSequence: UInt64
  /// Sequence number that the next record gets.
  public let nextSequence: UInt64
  /// Offset of the newest record ever appended; nil before the first one.
  public let lastOffset: UInt64?
  /// When the newest record was appended, in milliseconds since 1970; 0 before the first one.
  public let lastEnqueuedTime: UInt64

  /// Whether no record is kept.
  public var isEmpty: Bool { firstSequence == nextSequence }
}

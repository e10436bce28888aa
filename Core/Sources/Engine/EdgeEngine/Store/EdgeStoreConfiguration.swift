internal import MessageLog

/// How an edge's queues are laid out, and their limits.
public struct EdgeStoreConfiguration: Equatable, Sendable {
  /// The most endpoints at one time; `EdgeStore.configure` refuses beyond.
  public static let maximumEndpointCount = 4096

  /// Size of a segment of the queue upstream, in bytes; so much is reserved when it begins.
  public var upstreamSegmentBytes: UInt64 = 16 << 20
  /// Size of a segment of each other queue, in bytes.
  public var moduleSegmentBytes: UInt64 = 4 << 20
  /// Every so many bytes of a queue one message's place is kept in memory; what `maxSizeBytes`
  /// counts is exact to this, per queue.
  public var indexIntervalBytes: UInt64 = 64 << 10
  /// Bytes that all messages which wait may take together, nil for no limit but the disk's (edge
  /// contract section 16, DIFF 2).
  ///
  /// The heads and indices of segments come on top: less than a thousandth with segments of the
  /// customary size.
  public var maxSizeBytes: UInt64?
  /// Free bytes of the file system that the store does not touch: no segment is begun when that
  /// would leave less.
  public var reserveBytes: UInt64 = 64 << 20
  /// A settlement is durable after so many milliseconds at the latest; it travels with the next
  /// group commit of its queue if there is one before.
  public var checkpointDelayMilliseconds: UInt64 = 250
  /// Every so many milliseconds messages at the head of a queue whose time is over are removed.
  public var expiryIntervalMilliseconds: UInt64 = 1000
  /// Longest record that is taken in, in bytes; beyond, the batch is refused.
  public var recordBytes = 512 << 10
  /// Bytes of one queue's group at which it is written, so that memory stays bounded.
  public var stagingBytes = 1 << 20
  /// Most bytes of one queue between two syncs.
  public var uncommittedBytes = 64 << 20

  /// The customary values.
  public init() {}

  func log(isUpstream: Bool, salt: UInt64) -> LogConfiguration {
    LogConfiguration(
      partitionCount: StoreQueueLayout.partitionCount,
      segmentBytes: isUpstream ? upstreamSegmentBytes : moduleSegmentBytes,
      indexIntervalBytes: indexIntervalBytes,
      limits: stagingLimits,
      salt: salt
    )
  }

  /// A group is written before the record that makes it longer than `stagingBytes` is followed by
  /// another one.
  var stagingLimits: LogLimits {
    let record = recordBytes + StoredHeader.byteCount
    return LogLimits(
      recordBytes: record,
      batchBytes: max(stagingBytes, 0) + 2 * record + 4096,
      uncommittedBytes: uncommittedBytes
    )
  }
}

/// The partitions of a queue's log: the priority classes, then the checkpoints.
enum StoreQueueLayout {
  static let checkpointPartition = UInt16(PriorityClass.count)
  static let partitionCount = PriorityClass.count + 1
}

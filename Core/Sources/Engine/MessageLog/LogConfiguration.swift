/// The largest sizes that the log takes, each with what happens beyond it.
public struct LogLimits: Equatable, Sendable {
  /// The most partitions a log can have.
  ///
  /// Each costs 24 bytes in every segment's header; the number is fixed at creation.
  public static let partitionCount = 1024
  /// The longest payload the format can carry, whatever the configuration says.
  static let formatRecordBytes = 16 << 20

  /// Longest payload of one record in bytes; `LogBatch.endRecord` refuses beyond.
  public var recordBytes: Int
  /// Longest batch in bytes with its frames; `LogBatch.endRecord` refuses beyond.
  public var batchBytes: Int
  /// Most bytes between two commits; `MessageLog.append` refuses beyond.
  public var uncommittedBytes: Int

  /// Creates limits, bringing values that make no sense into range.
  public init(
    recordBytes: Int = 1 << 20,
    batchBytes: Int = 4 << 20,
    uncommittedBytes: Int = 32 << 20
  ) {
    self.recordBytes = min(max(recordBytes, 0), LogLimits.formatRecordBytes)
    self.batchBytes = min(
      max(batchBytes, self.recordBytes + RecordFrame.headerByteCount),
      1 << 30
    )
    self.uncommittedBytes = min(max(uncommittedBytes, self.batchBytes), 1 << 30)
  }
}

/// How long records are kept.
///
/// Whole segments go, oldest first, never the active one.
public struct LogRetention: Equatable, Sendable {
  /// A segment goes once its newest record is older than this, in milliseconds; nil: never.
  public var ageMilliseconds: UInt64?
  /// The oldest segments go while all together are longer than this, in bytes; nil: never.
  public var byteCount: UInt64?

  /// Creates a rule; without arguments everything is kept.
  public init(ageMilliseconds: UInt64? = nil, byteCount: UInt64? = nil) {
    self.ageMilliseconds = ageMilliseconds
    self.byteCount = byteCount
  }
}

/// What the log does when the disk has no room for another segment.
public enum LogFullPolicy: Equatable, Sendable {
  /// Refuses new records and keeps the old ones.
  case refuse
  /// Removes the oldest segments until there is room, then refuses.
  case dropOldest
}

/// How a log is laid out and what it allows.
public struct LogConfiguration: Equatable, Sendable {
  /// Number of partitions, in `1...LogLimits.partitionCount`; fixed when the log is created.
  public let partitionCount: Int
  /// Size of a segment file in bytes, reserved when it is created.
  public let segmentBytes: UInt64
  /// A record of each partition is indexed at least every so many bytes of log.
  ///
  /// A seek reads at most this much before its record. More partitions than 64 widen it, so that
  /// the index stays below one hundredth of the log.
  public let indexIntervalBytes: UInt64
  /// The limits.
  public let limits: LogLimits
  /// How long records are kept.
  public let retention: LogRetention
  /// What happens on a full disk.
  public let whenFull: LogFullPolicy
  /// Random bits, used only when the log is created.
  ///
  /// They go into every checksum, so that bytes which a peer chose can never pass for a record.
  public let salt: UInt64

  /// Creates a configuration, bringing sizes into range: a segment has room for its header, its
  /// index and one record of the largest size.
  public init(
    partitionCount: Int = 4,
    segmentBytes: UInt64 = 64 << 20,
    indexIntervalBytes: UInt64 = 256 << 10,
    limits: LogLimits = LogLimits(),
    retention: LogRetention = LogRetention(),
    whenFull: LogFullPolicy = .refuse,
    salt: UInt64
  ) {
    let partitions = min(max(partitionCount, 1), LogLimits.partitionCount)
    let least =
      SegmentHeader.areaByteCount(partitionCount: partitions)
      + RecordFrame.headerByteCount + limits.recordBytes
      + SegmentIndex.footerByteCount(entryCount: partitions, partitionCount: partitions)
    self.partitionCount = partitions
    self.segmentBytes = min(max(segmentBytes, UInt64(least)), 1 << 40)
    self.indexIntervalBytes = max(
      indexIntervalBytes,
      partitions > 64 ? UInt64(partitions) * 4096 : 1
    )
    self.limits = limits
    self.retention = retention
    self.whenFull = whenFull
    self.salt = salt
  }
}

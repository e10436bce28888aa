/// Why the log did not do what it was asked.
public enum LogFault: Error, Equatable, Sendable {
  /// The record's payload is longer than `LogLimits.recordBytes`; it was taken out of the batch.
  case recordTooLarge(byteCount: Int, limit: Int)
  /// The record would have made the batch longer than `LogLimits.batchBytes`; it was taken out.
  case batchFull(limit: Int)
  /// The batch would exceed `LogLimits.uncommittedBytes`: commit, then append it again.
  case groupFull(limit: Int)
  /// The batch holds a record for a partition that this log does not have.
  case partitionUnknown(UInt16)
  /// There is no room for another segment; nothing of the batch was kept.
  case full
  /// The disk failed; nothing since the last commit is acknowledged.
  case disk(LogDiskFault)
  /// The files belong to a log with another number of partitions, which is fixed at creation.
  case partitionCount(found: Int, asked: Int)
  /// The files were written by a version of the format that this one does not read.
  case formatVersion(UInt16)
  /// No segment has a readable header although there are records: the log can't be told from
  /// garbage, and a person has to decide. The value is the first segment's base position.
  case headersLost(UInt64)
  /// Retention removed a segment since the view was taken: take the current view and read again.
  case viewOutdated

  init(_ fault: LogDiskFault) {
    self = fault == .noSpace ? .full : .disk(fault)
  }
}

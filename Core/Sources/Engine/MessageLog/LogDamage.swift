/// Why bytes of the log are not a record.
public enum LogDamageReason: Equatable, Sendable {
  /// The fields of the frame make no sense: zeros, garbage, or the frame of another place.
  case noFrame
  /// The frame reaches beyond the end of its segment.
  case truncated
  /// The checksum does not match: a torn or lost write, or bits that changed.
  case checksum
  /// The frame is whole, but its number is not the next one of its partition.
  case sequence
  /// The disk could not read the bytes; the value is the call's `errno`.
  case unreadable(Int32)
}

/// Committed bytes that can no longer be read as records.
public struct LogDamage: Equatable, Sendable {
  /// Base position of the segment, which also names its file.
  public let segment: UInt64
  /// The positions that were stepped over, in the log.
  public let positions: Range<UInt64>
  /// What is wrong with the first of them.
  public let reason: LogDamageReason

  /// Names damage.
  public init(segment: UInt64, positions: Range<UInt64>, reason: LogDamageReason) {
    self.segment = segment
    self.positions = positions
    self.reason = reason
  }
}

/// One thing that opening a log found and did.
public enum LogFinding: Equatable, Sendable {
  /// The last segment was cut at `position`, before `byteCount` bytes that an unfinished commit
  /// left there; none of them had been acknowledged.
  case cut(segment: UInt64, position: UInt64, byteCount: UInt64, reason: LogDamageReason)
  /// Committed bytes are damaged; the records around them are kept.
  case damaged(LogDamage)
  /// Both copies of a segment's header are damaged; its records were found without it.
  case headerDamaged(segment: UInt64)
  /// A last segment without any record was removed.
  case emptySegmentRemoved(segment: UInt64)
  /// No file holds these positions although others around them exist.
  case segmentsMissing(positions: Range<UInt64>)
  /// A file that is not a segment's lies in the directory; it is left alone.
  case foreignFile(String)
}

/// What opening a log found.
public struct LogRecovery: Equatable, Sendable {
  /// Everything worth telling, in the order of the log; empty after a clean stop.
  public internal(set) var findings: [LogFinding] = []
  /// Records in the segments that were scanned from end to end, the last one among them.
  public internal(set) var scannedRecordCount = 0
  /// Segments kept.
  public internal(set) var segmentCount = 0
}

extension LogDamageReason: CustomStringConvertible {
  /// What is wrong, in words.
  public var description: String {
    switch self {
    case .noFrame: "no record stands there"
    case .truncated: "a record reaches beyond the end"
    case .checksum: "a checksum does not match"
    case .sequence: "a record has another number than the next one"
    case .unreadable(let code): "the disk cannot read it (error \(code))"
    }
  }
}

extension LogFinding: CustomStringConvertible {
  /// What was found and done, in words; segments are named as their files are.
  public var description: String {
    switch self {
    case .cut(let segment, let position, let byteCount, let reason):
      "\(SegmentName.name(base: segment)): cut at position \(position), where an unfinished commit had "
        + "left \(byteCount) bytes (\(reason)); nothing of it had been acknowledged"
    case .damaged(let damage):
      "\(SegmentName.name(base: damage.segment)): positions \(damage.positions.lowerBound) to "
        + "\(damage.positions.upperBound) are damaged (\(damage.reason)); their events are lost"
    case .headerDamaged(let segment):
      "\(SegmentName.name(base: segment)): its header is damaged; its events were found without it"
    case .emptySegmentRemoved(let segment):
      "\(SegmentName.name(base: segment)): removed, it held nothing"
    case .segmentsMissing(let positions):
      "no file has positions \(positions.lowerBound) to \(positions.upperBound); their events "
        + "are lost"
    case .foreignFile(let name): "\(name): no file of the log; left alone"
    }
  }
}

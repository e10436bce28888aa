/// What is committed of the log at one moment: a value that any thread may hold and read with.
///
/// The writer's thread makes a new one after each commit (`MessageLog.view`) and publishes it.
/// Making one costs no more than two retains; nothing of the log is copied.
public struct LogView: Sendable {
  let segments: [Segment]
  /// The index of the active segment, which grows apart from `segments`.
  let activeIndex: SegmentIndex
  let committed: [PartitionState]
  let seal: FrameSeal
  /// Position after the last committed record.
  public let committedEnd: UInt64

  /// Number of partitions.
  public var partitionCount: Int { committed.count }

  /// What can be read of `partition`, which must be one of the log's.
  public subscript(partition: UInt16) -> LogPartition {
    let state = committed[Int(partition)]
    return LogPartition(
      firstSequence: segments.first?.states[Int(partition)].nextSequence ?? state.nextSequence,
      nextSequence: state.nextSequence,
      lastOffset: state.lastPosition == 0 ? nil : state.lastPosition,
      lastEnqueuedTime: state.lastTime
    )
  }

  /// Bytes that the kept segments take, without what is reserved and not written yet.
  public var byteCount: UInt64 { committedEnd - (segments.first?.base ?? committedEnd) }

  /// Number of kept segments, the active one among them.
  public var segmentCount: Int { segments.count }

  /// Index of the segment that holds `position`: the last one that begins at or before it.
  func segmentIndex(holding position: UInt64) -> Int? {
    let count = segments.partitioningIndex { $0.base > position }
    return count == 0 ? nil : count - 1
  }

  /// The index of `segments[index]`.
  func index(of index: Int) -> SegmentIndex {
    segments[index].dataEnd == nil ? activeIndex : segments[index].index
  }

  /// End of what can be read in `segments[index]`.
  func readableEnd(_ index: Int) -> UInt64 {
    min(segments[index].dataEnd ?? committedEnd, committedEnd)
  }
}

/// One segment as readers and retention know it.
struct Segment: Sendable {
  /// Position of the file's first byte.
  let base: UInt64
  /// Position of the first frame.
  let dataStart: UInt64
  /// Where every partition stands at `dataStart`.
  let states: [PartitionState]
  /// Empty while the segment is the active one.
  var index: SegmentIndex
  /// Position after the last record; nil while the segment is the active one.
  var dataEnd: UInt64?

  var name: String { SegmentName.name(base: base) }
}

extension Array {
  /// Index of the first element for which `belongsAfter` is true; it must be true for a suffix.
  func partitioningIndex(_ belongsAfter: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if belongsAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

import ByteIO

/// A record's place, in the sparse index of its partition.
struct IndexEntry: Equatable, Sendable {
  var sequence: UInt64
  var time: UInt64
  var position: UInt64

  static let byteCount = 26
}

/// The sparse index of one segment: per partition, ascending in sequence, time and position.
///
/// A value: what a view holds does not change when the writer adds an entry, which it does about
/// once per `indexIntervalBytes` and so can afford to copy the one partition's list then.
struct SegmentIndex: Sendable {
  private var lists: [[IndexEntry]]

  init(partitionCount: Int) { lists = Array(repeating: [], count: partitionCount) }

  private init(_ lists: [[IndexEntry]]) { self.lists = lists }

  mutating func add(_ entry: IndexEntry, partition: Int) { lists[partition].append(entry) }

  /// Forgets what lies at `position` or after it.
  mutating func removeAll(from position: UInt64) {
    for partition in lists.indices {
      while let last = lists[partition].last, last.position >= position {
        lists[partition].removeLast()
      }
    }
  }

  /// The last indexed record of `partition` that lies `before` what is sought.
  ///
  /// `before` is true for a prefix of the entries.
  func lastEntry(partition: Int, before: (IndexEntry) -> Bool) -> IndexEntry? {
    let after = lists[partition].partitioningIndex { !before($0) }
    return after == 0 ? nil : lists[partition][after - 1]
  }

  // MARK: - The index at the end of a sealed segment
  //
  // A frame of index kind whose payload is:
  //   per partition: its state at the end of the segment
  //   u32 entry count; per entry u16 partition, u64 sequence, u64 time, u64 position
  //   u32 byte count of the whole frame, so that it is found from the end

  static func footerByteCount(entryCount: Int, partitionCount: Int) -> Int {
    RecordFrame.headerByteCount + partitionCount * PartitionState.byteCount + 4
      + entryCount * IndexEntry.byteCount + 4
  }

  /// The frame that closes a segment at `position`.
  func encodedFooter(seal: FrameSeal, position: UInt64, states: [PartitionState]) -> [UInt8] {
    let count = lists.reduce(0) { $0 + $1.count }
    let total = SegmentIndex.footerByteCount(entryCount: count, partitionCount: states.count)
    var writer = ByteWriter(capacity: total)
    writer.uint32LE(0)
    writer.uint32LE(UInt32(truncatingIfNeeded: total - RecordFrame.headerByteCount))
    writer.uint16LE(0)
    writer.uint16LE(RecordFrame.noPartition)
    for _ in 0..<(RecordFrame.headerByteCount - 12) / 4 { writer.uint32LE(0) }
    for state in states { writer.append(state) }
    writer.uint32LE(UInt32(truncatingIfNeeded: count))
    for (partition, list) in lists.enumerated() {
      for entry in list {
        writer.uint16LE(UInt16(truncatingIfNeeded: partition))
        writer.uint64LE(entry.sequence)
        writer.uint64LE(entry.time)
        writer.uint64LE(entry.position)
      }
    }
    writer.uint32LE(UInt32(truncatingIfNeeded: total))
    var span = writer.bytes.mutableSpan
    seal.stamp(
      &span,
      at: 0,
      byteCount: total - RecordFrame.headerByteCount,
      kind: RecordFrame.indexKind,
      position: position,
      uncommitted: 0,
      sequence: 0,
      time: 0
    )
    return writer.bytes
  }

  /// Reads a footer's payload, whose frame was verified.
  static func decode(
    footerPayload bytes: Span<UInt8>,
    partitionCount: Int
  ) -> (index: SegmentIndex, states: [PartitionState])? {
    var reader = ByteReader(bytes)
    var states: [PartitionState] = []
    for _ in 0..<partitionCount {
      guard let state = reader.partitionState() else { return nil }
      states.append(state)
    }
    guard let count = reader.uint32LE(), Int(count) <= reader.remaining / IndexEntry.byteCount
    else { return nil }
    var lists = [[IndexEntry]](repeating: [], count: partitionCount)
    for _ in 0..<count {
      guard let partition = reader.uint16LE().map(Int.init), partition < partitionCount,
        let sequence = reader.uint64LE(), let time = reader.uint64LE(),
        let position = reader.uint64LE()
      else { return nil }
      lists[partition].append(IndexEntry(sequence: sequence, time: time, position: position))
    }
    return (SegmentIndex(lists), states)
  }
}

/// The end of the active segment as the writer fills it: positions, numbers and the index.
struct LogTail: Sendable {
  let seal: FrameSeal
  let indexIntervalBytes: UInt64
  /// Base position of the active segment.
  private(set) var base: UInt64
  /// Position after which nothing fits in the active segment.
  private(set) var capacityEnd: UInt64
  private(set) var index: SegmentIndex
  private var indexEntryCount = 0
  /// Position of each partition's last index entry in this segment, 0 for none.
  private var lastIndexed: [UInt64]
  /// Position of the next frame.
  private(set) var position: UInt64
  /// Where every partition stands at `position`.
  private(set) var states: [PartitionState]

  init(
    seal: FrameSeal,
    configuration: LogConfiguration,
    base: UInt64,
    states: [PartitionState]
  ) {
    self.seal = seal
    self.base = base
    self.states = states
    index = SegmentIndex(partitionCount: states.count)
    indexIntervalBytes = configuration.indexIntervalBytes
    capacityEnd = base + configuration.segmentBytes
    position = base + UInt64(SegmentHeader.areaByteCount(partitionCount: states.count))
    lastIndexed = Array(repeating: 0, count: states.count)
  }

  /// Bytes that the segment's index takes if `more` entries come.
  private func footerByteCount(more: Int) -> Int {
    SegmentIndex.footerByteCount(
      entryCount: indexEntryCount + more,
      partitionCount: states.count
    )
  }

  /// Whether `byteCount` bytes of `recordCount` records surely fit in the segment with its index.
  func surelyFits(byteCount: Int, recordCount: Int) -> Bool {
    let entries = min(
      recordCount,
      states.count * (1 + Int(UInt64(byteCount) / indexIntervalBytes))
    )
    // One more, because `stamp` asks for room for an entry before it knows that there is none.
    return position + UInt64(byteCount + footerByteCount(more: entries + 1)) <= capacityEnd
  }

  /// Stamps the frames of `range` that fit in the segment; answers where they end.
  mutating func stamp(
    _ bytes: inout MutableSpan<UInt8>,
    _ range: Range<Int>,
    committedEnd: UInt64,
    now: UInt64
  ) -> Int {
    var index = range.lowerBound
    while index < range.upperBound {
      let byteCount = Int(bytes.span.loadLE(index + 4, as: UInt32.self))
      let partition = Int(bytes.span.loadLE(index + 10, as: UInt16.self))
      let frameByteCount = RecordFrame.headerByteCount + byteCount
      let needed = UInt64(frameByteCount + footerByteCount(more: 1))
      guard position + needed <= capacityEnd else { break }
      let sequence = states[partition].nextSequence
      let time = max(states[partition].lastTime, now)
      seal.stamp(
        &bytes,
        at: index,
        byteCount: byteCount,
        position: position,
        uncommitted: UInt32(truncatingIfNeeded: position - committedEnd),
        sequence: sequence,
        time: time
      )
      advance(partition: partition, sequence: sequence, time: time, byteCount: frameByteCount)
      index += frameByteCount
    }
    return index
  }

  /// Takes note of the frame at `position`, of `byteCount` bytes, and moves behind it.
  mutating func advance(partition: Int, sequence: UInt64, time: UInt64, byteCount: Int) {
    if lastIndexed[partition] == 0 || position - lastIndexed[partition] >= indexIntervalBytes {
      index.add(
        IndexEntry(sequence: sequence, time: time, position: position),
        partition: partition
      )
      lastIndexed[partition] = position
      indexEntryCount += 1
    }
    states[partition] = PartitionState(
      nextSequence: sequence &+ 1,
      lastTime: time,
      lastPosition: position
    )
    position += UInt64(byteCount)
  }

  /// Steps over damaged bytes, when a segment is read back.
  mutating func skip(to position: UInt64) { self.position = position }

  /// The index frame that closes the segment at `position`.
  func footer() -> [UInt8] {
    index.encodedFooter(seal: seal, position: position, states: states)
  }
}

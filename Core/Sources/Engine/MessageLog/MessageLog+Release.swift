extension MessageLog {
  /// Removes the oldest segments whose records nobody needs any more, never the active one; answers
  /// how many.
  ///
  /// For each partition, `kept` has the number of the first record that is still needed; a segment
  /// goes when all of its records stand before them. Publish a new `view` afterwards. Throws as
  /// `expire` does.
  @discardableResult
  public mutating func release(before kept: [UInt64]) throws(LogFault) -> Int {
    precondition(kept.count == configuration.partitionCount, "one number per partition")
    var count = 0
    while committedSegmentCount > 1, segments.count > 1, isOldestPassed(kept),
      try removeOldest()
    {
      count += 1
    }
    return count
  }

  private func isOldestPassed(_ kept: [UInt64]) -> Bool {
    // The states at the next segment's start are the end of the oldest one.
    let end = segments[1].states
    for partition in kept.indices where end[partition].nextSequence > kept[partition] {
      return false
    }
    return true
  }

  /// Whether the active segment surely has room for `byteCount` bytes of `recordCount` more records,
  /// frames included, so that the disk needs none.
  public func hasRoomInSegment(byteCount: Int, recordCount: Int) -> Bool {
    suspension == nil && tail.surelyFits(byteCount: byteCount, recordCount: recordCount)
  }
}

extension LogView {
  /// A position at or before the record `sequence` of `partition`, at most an index interval before
  /// it: where a reader would begin to look for it.
  public func position(before sequence: UInt64, in partition: UInt16) -> UInt64 {
    let number = Int(partition)
    let after = segments.partitioningIndex { $0.states[number].nextSequence > sequence }
    guard after > 0 else { return segments.first?.base ?? committedEnd }
    let end = readableEnd(after - 1)
    let entry = index(of: after - 1).lastEntry(partition: number) {
      $0.position < end && $0.sequence <= sequence
    }
    return entry?.position ?? segments[after - 1].base
  }

  /// The numbers that the partitions had come to where the second segment begins, nil if there is
  /// only one segment: what would go with the oldest.
  public var oldestSegmentEnd: [UInt64]? {
    segments.count > 1 ? segments[1].states.map(\.nextSequence) : nil
  }
}

extension LogBatch {
  /// Bytes that a record takes beside its payload.
  public static var frameByteCount: Int { RecordFrame.headerByteCount }
}

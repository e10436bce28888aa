/// One pass over the frames of a segment, which rebuilds its index and the states of the
/// partitions and tells damage from the end.
struct SegmentScan {
  /// Filled frame by frame as the writer did; its position is the end of what was found.
  var tail: LogTail
  /// Whether the numbers the partitions should go on with are known from the header.
  let isNumberingKnown: Bool
  private(set) var damage: [LogDamage] = []
  private(set) var recordCount = 0
  /// Position after the index frame, if one was met.
  private(set) var footerEnd: UInt64?
  /// Why the scan ended before the limit and not at an index frame.
  private(set) var stopReason: LogDamageReason?
  /// Committed end at the time when the last record was written: all before it was synced.
  private(set) var lastGroupStart: UInt64 = 0

  init(tail: LogTail, isNumberingKnown: Bool) {
    self.tail = tail
    self.isNumberingKnown = isNumberingKnown
  }

  /// Scans until the walk's limit, an index frame, or the first bad frame at or after `proven`.
  ///
  /// Bad bytes before `proven`, which were committed, are stepped over. Nil means that the scan has
  /// to find out itself from the frames behind the first bad one.
  mutating func run<Disk: LogDisk>(_ walk: inout FrameWalk<Disk>, proven: UInt64?) {
    var proven = proven
    while tail.position < walk.limit {
      let position = tail.position
      var reason: LogDamageReason
      switch walk.frame(at: position) {
      case .frame(let header) where header.isIndex:
        footerEnd = position + UInt64(header.frameByteCount)
        return
      case .frame(let header):
        if accept(header, at: position) { continue }
        reason = .sequence
      case .bad(let why):
        reason = why
      }
      let committedEnd = proven ?? SegmentScan.provenEnd(&walk, after: position)
      proven = committedEnd
      guard position < committedEnd else {
        stopReason = reason
        return
      }
      let next = walk.nextFrame(after: position) ?? walk.limit
      damage.append(
        LogDamage(segment: walk.base, positions: position..<next, reason: reason)
      )
      guard next < walk.limit else { return }
      tail.skip(to: next)
    }
  }

  /// Takes a verified record if its number can follow; gaps can only come from damage.
  private mutating func accept(_ header: FrameHeader, at position: UInt64) -> Bool {
    let partition = Int(header.partition)
    let expected = tail.states[partition].nextSequence
    let mayJump = !isNumberingKnown || !damage.isEmpty
    guard header.sequence == expected || (mayJump && header.sequence > expected) else {
      return false
    }
    tail.advance(
      partition: partition,
      sequence: header.sequence,
      time: header.time,
      byteCount: header.frameByteCount
    )
    recordCount += 1
    let uncommitted = UInt64(header.uncommitted)
    lastGroupStart = position > uncommitted ? position - uncommitted : 0
    return true
  }

  /// The end of what any record behind `bad` shows to have been committed before it was written.
  private static func provenEnd<Disk: LogDisk>(
    _ walk: inout FrameWalk<Disk>,
    after bad: UInt64
  ) -> UInt64 {
    var proven: UInt64 = 0
    var position = bad
    guard walk.endOfNonZero(from: bad) > bad else { return 0 }
    while let next = walk.nextFrame(after: position) {
      guard case .frame(let header) = walk.frame(at: next) else { break }
      if !header.isIndex, next > UInt64(header.uncommitted) {
        proven = max(proven, next - UInt64(header.uncommitted))
      }
      position = next
    }
    return proven
  }
}

extension FrameWalk {
  /// Position after the last byte at or behind `position` that is not zero; `position` if all are.
  mutating func endOfNonZero(from position: UInt64) -> UInt64 {
    var end = position
    var chunkStart = position
    while chunkStart < limit {
      let wanted = Int(min(UInt64(window.buffer.count), limit - chunkStart))
      guard let count = fill(at: chunkStart, byteCount: wanted), count > 0 else { break }
      let bytes = window.buffer.span
      var index = count
      while index >= 8, bytes.loadLE(index - 8, as: UInt64.self) == 0 { index -= 8 }
      while index > 0, bytes[index - 1] == 0 { index -= 1 }
      if index > 0 { end = chunkStart + UInt64(index) }
      chunkStart += UInt64(count)
    }
    return end
  }

  /// Reads what there is of `byteCount` bytes at `position` to the window's start.
  private mutating func fill(at position: UInt64, byteCount: Int) -> Int? {
    window.invalidate()
    do throws(LogDiskFault) {
      _ = try window.load(
        position,
        byteCount: byteCount,
        limit: limit,
        base: base,
        file: file,
        disk: disk
      )
      return window.count
    } catch {
      return nil
    }
  }

  /// The index that ends exactly at `limit`, if it is whole.
  mutating func footer(
    limit: UInt64
  ) -> (index: SegmentIndex, states: [PartitionState], dataEnd: UInt64)? {
    guard limit >= base + 4, fill(at: limit - 4, byteCount: 4) == 4 else { return nil }
    let total = UInt64(window.buffer.span.loadLE(0, as: UInt32.self))
    guard total >= UInt64(RecordFrame.headerByteCount), total <= limit - base,
      case .frame(let header) = frame(at: limit - total),
      header.isIndex, UInt64(header.frameByteCount) == total
    else { return nil }
    let start = Int(limit - total - window.start)
    let payload = window.buffer.span.extracting(
      start + RecordFrame.headerByteCount..<start + Int(total)
    )
    guard
      let decoded = SegmentIndex.decode(
        footerPayload: payload,
        partitionCount: seal.partitionCount
      )
    else { return nil }
    return (decoded.index, decoded.states, limit - total)
  }
}

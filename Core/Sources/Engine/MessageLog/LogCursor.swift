/// One committed record, borrowed from the cursor's buffer for the time of a visit.
public struct LogRecord: ~Escapable {
  /// The record's partition.
  public let partition: UInt16
  /// Its number in the partition, counted from 0 without gaps.
  public let sequence: UInt64
  /// Its position in the log: unique, ascending, stable for ever.
  public let offset: UInt64
  /// When it was appended, in milliseconds since 1970.
  public let enqueuedTime: UInt64
  /// What the producer appended.
  public let payload: Span<UInt8>

  @_lifetime(copy payload)
  init(
    partition: UInt16,
    sequence: UInt64,
    offset: UInt64,
    enqueuedTime: UInt64,
    payload: Span<UInt8>
  ) {
    self.partition = partition
    self.sequence = sequence
    self.offset = offset
    self.enqueuedTime = enqueuedTime
    self.payload = payload
  }
}

/// Where a cursor begins.
public enum LogStart: Equatable, Sendable {
  /// At the oldest kept record.
  case earliest
  /// After the newest record of the view.
  case latest
  /// At the first record whose offset is greater, or `inclusive`, not less.
  ///
  /// Beyond the end it waits for such a record.
  case offset(UInt64, inclusive: Bool)
  /// At the first record whose number is greater, or `inclusive`, not less.
  case sequence(UInt64, inclusive: Bool)
  /// At the first record that was enqueued later, or `inclusive`, not earlier; in milliseconds
  /// since 1970.
  case enqueuedTime(UInt64, inclusive: Bool)
}

/// What one `LogCursor.read` gave.
public struct LogReading: Equatable, Sendable {
  /// Records that were visited.
  public internal(set) var recordCount = 0
  /// Bytes of their payloads.
  public internal(set) var payloadByteCount = 0
  /// Whether everything committed in the view has been read.
  public internal(set) var isAtEnd = false
  /// Number of the first kept record, if records that the cursor should have given next had been
  /// removed by retention.
  public internal(set) var resumedAt: UInt64?
  /// Damaged places that were stepped over.
  public internal(set) var damage: [LogDamage] = []
}

/// Reads one partition's committed records, in order, on any thread.
///
/// It has its own file handle and buffer, and takes the log's current `LogView` with each call. It
/// is as durable as its owner makes it: a position to come back to is the last record's sequence
/// number or offset. Each record's checksum is verified; frames of other partitions are stepped
/// over by their length and verified only when something does not fit.
///
/// A bad record is reported in `LogReading.damage` and stepped over.
public struct LogCursor<Disk: LogDisk>: ~Copyable {
  /// The partition it reads.
  public let partition: UInt16
  private let disk: Disk
  private var file: Disk.File?
  private var fileBase: UInt64 = 0
  private var window: SegmentWindow
  /// Position of the next frame to look at.
  private var position: UInt64 = 0
  /// The number that the partition's next record in the log has; nil until one was met.
  private var expected: UInt64?
  /// Position after the last record of the partition that verified, or of the start.
  private var trusted: UInt64 = 0
  /// Every frame before it is verified, because lengths on the way did not fit.
  private var verifiedUntil: UInt64 = 0
  private var start = LogStart.earliest
  /// Whether a record at or after `start` was met, so that it needs no more comparing.
  private var hasStarted = false

  /// Creates a cursor that stands at the earliest record.
  ///
  /// `windowByteCount` is how much is read at once; it grows to the longest record met.
  public init(disk: Disk, partition: UInt16, windowByteCount: Int = 64 << 10) {
    self.disk = disk
    self.partition = partition
    window = SegmentWindow(byteCount: windowByteCount)
  }

  deinit {
    if let file { disk.close(file) }
  }

  // MARK: - Seeking

  /// Moves to `start`, without reading anything.
  ///
  /// Answers the number of the oldest kept record if retention has removed records that `start`
  /// asks for: reading begins there then. The cursor's partition must be one of the log's.
  @discardableResult
  public mutating func seek(_ start: LogStart, in view: LogView) -> UInt64? {
    let kept = view[partition]
    self.start = start
    hasStarted = start == .earliest
    expected = kept.firstSequence
    verifiedUntil = 0
    position = view.segments.first?.dataStart ?? view.committedEnd
    defer { trusted = position }
    switch start {
    case .earliest:
      return nil
    case .latest:
      position = view.committedEnd
      expected = kept.nextSequence
      return nil
    case .offset(let offset, _):
      jump(in: view, segment: view.segmentIndex(holding: offset)) { $0.position <= offset }
      return offset < (view.segments.first?.base ?? 0) && kept.firstSequence > 0
        ? kept.firstSequence : nil
    case .sequence(let sequence, let inclusive):
      let index = Int(partition)
      let after = view.segments.partitioningIndex { $0.states[index].nextSequence > sequence }
      jump(in: view, segment: after == 0 ? nil : after - 1) { $0.sequence <= sequence }
      let isRemoved =
        inclusive ? sequence < kept.firstSequence : sequence &+ 1 < kept.firstSequence
      return isRemoved ? kept.firstSequence : nil
    case .enqueuedTime(let time, _):
      let index = Int(partition)
      let after = view.segments.partitioningIndex { $0.states[index].lastTime >= time }
      jump(in: view, segment: after == 0 ? nil : after - 1) { $0.time < time }
      return nil
    }
  }

  /// Moves to the last indexed record `before` what is sought in the segment, or to its start.
  private mutating func jump(
    in view: LogView,
    segment index: Int?,
    before: (IndexEntry) -> Bool
  ) {
    guard let index else { return }
    let segment = view.segments[index]
    position = segment.dataStart
    expected = segment.states[Int(partition)].nextSequence
    let end = view.readableEnd(index)
    guard
      let indexed = view.index(of: index).lastEntry(
        partition: Int(partition),
        before: { $0.position < end && before($0) }
      )
    else { return }
    position = indexed.position
    expected = indexed.sequence
  }

  /// Whether `start` lets the record through.
  private func isWanted(_ header: FrameHeader, at position: UInt64) -> Bool {
    switch start {
    case .earliest, .latest: true
    case .offset(let offset, let inclusive): inclusive ? position >= offset : position > offset
    case .sequence(let sequence, let inclusive):
      inclusive ? header.sequence >= sequence : header.sequence > sequence
    case .enqueuedTime(let time, let inclusive):
      inclusive ? header.time >= time : header.time > time
    }
  }

  // MARK: - Reading

  /// Visits the next records, until `maxRecords`, or until `maxBytes` of payload would be exceeded
  /// (one record is always given), or until the view's end.
  ///
  /// A record that was visited is not visited again. Throws `viewOutdated` if the view is older
  /// than what retention has left, `disk` if the disk fails; the cursor then stands behind the
  /// last record that it gave.
  public mutating func read(
    in view: LogView,
    maxRecords: Int,
    maxBytes: Int = .max,
    _ visit: (LogRecord) -> Void
  ) throws(LogFault) -> LogReading {
    var reading = LogReading()
    while reading.recordCount < maxRecords {
      guard let limit = try openSegment(in: view, &reading) else {
        reading.isAtEnd = true
        break
      }
      // Nothing below leaves the segment but at its end.
      while reading.recordCount < maxRecords, position < limit {
        passForeign(view.seal, limit: limit)
        switch try next(view: view, limit: limit, &reading) {
        case .skipped: continue
        case .record(let header, let index):
          let room = maxBytes - reading.payloadByteCount
          if reading.recordCount > 0, header.byteCount > room { return reading }
          let payloadStart = index + RecordFrame.headerByteCount
          visit(
            LogRecord(
              partition: partition,
              sequence: header.sequence,
              offset: position,
              enqueuedTime: header.time,
              payload: window.buffer.span
                .extracting(payloadStart..<payloadStart + header.byteCount)
            )
          )
          reading.recordCount += 1
          reading.payloadByteCount += header.byteCount
          pass(header)
        }
      }
    }
    return reading
  }

  /// Steps over frames of other partitions that the window holds, as long as nothing is odd: what
  /// `next` does too, one at a time.
  private mutating func passForeign(_ seal: FrameSeal, limit: UInt64) {
    guard position >= verifiedUntil else { return }
    while let index = window.index(of: position, byteCount: RecordFrame.headerByteCount),
      let header = seal.header(window.buffer.span, at: index, position: position),
      !header.isIndex, header.partition != partition,
      UInt64(header.frameByteCount) < limit - position
    {
      position += UInt64(header.frameByteCount)
    }
  }

  private func segmentIndex(in view: LogView) -> Int {
    view.segmentIndex(holding: position) ?? 0
  }

  /// Makes `file` the segment that holds the next frame, and answers where it may be read to; nil if
  /// there is no further one.
  private mutating func openSegment(
    in view: LogView,
    _ reading: inout LogReading
  ) throws(LogFault) -> UInt64? {
    guard let first = view.segments.first else { return nil }
    if position < first.dataStart {
      let firstSequence = first.states[Int(partition)].nextSequence
      if let expected, firstSequence > expected { reading.resumedAt = firstSequence }
      position = first.dataStart
      trusted = position
      expected = firstSequence
    }
    while true {
      let index = segmentIndex(in: view)
      let segment = view.segments[index]
      if position < segment.dataStart {
        position = segment.dataStart
        trusted = position
      }
      let limit = view.readableEnd(index)
      if position < limit {
        try open(segment)
        return limit
      }
      guard index + 1 < view.segments.count else { return nil }
      position = view.segments[index + 1].base
    }
  }

  private mutating func open(_ segment: Segment) throws(LogFault) {
    if file != nil, fileBase == segment.base { return }
    do throws(LogDiskFault) {
      let opened = try disk.open(segment.name, forWriting: false)
      if let file { disk.close(file) }
      file = opened
      fileBase = segment.base
      window.invalidate()
    } catch .missing {
      throw .viewOutdated
    } catch {
      throw .disk(error)
    }
  }

  private enum Next {
    case skipped
    case record(FrameHeader, index: Int)
  }

  /// Looks at the frame at `position`, and moves behind it unless it is to be visited.
  private mutating func next(
    view: LogView,
    limit: UInt64,
    _ reading: inout LogReading
  ) throws(LogFault) -> Next {
    guard let file else { return .skipped }
    do throws(LogDiskFault) {
      guard
        let start = try load(file, byteCount: RecordFrame.headerByteCount, limit: limit)
      else { return try recover(from: .truncated, view, file, limit, &reading) }
      guard let header = view.seal.header(window.buffer.span, at: start, position: position),
        !header.isIndex
      else { return try recover(from: .noFrame, view, file, limit, &reading) }
      let isOurs = header.partition == partition
      guard isOurs || position < verifiedUntil else {
        guard UInt64(header.frameByteCount) <= limit - position else {
          return try recover(from: .truncated, view, file, limit, &reading)
        }
        position += UInt64(header.frameByteCount)
        return .skipped
      }
      guard let index = try load(file, byteCount: header.frameByteCount, limit: limit) else {
        return try recover(from: .truncated, view, file, limit, &reading)
      }
      let end = index + header.frameByteCount
      guard view.seal.verifies(window.buffer.span, from: index, to: end, position: position)
      else { return try recover(from: .checksum, view, file, limit, &reading) }
      guard isOurs else {
        position += UInt64(header.frameByteCount)
        return .skipped
      }
      if let expected, header.sequence != expected {
        guard position < verifiedUntil else {
          return try recover(from: .sequence, view, file, limit, &reading)
        }
        if header.sequence < expected {
          position += UInt64(header.frameByteCount)
          return .skipped
        }
        if reading.damage.isEmpty {
          reading.damage.append(
            LogDamage(segment: fileBase, positions: position..<position, reason: .sequence)
          )
        }
      }
      hasStarted = hasStarted || isWanted(header, at: position)
      guard hasStarted else {
        pass(header)
        return .skipped
      }
      return .record(header, index: index)
    } catch {
      throw .disk(error)
    }
  }

  /// Moves behind a verified record of the partition.
  private mutating func pass(_ header: FrameHeader) {
    position += UInt64(header.frameByteCount)
    trusted = position
    expected = header.sequence &+ 1
  }

  /// Deals with something at `position` that does not fit.
  ///
  /// If lengths were trusted on the way here, goes back and
  /// verifies every frame; else steps to the next good frame and reports what lies between.
  private mutating func recover(
    from reason: LogDamageReason,
    _ view: LogView,
    _ file: Disk.File,
    _ limit: UInt64,
    _ reading: inout LogReading
  ) throws(LogDiskFault) -> Next {
    if position >= verifiedUntil {
      // One past the trouble, so that the frame there is verified as well.
      verifiedUntil = position + 1
      if trusted >= fileBase, trusted < position {
        position = trusted
        return .skipped
      }
      if reason == .sequence { return .skipped }
    }
    var walk = FrameWalk(
      disk: disk,
      file: file,
      base: fileBase,
      limit: limit,
      seal: view.seal
    )
    let next = walk.nextFrame(after: position) ?? limit
    reading.damage.append(
      LogDamage(segment: fileBase, positions: position..<next, reason: reason)
    )
    position = next
    trusted = next
    verifiedUntil = max(verifiedUntil, next + 1)
    return .skipped
  }

  private mutating func load(
    _ file: Disk.File,
    byteCount: Int,
    limit: UInt64
  ) throws(LogDiskFault) -> Int? {
    try window.load(
      position,
      byteCount: byteCount,
      limit: limit,
      base: fileBase,
      file: file,
      disk: disk
    )
  }
}

extension LogCursor: Sendable where Disk: Sendable {}

/// The partitioned append-only log of a hub.
///
/// All partitions are interleaved in one sequence of segment files, so that a group commit costs
/// one sync whatever their number. A record's offset is its position in that sequence: unique,
/// stable for ever, ascending in each partition.
///
/// One thread owns the value and writes; any thread reads committed records with a `LogCursor`
/// and a `LogView`. A turn of the writer:
///
/// ```swift
/// for batch in batches {                         // of several producers
///   do { try log.append(&batch, now: now) } catch { refuse(batch, error) }
/// }
/// do { try log.commit() } catch { refuse(all that were appended, error) }
/// publish(log.view)                              // readers see the records
/// acknowledge(all that were appended)            // and only now the producers
/// ```
///
/// **What a fault means.** A batch whose `append` throws is not in the log. A `commit` that throws
/// has committed none of the batches appended since the last one. Either may be appended again, as
/// new records.
///
/// **After a failed write or sync** the bytes behind the committed end are unknown: the kernel may
/// have dropped them and would report success for a second sync. The log never touches that file
/// again. It is closed at the committed end, and the next `append` begins a new segment there, as
/// often as it is tried (`state`, `resume`). What readers saw stays readable.
///
/// **On a full disk** the active segment, whose space was reserved, goes on being filled. When the
/// next one can't be created, batches that don't fit are refused with `LogFault.full`, until
/// space returns; no restart is needed. `LogFullPolicy.dropOldest` gives old segments up first.
///
/// **Opening is recovery.** Sealed segments are trusted by their index and checked when read. The
/// last segment is read from end to end: committed bytes that are damaged are reported and stepped
/// over, what an unfinished commit left is cut off (`RecordFrame` tells how the two are told
/// apart), the records of the last group are written and synced once more in case the kernel only
/// had them in memory, and the segment is sealed. Writing begins in a new one.
///
/// Not its business: who may read, consumer groups, and what a payload means.
public struct MessageLog<Disk: LogDisk>: ~Copyable {
  let disk: Disk
  let configuration: LogConfiguration
  let seal: FrameSeal
  /// Ascending in position, without gaps unless `recovery` says so; the last is the active one.
  var segments: [Segment] = []
  /// The active segment's file; nil while the log is suspended.
  var file: Disk.File?
  var tail: LogTail
  /// Where every partition stands at `committedEnd`.
  var committed: [PartitionState]
  var committedEnd: UInt64
  /// How many of `segments` hold something committed; those behind hold the open group only.
  var committedSegmentCount = 0
  /// Files to remove before a new segment may be created: their positions will be used again.
  var doomed: [String] = []
  /// Batches appended since the last commit.
  var openBatchCount = 0
  /// Why the batches of the open group are lost, until `commit` has told.
  var lostGroup: LogFault?
  var suspension: LogFault?
  /// What opening found.
  public internal(set) var recovery = LogRecovery()

  /// Whether the log takes records.
  public enum State: Equatable, Sendable {
    /// It does, as far as is known.
    case writing
    /// It will try to begin a new segment with the next `append` or `resume`; why it had to stop.
    case suspended(LogFault)
  }

  /// Whether the log takes records.
  public var state: State { suspension.map { .suspended($0) } ?? .writing }

  /// What is committed, for readers on any thread.
  public var view: LogView {
    LogView(
      segments: segments.count == committedSegmentCount
        ? segments
        : Array(segments[..<committedSegmentCount]),
      activeIndex: tail.index,
      committed: committed,
      seal: seal,
      committedEnd: committedEnd
    )
  }

  /// Bytes appended since the last commit.
  public var uncommittedByteCount: Int { Int(tail.position - committedEnd) }

  // MARK: - Writing

  /// Stamps the batch's records and writes them behind the others; `commit` makes them durable.
  ///
  /// `now` is in milliseconds since 1970; a record never gets an earlier time than the one before
  /// it in its partition. Throws `partitionUnknown` and `groupFull` without effect; `full` or
  /// `disk` if there is no room or the disk failed. In every case the batch is not in the log. If
  /// other batches of the group are lost with it, the next `commit` throws.
  public mutating func append(_ batch: inout LogBatch, now: UInt64) throws(LogFault) {
    precondition(!batch.isRecordOpen, "a record is open")
    guard !batch.isEmpty else { return }
    guard Int(batch.largestPartition) < configuration.partitionCount else {
      throw .partitionUnknown(batch.largestPartition)
    }
    guard uncommittedByteCount + batch.byteCount <= configuration.limits.uncommittedBytes else {
      throw .groupFull(limit: configuration.limits.uncommittedBytes)
    }
    if let lostGroup { throw lostGroup }
    try resume()
    if tail.surelyFits(byteCount: batch.byteCount, recordCount: batch.recordCount) {
      let end = stamp(&batch, from: 0, now: now)
      precondition(end == batch.byteCount, "what surely fits was not stamped to the end")
      try write(batch.bytes.span.extracting(0..<end))
    } else {
      try appendAcrossSegments(&batch, now: now)
    }
    openBatchCount += 1
  }

  /// Makes everything appended since the last commit durable: one sync.
  ///
  /// When it returns, the records may be acknowledged and `view` shows them. When it throws, none
  /// of them is in the log. Without anything to commit it does nothing.
  public mutating func commit() throws(LogFault) {
    if let lost = lostGroup {
      lostGroup = nil
      throw lost
    }
    guard openBatchCount > 0, let file else { return }
    do throws(LogDiskFault) {
      try disk.sync(file)
    } catch {
      loseGroup(LogFault(error))
      lostGroup = nil
      throw LogFault(error)
    }
    openBatchCount = 0
    committed = tail.states
    committedEnd = tail.position
    committedSegmentCount = segments.count
  }

  /// Makes a suspended log ready to write again by beginning a new segment.
  ///
  /// `append` does this by itself; a timer may too, so that health is known without traffic.
  public mutating func resume() throws(LogFault) {
    // A file that promises positions behind the end must go before they are written elsewhere.
    try removeDoomed()
    guard suspension != nil else { return }
    do throws(LogFault) {
      let created = try createSegment(base: committedEnd, states: committed)
      install(created)
      committedEnd = tail.position
      committedSegmentCount = segments.count
      suspension = nil
    } catch {
      suspension = error
      throw error
    }
  }

  /// Ends writing: commits what is open and closes the file.
  ///
  /// Opening again is the same as after a crash, with less to do.
  public consuming func close() throws(LogFault) {
    try commit()
  }

  deinit {
    if let file { disk.close(file) }
  }

  // MARK: -

  private mutating func stamp(_ batch: inout LogBatch, from start: Int, now: UInt64) -> Int {
    let range = start..<batch.byteCount
    var span = batch.bytes.mutableSpan
    return tail.stamp(&span, range, committedEnd: committedEnd, now: now)
  }

  /// Writes `bytes`, which end at the tail's position.
  private mutating func write(_ bytes: Span<UInt8>) throws(LogFault) {
    guard let file else { preconditionFailure("a log that is not suspended has a file") }
    let offset = tail.position - UInt64(bytes.count) - tail.base
    do throws(LogDiskFault) {
      try disk.write(bytes, to: file, at: offset)
    } catch {
      loseGroup(LogFault(error))
      throw LogFault(error)
    }
  }

  /// The rare case: the batch reaches the end of the segment and goes on in the next.
  ///
  /// The next segment is created before anything of the batch is written, so that a full disk
  /// refuses this batch and leaves those before it alone.
  private mutating func appendAcrossSegments(
    _ batch: inout LogBatch,
    now: UInt64
  ) throws(LogFault) {
    let before = tail
    var isPartlyWritten = false
    var start = 0
    while true {
      let end = stamp(&batch, from: start, now: now)
      if end == batch.byteCount {
        return try write(batch.bytes.span.extracting(start..<end))
      }
      let footer = tail.footer()
      let next: CreatedSegment<Disk>
      do throws(LogFault) {
        next = try createSegment(
          base: tail.position + UInt64(footer.count),
          states: tail.states
        )
      } catch {
        if isPartlyWritten {
          loseGroup(error)
        } else {
          tail = before
        }
        throw error
      }
      do throws(LogFault) {
        try sealActiveSegment(with: batch.bytes.span.extracting(start..<end), footer: footer)
      } catch {
        discard(next)
        loseGroup(error)
        throw error
      }
      isPartlyWritten = true
      install(next)
      start = end
    }
  }
}

extension MessageLog: Sendable where Disk: Sendable {}

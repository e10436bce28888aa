/// A segment file that has its durable header and no record yet.
struct CreatedSegment<Disk: LogDisk> {
  let file: Disk.File
  let base: UInt64
  let states: [PartitionState]
}

extension MessageLog {
  /// Creates the segment that begins at `base` and makes its header durable.
  ///
  /// Files left over from a lost group go first, durably: their names promise positions that will
  /// be used again. On a full disk old segments may go (`LogFullPolicy.dropOldest`).
  mutating func createSegment(
    base: UInt64,
    states: [PartitionState]
  ) throws(LogFault) -> CreatedSegment<Disk> {
    try removeDoomed()
    while true {
      do throws(LogDiskFault) {
        return try createFile(base: base, states: states)
      } catch {
        doomed.append(SegmentName.name(base: base))
        guard error == .noSpace, configuration.whenFull == .dropOldest else {
          throw LogFault(error)
        }
      }
      guard try removeOldest() else { throw .full }
      try removeDoomed()
    }
  }

  private func createFile(
    base: UInt64,
    states: [PartitionState]
  ) throws(LogDiskFault) -> CreatedSegment<Disk> {
    let header = SegmentHeader(salt: seal.salt, base: base, states: states).encoded(crc: seal.crc)
    let file = try disk.create(
      SegmentName.name(base: base),
      byteCount: configuration.segmentBytes
    )
    do throws(LogDiskFault) {
      try disk.write(header.span, to: file, at: 0)
      try disk.sync(file)
      try disk.syncDirectory()
    } catch {
      disk.close(file)
      throw error
    }
    return CreatedSegment(file: file, base: base, states: states)
  }

  /// Makes `created` the active segment.
  mutating func install(_ created: CreatedSegment<Disk>) {
    if let file { disk.close(file) }
    tail = LogTail(
      seal: seal,
      configuration: configuration,
      base: created.base,
      states: created.states
    )
    segments.append(
      Segment(
        base: created.base,
        dataStart: tail.position,
        states: created.states,
        index: tail.index,
        dataEnd: nil
      )
    )
    file = created.file
  }

  /// Gives up a segment that was created and is not needed.
  mutating func discard(_ created: CreatedSegment<Disk>) {
    disk.close(created.file)
    doomed.append(SegmentName.name(base: created.base))
  }

  /// Writes the last records and the index of the active segment and makes them durable.
  ///
  /// `records` end at the tail's position and `footer` begins there.
  mutating func sealActiveSegment(
    with records: Span<UInt8>,
    footer: [UInt8]
  ) throws(LogFault) {
    guard let file else { preconditionFailure("a log that is not suspended has a file") }
    let end = tail.position - tail.base
    do throws(LogDiskFault) {
      if !records.isEmpty {
        try disk.write(records, to: file, at: end - UInt64(records.count))
      }
      try disk.write(footer.span, to: file, at: end)
      try disk.sync(file)
    } catch {
      throw LogFault(error)
    }
    // What was reserved and not used goes back. If that fails, it is only space.
    try? disk.truncate(file, to: end + UInt64(footer.count))
    segments[segments.count - 1].dataEnd = tail.position
    segments[segments.count - 1].index = tail.index
  }

  /// Gives up everything since the last commit, after a write or sync failed.
  ///
  /// The segment that holds the committed end is closed there, as nothing behind it can be relied
  /// upon; segments created since are to be removed.
  mutating func loseGroup(_ fault: LogFault) {
    if let file {
      if segments.count == committedSegmentCount, case let segment = segments[segments.count - 1] {
        try? disk.truncate(file, to: committedEnd - segment.base)
      }
      disk.close(file)
    }
    file = nil
    for segment in segments[committedSegmentCount...] { doomed.append(segment.name) }
    segments.removeLast(segments.count - committedSegmentCount)
    let last = segments.count - 1
    if segments[last].dataEnd == nil { segments[last].index = tail.index }
    segments[last].dataEnd = committedEnd
    segments[last].index.removeAll(from: committedEnd)
    tail = LogTail(
      seal: seal,
      configuration: configuration,
      base: committedEnd,
      states: committed
    )
    tail.skip(to: committedEnd)
    lostGroup = openBatchCount > 0 ? fault : nil
    openBatchCount = 0
    suspension = fault
  }

  mutating func removeDoomed() throws(LogFault) {
    guard !doomed.isEmpty else { return }
    do throws(LogDiskFault) {
      for name in doomed { try disk.removeIfPresent(name) }
      try disk.syncDirectory()
    } catch {
      throw LogFault(error)
    }
    doomed = []
  }

  /// Removes the oldest segment, durably; false if there is only the last one.
  mutating func removeOldest() throws(LogFault) -> Bool {
    guard committedSegmentCount > 1, let oldest = segments.first else { return false }
    segments.removeFirst()
    committedSegmentCount -= 1
    do throws(LogDiskFault) {
      try disk.removeIfPresent(oldest.name)
      try disk.syncDirectory()
    } catch {
      throw LogFault(error)
    }
    return true
  }
}

extension LogDisk {
  func removeIfPresent(_ name: String) throws(LogDiskFault) {
    do throws(LogDiskFault) {
      try remove(name)
    } catch .missing {
    } catch {
      throw error
    }
  }
}

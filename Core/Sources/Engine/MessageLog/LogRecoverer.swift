import ByteIO

/// Finds the committed log in a directory of segment files.
///
/// See `MessageLog` for the policy.
struct LogRecoverer<Disk: LogDisk> {
  let disk: Disk
  let configuration: LogConfiguration
  private(set) var seal: FrameSeal
  private(set) var segments: [Segment] = []
  /// Files to remove before a segment is created.
  private(set) var doomed: [String] = []
  /// Where every partition stands at the end of what was recovered.
  private(set) var states: [PartitionState]
  /// Position at which the next segment begins.
  private(set) var end: UInt64 = 0
  var report = LogRecovery()

  private var candidates: [Candidate] = []
  private let areaByteCount: UInt64

  private struct Candidate {
    let base: UInt64
    var name: String { SegmentName.name(base: base) }
    var byteCount: UInt64 = 0
    var header: SegmentHeader?
    var isBlankBehindHeader = true
  }

  init(disk: Disk, configuration: LogConfiguration, crc: CRC32C) {
    self.disk = disk
    self.configuration = configuration
    seal = FrameSeal(
      salt: configuration.salt,
      partitionCount: configuration.partitionCount,
      crc: crc
    )
    states = Array(repeating: PartitionState(), count: configuration.partitionCount)
    areaByteCount = UInt64(
      SegmentHeader.areaByteCount(partitionCount: configuration.partitionCount)
    )
  }

  // MARK: - Files and headers

  mutating func listSegments() throws(LogDiskFault) {
    for name in try disk.list().sorted() {
      if let base = SegmentName.base(of: name) {
        candidates.append(Candidate(base: base))
      } else {
        report.findings.append(.foreignFile(name))
      }
    }
    // A segment that ends before its first frame can hold nothing.
    for index in candidates.indices.dropLast().reversed()
    where candidates[index + 1].base - candidates[index].base < areaByteCount {
      report.findings.append(.foreignFile(candidates[index].name))
      candidates.remove(at: index)
    }
  }

  mutating func readHeaders() throws(LogFault) {
    for index in candidates.indices { try readHeader(of: &candidates[index]) }
    guard let known = candidates.lazy.compactMap(\.header).first else {
      return try startAfresh()
    }
    guard known.states.count == configuration.partitionCount else {
      throw .partitionCount(found: known.states.count, asked: configuration.partitionCount)
    }
    seal = FrameSeal(
      salt: known.salt,
      partitionCount: configuration.partitionCount,
      crc: seal.crc
    )
    for index in candidates.indices {
      let header = candidates[index].header
      if header?.salt != known.salt || header?.states.count != known.states.count {
        candidates[index].header = nil
      }
    }
  }

  private func readHeader(of candidate: inout Candidate) throws(LogFault) {
    do throws(LogDiskFault) {
      let file = try disk.open(candidate.name, forWriting: false)
      defer { disk.close(file) }
      candidate.byteCount = min(try disk.byteCount(of: file), 1 << 40)
      // Enough for any number of partitions, so that a wrong one is named and not called damage.
      let area = SegmentHeader.areaByteCount(partitionCount: LogLimits.partitionCount)
      var bytes = [UInt8](repeating: 0, count: area)
      var count = 0
      do throws(LogDiskFault) {
        var span = bytes.mutableSpan
        count = try disk.read(file, at: 0, byteCount: area, into: &span)
      } catch {
        candidate.isBlankBehindHeader = false
        return
      }
      let copy = SegmentHeader.copyByteCount(partitionCount: configuration.partitionCount)
      for start in [0, copy] where start < count && candidate.header == nil {
        switch SegmentHeader.read(bytes.span.extracting(start..<count), crc: seal.crc) {
        case .valid(let header) where header.base == candidate.base: candidate.header = header
        case .version(let version): throw LogDiskFault.io(-Int32(version))
        case .valid, .damaged: break
        }
      }
      let behind = min(2 * copy, count)..<count
      candidate.isBlankBehindHeader = bytes[behind].allSatisfy { $0 == 0 }
    } catch .io(let number) where number < 0 {
      throw .formatVersion(UInt16(truncatingIfNeeded: -number))
    } catch {
      throw .disk(error)
    }
  }

  /// Nothing has a header: a new log, or one whose first segment was never finished.
  private mutating func startAfresh() throws(LogFault) {
    if let first = candidates.first(where: { !$0.isBlankBehindHeader }) {
      throw .headersLost(first.base)
    }
    doomed = candidates.map(\.name)
    for candidate in candidates {
      report.findings.append(.emptySegmentRemoved(segment: candidate.base))
    }
    candidates = []
  }

  // MARK: - Segments

  mutating func recoverSegments() throws(LogFault) {
    guard !candidates.isEmpty else { return }
    var endStates: [[PartitionState]] = []
    for index in candidates.indices.dropLast() {
      let start = startStates(index, previous: endStates.last)
      endStates.append(
        try recoverSealed(candidates[index], states: start, limit: candidates[index + 1].base)
      )
    }
    var bound = UInt64.max
    while let last = candidates.last {
      let start = startStates(candidates.count - 1, previous: endStates.last)
      let found = try recoverLast(last, states: start, bound: bound)
      guard found.recordCount == 0, candidates.count > 1 else {
        report.findings += found.findings
        report.scannedRecordCount += found.recordCount
        try sealLast(last, found)
        return
      }
      // A segment that was created and not used yet. The one before was perhaps not finished, so
      // it is now the last one, and ends where this one would have begun at the latest.
      report.findings.append(.emptySegmentRemoved(segment: last.base))
      doomed.append(last.name)
      bound = last.base
      candidates.removeLast()
      segments.removeLast()
      endStates.removeLast()
      let replaced = candidates[candidates.count - 1].base
      report.findings.removeAll { $0.damagedSegment == replaced }
    }
  }

  private func startStates(_ index: Int, previous: [PartitionState]?) -> [PartitionState] {
    candidates[index].header?.states ?? previous ?? states
  }

  private func makeTail(_ candidate: Candidate, states: [PartitionState]) -> LogTail {
    LogTail(
      seal: seal,
      configuration: configuration,
      base: candidate.base,
      states: states
    )
  }

  private func open(_ candidate: Candidate, forWriting: Bool) throws(LogFault) -> Disk.File {
    do throws(LogDiskFault) {
      return try disk.open(candidate.name, forWriting: forWriting)
    } catch {
      throw .disk(error)
    }
  }

  /// Takes a segment that others follow: by its index, or else by its frames.
  private mutating func recoverSealed(
    _ candidate: Candidate,
    states: [PartitionState],
    limit: UInt64
  ) throws(LogFault) -> [PartitionState] {
    let file = try open(candidate, forWriting: false)
    defer { disk.close(file) }
    if candidate.header == nil {
      report.findings.append(.headerDamaged(segment: candidate.base))
    }
    var walk = FrameWalk(disk: disk, file: file, base: candidate.base, limit: limit, seal: seal)
    if let (index, endStates, dataEnd) = walk.footer(limit: limit) {
      segments.append(segment(candidate, states: states, index: index, dataEnd: dataEnd))
      return endStates
    }
    var scan = SegmentScan(
      tail: makeTail(candidate, states: states),
      isNumberingKnown: candidate.header != nil
    )
    scan.run(&walk, proven: .max)
    report.findings += scan.damage.map { .damaged($0) }
    report.scannedRecordCount += scan.recordCount
    if let footerEnd = scan.footerEnd, footerEnd < limit {
      report.findings.append(.segmentsMissing(positions: footerEnd..<limit))
    }
    segments.append(
      segment(candidate, states: states, index: scan.tail.index, dataEnd: scan.tail.position)
    )
    return scan.tail.states
  }

  private func segment(
    _ candidate: Candidate,
    states: [PartitionState],
    index: SegmentIndex,
    dataEnd: UInt64
  ) -> Segment {
    Segment(
      base: candidate.base,
      dataStart: candidate.base + areaByteCount,
      states: states,
      index: index,
      dataEnd: dataEnd
    )
  }

  // MARK: - The last segment

  private struct LastSegment {
    var scan: SegmentScan
    var startStates: [PartitionState]
    var findings: [LogFinding] = []
    var recordCount: Int { scan.recordCount }
  }

  private mutating func recoverLast(
    _ candidate: Candidate,
    states: [PartitionState],
    bound: UInt64
  ) throws(LogFault) -> LastSegment {
    let file = try open(candidate, forWriting: false)
    defer { disk.close(file) }
    let limit = min(bound, candidate.base + candidate.byteCount)
    var walk = FrameWalk(disk: disk, file: file, base: candidate.base, limit: limit, seal: seal)
    var last = LastSegment(
      scan: SegmentScan(
        tail: makeTail(candidate, states: states),
        isNumberingKnown: candidate.header != nil
      ),
      startStates: states
    )
    last.scan.run(&walk, proven: nil)
    if candidate.header == nil { last.findings.append(.headerDamaged(segment: candidate.base)) }
    last.findings += last.scan.damage.map { .damaged($0) }
    if let reason = last.scan.stopReason {
      let position = last.scan.tail.position
      let junkEnd = walk.endOfNonZero(from: position)
      if junkEnd > position {
        last.findings.append(
          .cut(
            segment: candidate.base,
            position: position,
            byteCount: junkEnd - position,
            reason: reason
          )
        )
      }
    }
    return last
  }

  /// Makes sure that what was found is on the disk and not only in memory, and seals the segment.
  ///
  /// If a sync had failed before the stop, the kernel may hold the last group as clean pages that
  /// the disk never got: so the group is written again before it is synced.
  private mutating func sealLast(_ candidate: Candidate, _ found: LastSegment) throws(LogFault) {
    let tail = found.scan.tail
    states = tail.states
    end = tail.position
    segments.append(
      segment(candidate, states: found.startStates, index: tail.index, dataEnd: end)
    )
    guard found.recordCount > 0 else { return }
    let file = try open(candidate, forWriting: true)
    defer { disk.close(file) }
    do throws(LogDiskFault) {
      let from = max(found.scan.lastGroupStart, candidate.base + areaByteCount)
      try rewrite(file, base: candidate.base, positions: from..<max(from, end))
      let footer = tail.footer()
      var isSealed = true
      do throws(LogDiskFault) {
        try disk.write(footer.span, to: file, at: end - candidate.base)
      } catch .noSpace {
        // It will be scanned again next time.
        isSealed = false
      }
      try disk.sync(file)
      if isSealed { end += UInt64(footer.count) }
    } catch {
      throw .disk(error)
    }
    try? disk.truncate(file, to: end - candidate.base)
  }

  private func rewrite(
    _ file: Disk.File,
    base: UInt64,
    positions: Range<UInt64>
  ) throws(LogDiskFault) {
    var bytes = [UInt8](repeating: 0, count: min(1 << 20, positions.count))
    var position = positions.lowerBound
    while position < positions.upperBound {
      let wanted = Int(min(UInt64(bytes.count), positions.upperBound - position))
      var span = bytes.mutableSpan
      let count = try disk.read(file, at: position - base, byteCount: wanted, into: &span)
      guard count > 0 else { return }
      try disk.write(bytes.span.extracting(0..<count), to: file, at: position - base)
      position += UInt64(count)
    }
  }
}

extension LogFinding {
  /// The segment whose damage this tells of.
  fileprivate var damagedSegment: UInt64? {
    switch self {
    case .damaged(let damage): damage.segment
    case .headerDamaged(let segment): segment
    default: nil
    }
  }
}

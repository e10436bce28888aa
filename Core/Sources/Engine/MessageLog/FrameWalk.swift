/// Steps through the frames of one segment, verifying each, and finds the next good one after a
/// bad one.
struct FrameWalk<Disk: LogDisk>: ~Copyable {
  let disk: Disk
  let file: Disk.File
  let base: UInt64
  /// Nothing at or beyond it is looked at.
  let limit: UInt64
  let seal: FrameSeal
  var window: SegmentWindow

  init(
    disk: Disk,
    file: Disk.File,
    base: UInt64,
    limit: UInt64,
    seal: FrameSeal,
    windowBytes: Int = 256 << 10
  ) {
    self.disk = disk
    self.file = file
    self.base = base
    self.limit = limit
    self.seal = seal
    window = SegmentWindow(byteCount: windowBytes)
  }

  enum Step: Equatable {
    case frame(FrameHeader)
    case bad(LogDamageReason)
  }

  /// The frame at `position`, verified.
  mutating func frame(at position: UInt64) -> Step {
    do throws(LogDiskFault) {
      guard let start = try load(position, byteCount: RecordFrame.headerByteCount) else {
        return .bad(.truncated)
      }
      guard let header = seal.header(window.buffer.span, at: start, position: position) else {
        return .bad(.noFrame)
      }
      guard let whole = try load(position, byteCount: header.frameByteCount) else {
        return .bad(.truncated)
      }
      let end = whole + header.frameByteCount
      guard seal.verifies(window.buffer.span, from: whole, to: end, position: position) else {
        return .bad(.checksum)
      }
      return .frame(header)
    } catch {
      return .bad(.unreadable(error.number))
    }
  }

  /// The first position after `bad` at which a frame verifies.
  ///
  /// The frame at `bad` may only have a damaged payload, so where it says it ends is tried first;
  /// then every byte. Zeros, which fill what was reserved and not written, are passed in words.
  mutating func nextFrame(after bad: UInt64) -> UInt64? {
    do throws(LogDiskFault) {
      if let start = try load(bad, byteCount: RecordFrame.headerByteCount),
        let header = seal.header(window.buffer.span, at: start, position: bad)
      {
        let (next, overflow) = bad.addingReportingOverflow(UInt64(header.frameByteCount))
        if !overflow, next < limit, case .frame = frame(at: next) { return next }
      }
      var position = bad + 1
      while let start = try load(position, byteCount: RecordFrame.headerByteCount) {
        let zeros = zeroRun(from: start)
        if zeros > RecordFrame.headerByteCount {
          // A frame's key makes its kind differ from zero at nearly every place; its length, its
          // number and its time are not all zero. So no frame begins before the run's last bytes.
          position += UInt64(zeros - RecordFrame.headerByteCount + 1)
          continue
        }
        if seal.header(window.buffer.span, at: start, position: position) != nil,
          case .frame = frame(at: position)
        {
          return position
        }
        position += 1
      }
      return nil
    } catch {
      return nextFrameBehindUnreadable(after: bad)
    }
  }

  /// After a read failed, tries again one sector after the other.
  private mutating func nextFrameBehindUnreadable(after bad: UInt64) -> UInt64? {
    window = SegmentWindow(byteCount: 4096)
    var position = bad + 1
    while position < limit {
      switch frame(at: position) {
      case .frame: return position
      case .bad(.unreadable): position += 512 - (position - base) % 512
      case .bad: position += 1
      }
    }
    return nil
  }

  /// Zero bytes of the window from index `start` on, counted in words.
  private func zeroRun(from start: Int) -> Int {
    let span = window.buffer.span
    var index = start
    while index + 8 <= window.count, span.loadLE(index, as: UInt64.self) == 0 { index += 8 }
    return index - start
  }

  private mutating func load(
    _ position: UInt64,
    byteCount: Int
  ) throws(LogDiskFault) -> Int? {
    try window.load(
      position,
      byteCount: byteCount,
      limit: limit,
      base: base,
      file: file,
      disk: disk
    )
  }
}

extension LogDiskFault {
  /// The number to show for the fault.
  var number: Int32 {
    switch self {
    case .noSpace: 28
    case .missing: 2
    case .io(let number): number
    }
  }
}

/// A buffered view of one segment's file, moved along by whoever reads it.
///
/// It never reads at or beyond the limit it is given, because those bytes may still change.
struct SegmentWindow: ~Copyable {
  /// The bytes in the window; only the first `count` are the file's.
  private(set) var buffer: [UInt8]
  /// Position in the log of the window's first byte.
  private(set) var start: UInt64 = 0
  private(set) var count = 0

  init(byteCount: Int) {
    buffer = [UInt8](repeating: 0, count: max(byteCount, 4096))
  }

  mutating func invalidate() { count = 0 }

  /// Where in `buffer` the bytes from `position` on are; nil if not all of them are in the window.
  func index(of position: UInt64, byteCount: Int) -> Int? {
    guard position >= start, position - start <= UInt64(count),
      byteCount <= count - Int(position - start)
    else { return nil }
    return Int(position - start)
  }

  /// Brings `byteCount` bytes from `position` on into the window and answers their index in
  /// `buffer`; nil if they reach beyond `limit` or the file's end.
  mutating func load<Disk: LogDisk>(
    _ position: UInt64,
    byteCount: Int,
    limit: UInt64,
    base: UInt64,
    file: Disk.File,
    disk: Disk
  ) throws(LogDiskFault) -> Int? {
    guard position <= limit, UInt64(byteCount) <= limit - position else { return nil }
    if let index = index(of: position, byteCount: byteCount) { return index }
    if byteCount > buffer.count {
      buffer = [UInt8](repeating: 0, count: byteCount + 4096)
    }
    let wanted = Int(min(UInt64(buffer.count), limit - position))
    count = 0
    var span = buffer.mutableSpan
    count = try disk.read(file, at: position - base, byteCount: wanted, into: &span)
    start = position
    return byteCount <= count ? 0 : nil
  }
}

import Glibc
import Platform
import Synchronization

/// The events that were given up for one endpoint: a file of JSON lines for people to read.
///
/// It is opened anew for each writing, so that it can be moved away or deleted at any time. A line that
/// was written is whole and durable.
final class DeadLetterFile: Sendable {
  /// At this size nothing is added until somebody takes the file away: the endpoint's events wait.
  static let maximumBytes = 1 << 30

  private let path: String
  /// Held while something is added.
  private let lock = Mutex(())

  init(path: String) { self.path = path }

  /// Adds `lines`, each with its line feed, durably or not at all.
  func append(_ lines: [UInt8]) throws(FileFault) {
    try lock.withLock { _ throws(FileFault) in try add(lines) }
  }

  private func add(_ lines: [UInt8]) throws(FileFault) {
    let isNew = !PrivateFile.exists(path)
    let folder = PrivateFile.directory(of: path)
    if isNew { try PrivateFile.makeDirectory(folder) }
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
    guard file >= 0 else { throw FileFault("open", path) }
    defer { close(file) }
    // One that drains may have the name of another endpoint, and so its file.
    guard flock(file, LOCK_EX) == 0 else { throw FileFault("lock", path) }
    let end = try wholeEnd(file)
    guard end + lines.count <= Self.maximumBytes else { throw FileFault("grow", path, EFBIG) }
    guard ftruncate(file, off_t(end)) == 0, lseek(file, off_t(end), SEEK_SET) == end else {
      throw FileFault("write", path)
    }
    do throws(FileFault) {
      try PrivateFile.write(lines.span, to: file, at: path)
      guard fsync(file) == 0 else { throw FileFault("sync", path) }
    } catch {
      // A part of a line would spoil the next one.
      _ = ftruncate(file, off_t(end))
      throw error
    }
    guard isNew else { return }
    try PrivateFile.syncDirectory(of: path)
    try PrivateFile.syncDirectory(of: PrivateFile.directory(of: path))
  }

  /// Where the last whole line ends: behind it may be what a crash left of one.
  private func wholeEnd(_ file: Int32) throws(FileFault) -> Int {
    var end = Int(lseek(file, 0, SEEK_END))
    guard end >= 0 else { throw FileFault("read", path) }
    var chunk = [UInt8](repeating: 0, count: 4096)
    while end > 0 {
      let start = max(end - chunk.count, 0)
      let count = pread(file, &chunk, end - start, off_t(start))
      guard count == end - start else { throw FileFault("read", path) }
      if let feed = chunk[..<count].lastIndex(of: 0x0A) { return start + feed + 1 }
      end = start
    }
    return 0
  }
}

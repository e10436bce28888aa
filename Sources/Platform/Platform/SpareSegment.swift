import CLinux
@preconcurrency import Dispatch
import Glibc
import Synchronization

/// The file that becomes the log's next segment, written full of zeros beforehand.
///
/// A file whose space is merely reserved makes every sync update the file system's own records
/// too, a second write that each commit waits for. Where blocks were written once, a sync writes
/// the data alone. If the spare is not ready when the log asks for it, the log does without.
final class SpareSegment: Sendable {
  /// Hidden, so that nobody takes it for a segment.
  static let name = ".spare"
  private static let chunkByteCount = 256 << 10

  private enum State {
    case none
    case underWay
    case ready(descriptor: Int32, byteCount: UInt64)
  }

  private let directory: String
  private let state = Mutex(State.none)
  private let queue = DispatchQueue(label: "orrery.log.spare", qos: .utility)

  init(directory: String) { self.directory = directory }

  deinit {
    if case .ready(let descriptor, _) = state.withLock({ $0 }) { close(descriptor) }
  }

  /// Begins to write a spare of `byteCount` bytes, unless there is one.
  func prepare(byteCount: UInt64) {
    let begins = state.withLock { state in
      guard case .none = state else { return false }
      state = .underWay
      return true
    }
    if begins { queue.async { self.write(byteCount: byteCount) } }
  }

  /// Gives the spare `name` and hands it over, if there is one of that size.
  func take(as name: String, byteCount: UInt64) -> Int32? {
    let descriptor = state.withLock { state -> Int32? in
      guard case .ready(let descriptor, byteCount) = state else { return nil }
      state = .none
      return descriptor
    }
    guard let descriptor else { return nil }
    guard rename(directory + "/" + Self.name, directory + "/" + name) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private func write(byteCount: UInt64) {
    let path = directory + "/" + Self.name
    // Not with the last space, which others need more.
    if LinuxDisk.freeByteCount(directory) ?? 0 > 4 * byteCount,
      isZeroed(path, byteCount: byteCount),
      case let descriptor = open(path, O_RDWR | O_CLOEXEC), descriptor >= 0
    {
      state.withLock { $0 = .ready(descriptor: descriptor, byteCount: byteCount) }
    } else {
      // The disk may be full: the log says so when it needs the segment itself.
      unlink(path)
      state.withLock { $0 = .none }
    }
  }

  /// Writes the zeros past the page cache, which has no use for them.
  private func isZeroed(_ path: String, byteCount: UInt64) -> Bool {
    let flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | clinux_o_direct
    let descriptor = open(path, flags, mode_t(0o600))
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard let length = Int64(exactly: byteCount), clinux_allocate(descriptor, 0, length) == 0 else {
      return false
    }
    let zeros = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Self.chunkByteCount,
      alignment: LinuxDisk.pageByteCount
    )
    defer { zeros.deallocate() }
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
    // A last part of a page stays reserved only.
    let whole = length - length % Int64(LinuxDisk.pageByteCount)
    var offset: Int64 = 0
    while offset < whole {
      let count = Int(min(Int64(Self.chunkByteCount), whole - offset))
      let written = pwrite(descriptor, zeros.baseAddress, count, off_t(offset))
      if written < 0, errno == EINTR { continue }
      guard written > 0, written % LinuxDisk.pageByteCount == 0 else { return false }
      offset += Int64(written)
    }
    return fdatasync(descriptor) == 0
  }
}

import CLinux
import Glibc
import MessageLog
import Synchronization

/// The last few megabytes of the segment that is being written: the memory that the disk reads
/// them from, and where readers find what was written a moment ago.
///
/// Whole pages go from here to the disk past the page cache (`O_DIRECT`), which would only copy
/// them once more. The page that is not full yet stays here and is written again with what follows.
/// A live reader takes its bytes from here; one that is further behind reads the file.
///
/// One thread writes; any thread reads.
final class SegmentTail: Sendable {
  /// Room for the bytes of some tens of commits under full load; a power of two, and pages.
  static let byteCount = 4 << 20
  private static let pageByteCount = 4096

  private struct State {
    /// The file whose bytes are here, empty for none.
    var name = ""
    /// It once more, opened to write past the page cache; -1 for none.
    var descriptor: Int32 = -1
    /// First offset of the file that is still here, a page's beginning.
    var start = 0
    /// First offset behind what was written.
    var end = 0
  }

  private let state = Mutex(State())
  /// Whether the file system has refused direct writes.
  private let isRefused = Atomic<Bool>(false)
  // The bytes of `start..<end`, each at its offset modulo the size. Written under the mutex, and by
  // the one writer only; the kernel reads them for a write without it.
  nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
  private let directory: String

  /// Nil if the system gives no memory.
  init?(directory: String) {
    self.directory = directory
    // The pages come into being as they are used: an idle log costs next to nothing.
    let protection = PROT_READ | PROT_WRITE
    guard
      let memory = mmap(nil, Self.byteCount, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { return nil }
    madvise(memory, Self.byteCount, MADV_NOHUGEPAGE)
    self.memory = memory
  }

  deinit {
    let descriptor = state.withLock { $0.descriptor }
    if descriptor >= 0 { close(descriptor) }
    munmap(memory, Self.byteCount)
  }

  /// Forgets `name`, which is about to be a new file.
  func forget(_ name: String) {
    state.withLock { state in
      if state.name == name { Self.reset(&state) }
    }
  }

  /// Writes `bytes` to the file `name`, which is open as `file` and has `fileByteCount` bytes.
  ///
  /// Answers false, without having written, if it has to be done otherwise: the file system takes no
  /// direct writes, or the bytes do not continue the ones before.
  func write(
    _ bytes: Span<UInt8>,
    to name: String,
    file: Int32,
    fileByteCount: UInt64,
    at offset: UInt64
  ) throws(LogDiskFault) -> Bool {
    guard !isRefused.load(ordering: .relaxed), let first = Int(exactly: offset),
      let fileEnd = Int(exactly: fileByteCount),
      Self.page(above: first + bytes.count) <= fileEnd,
      adopt(name, file: file, at: first)
    else {
      forget(name)
      return false
    }
    var taken = 0
    while taken < bytes.count {
      let from = first + taken
      // Half of the memory at most, so that a reader finds the other half as it was.
      let count = min(bytes.count - taken, Self.byteCount / 2)
      let descriptor = state.withLock { state in
        state.start = max(state.start, Self.page(above: from + count) - Self.byteCount)
        copy(bytes.extracting(taken..<taken + count), at: from)
        zero(from + count..<Self.page(above: from + count))
        state.end = from + count
        return state.descriptor
      }
      let pages = Self.page(below: from)..<Self.page(above: from + count)
      guard try transfer(pages, to: descriptor) else {
        // Refused as a whole, so nothing of it is in the file.
        isRefused.store(true, ordering: .relaxed)
        forget(name)
        guard taken == 0 else { throw .io(EINVAL) }
        return false
      }
      taken += count
    }
    return true
  }

  /// Copies what is here of `count` bytes of `name` from `offset` on; nil if it isn't all here.
  func read(
    _ name: String,
    at offset: UInt64,
    count: Int,
    into buffer: inout MutableSpan<UInt8>
  ) -> Int? {
    guard let first = Int(exactly: offset), count <= buffer.count else { return nil }
    return buffer.withUnsafeMutableBytes { target -> Int? in
      state.withLock { state in
        guard state.name == name, first >= state.start, first + count <= state.end,
          let target = target.baseAddress
        else { return nil }
        let position = first % Self.byteCount
        let untilWrap = min(count, Self.byteCount - position)
        target.copyMemory(from: memory + position, byteCount: untilWrap)
        (target + untilWrap).copyMemory(from: memory, byteCount: count - untilWrap)
        return count
      }
    }
  }

  // MARK: The writer's side

  /// Makes `name` the file whose end is here; false if `offset` is not that end.
  private func adopt(_ name: String, file: Int32, at offset: Int) -> Bool {
    let (isCurrent, end) = state.withLock { ($0.name == name, $0.end) }
    if isCurrent { return end == offset }
    // The beginning, a segment's header, comes before the file is the active one.
    guard offset > 0 else { return false }
    let path = directory + "/" + name
    let descriptor = open(path, O_WRONLY | O_CLOEXEC | clinux_o_direct)
    guard descriptor >= 0 else {
      isRefused.store(true, ordering: .relaxed)
      return false
    }
    let start = Self.page(below: offset)
    let begun = [UInt8](unsafeUninitializedCapacity: offset - start) { buffer, count in
      count = max(0, pread(file, buffer.baseAddress, offset - start, off_t(start)))
    }
    guard begun.count == offset - start else {
      close(descriptor)
      return false
    }
    state.withLock { state in
      Self.reset(&state)
      state = State(name: name, descriptor: descriptor, start: start, end: offset)
      copy(begun.span, at: start)
    }
    return true
  }

  private static func reset(_ state: inout State) {
    if state.descriptor >= 0 { close(state.descriptor) }
    state = State()
  }

  private func copy(_ bytes: Span<UInt8>, at offset: Int) {
    let position = offset % Self.byteCount
    let untilWrap = min(bytes.count, Self.byteCount - position)
    bytes.withUnsafeBytes { source in
      guard let source = source.baseAddress else { return }
      (memory + position).copyMemory(from: source, byteCount: untilWrap)
      memory.copyMemory(from: source + untilWrap, byteCount: bytes.count - untilWrap)
    }
  }

  private func zero(_ range: Range<Int>) {
    // Within a page, which never wraps.
    guard !range.isEmpty else { return }
    memset(memory + range.lowerBound % Self.byteCount, 0, range.count)
  }

  /// Writes whole pages of the memory to the file; false if direct writes are not possible there.
  private func transfer(_ pages: Range<Int>, to descriptor: Int32) throws(LogDiskFault) -> Bool {
    var offset = pages.lowerBound
    while offset < pages.upperBound {
      let position = offset % Self.byteCount
      let count = min(pages.upperBound - offset, Self.byteCount - position)
      let written = pwrite(descriptor, memory + position, count, off_t(offset))
      if written < 0, errno == EINTR { continue }
      if written < 0, errno == EINVAL, offset == pages.lowerBound { return false }
      guard written > 0 else { throw LinuxDisk.fault() }
      // A short write may end within a page, which is then written again as a whole.
      let next = Self.page(below: offset + written)
      guard next > offset else { throw .io(EIO) }
      offset = next
    }
    return true
  }

  private static func page(below offset: Int) -> Int { offset & ~(pageByteCount - 1) }

  private static func page(above offset: Int) -> Int { page(below: offset + pageByteCount - 1) }
}

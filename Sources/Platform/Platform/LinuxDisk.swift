import CLinux
import Glibc
package import MessageLog

/// A directory of the file system as the message log's disk.
///
/// With `isDurable` false, `sync` and `syncDirectory` do nothing: what is written survives the
/// process, not the machine.
package struct LinuxDisk: LogDisk {
  /// An open file descriptor.
  package struct File: Sendable {
    fileprivate let name: String
    fileprivate let descriptor: Int32
    /// The size it was created with, 0 if it was not created here.
    fileprivate var createdByteCount: UInt64 = 0
  }

  static let pageByteCount = 4096

  private let directory: String
  private let isDurable: Bool
  private let spare: SpareSegment?
  private let tail: SegmentTail?

  /// The disk on an existing `directory`.
  package init(directory: String, isDurable: Bool = true) {
    self.directory = directory
    self.isDurable = isDurable
    spare = isDurable ? SpareSegment(directory: directory) : nil
    tail = isDurable ? SegmentTail(directory: directory) : nil
  }

  package func list() throws(LogDiskFault) -> [String] {
    var names: [String] = []
    do throws(FileFault) {
      names = try PrivateFile.entries(of: directory).map(\.name)
    } catch {
      throw Self.fault(error.number)
    }
    // It is made anew when it is needed.
    if names.contains(SpareSegment.name) { unlink(path(SpareSegment.name)) }
    return names.filter { $0 != SpareSegment.name }
  }

  package func create(_ name: String, byteCount: UInt64) throws(LogDiskFault) -> File {
    tail?.forget(name)
    if let descriptor = spare?.take(as: name, byteCount: byteCount) {
      return File(name: name, descriptor: descriptor, createdByteCount: byteCount)
    }
    let flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC
    let descriptor = Glibc.open(path(name), flags, mode_t(0o600))
    guard descriptor >= 0 else { throw Self.fault() }
    guard let length = Int64(exactly: byteCount),
      clinux_allocate(descriptor, 0, length) == 0
    else {
      let failure = Self.fault()
      Glibc.close(descriptor)
      unlink(path(name))
      throw failure
    }
    return File(name: name, descriptor: descriptor, createdByteCount: byteCount)
  }

  package func open(_ name: String, forWriting: Bool) throws(LogDiskFault) -> File {
    let descriptor = Glibc.open(path(name), (forWriting ? O_RDWR : O_RDONLY) | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.fault() }
    return File(name: name, descriptor: descriptor)
  }

  package func byteCount(of file: File) throws(LogDiskFault) -> UInt64 {
    let end = lseek(file.descriptor, 0, SEEK_END)
    guard end >= 0 else { throw Self.fault() }
    return UInt64(end)
  }

  package func write(
    _ bytes: Span<UInt8>,
    to file: File,
    at offset: UInt64
  ) throws(LogDiskFault) {
    if let tail, file.createdByteCount > 0,
      try tail.write(
        bytes,
        to: file.name,
        file: file.descriptor,
        fileByteCount: file.createdByteCount,
        at: offset
      )
    {
    } else {
      try writeThroughCache(bytes, to: file, at: offset)
    }
    // A busy log needs its next segment soon; an idle one never pays for it.
    if let spare, file.createdByteCount > 0, offset > file.createdByteCount / 2 {
      spare.prepare(byteCount: file.createdByteCount)
    }
  }

  private func writeThroughCache(
    _ bytes: Span<UInt8>,
    to file: File,
    at offset: UInt64
  ) throws(LogDiskFault) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBufferPointer { buffer in
        pwrite(
          file.descriptor,
          buffer.baseAddress?.advanced(by: written),
          buffer.count - written,
          off_t(offset) + off_t(written)
        )
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.fault() }
      written += count
    }
  }

  package func sync(_ file: File) throws(LogDiskFault) {
    guard isDurable else { return }
    guard fdatasync(file.descriptor) == 0 else { throw Self.fault() }
  }

  package func read(
    _ file: File,
    at offset: UInt64,
    byteCount: Int,
    into buffer: inout MutableSpan<UInt8>
  ) throws(LogDiskFault) -> Int {
    precondition(byteCount <= buffer.count, "no room for what is to be read")
    if let tail, let count = tail.read(file.name, at: offset, count: byteCount, into: &buffer) {
      return count
    }
    var filled = 0
    while filled < byteCount {
      let wanted = byteCount - filled
      let count = buffer.withUnsafeMutableBufferPointer { pointer in
        pread(
          file.descriptor,
          pointer.baseAddress?.advanced(by: filled),
          wanted,
          off_t(offset) + off_t(filled)
        )
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Self.fault() }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  package func truncate(_ file: File, to byteCount: UInt64) throws(LogDiskFault) {
    guard ftruncate(file.descriptor, off_t(byteCount)) == 0 else { throw Self.fault() }
  }

  package func close(_ file: File) { Glibc.close(file.descriptor) }

  package func remove(_ name: String) throws(LogDiskFault) {
    guard unlink(path(name)) == 0 else { throw Self.fault() }
  }

  package func syncDirectory() throws(LogDiskFault) {
    guard isDurable else { return }
    let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.fault() }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Self.fault() }
  }

  /// Bytes that a file of ours may still take here, nil if the system does not say.
  package var freeByteCount: UInt64? { Self.freeByteCount(directory) }

  static func freeByteCount(_ directory: String) -> UInt64? {
    var facts = statvfs()
    guard statvfs(directory, &facts) == 0 else { return nil }
    // Some network file systems say that there is no end of it.
    let (bytes, overflow) = UInt64(facts.f_bavail).multipliedReportingOverflow(
      by: UInt64(facts.f_frsize)
    )
    return overflow ? .max : bytes
  }

  private func path(_ name: String) -> String { directory + "/" + name }

  static func fault(_ number: Int32 = errno) -> LogDiskFault {
    switch number {
    case ENOSPC, EDQUOT: .noSpace
    case ENOENT: .missing
    default: .io(number)
    }
  }
}

import Glibc
import Platform

/// A file of a part, which stays readable when its name is removed.
final class ReadableFile: Sendable {
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(FileFault) {
    self.path = path
    descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileFault("open", path) }
  }

  deinit { close(descriptor) }

  /// The `count` bytes from `offset` on.
  ///
  /// - Throws: a fault also where the file is shorter than its record says.
  func read(at offset: Int64, count: Int) throws(FileFault) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let read = bytes.withUnsafeMutableBytes { buffer in
        pread(
          descriptor,
          buffer.baseAddress?.advanced(by: done),
          count - done,
          off_t(offset) + off_t(done)
        )
      }
      if read < 0, errno == EINTR { continue }
      guard read > 0 else { throw FileFault("read", path, read == 0 ? EIO : errno) }
      done += read
    }
    return bytes
  }
}

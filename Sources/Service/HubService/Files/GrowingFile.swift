import Glibc
import Platform

/// A file that one request fills, piece by piece and never two at once.
final class GrowingFile: Sendable {
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(FileFault) {
    self.path = path
    descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileFault("create", path) }
  }

  deinit { close(descriptor) }

  func append(_ bytes: [UInt8]) throws(FileFault) {
    try PrivateFile.write(bytes.span, to: descriptor, at: path)
  }

  /// Makes the bytes and the file's name durable.
  func sync() throws(FileFault) {
    guard fsync(descriptor) == 0 else { throw FileFault("sync", path) }
    try PrivateFile.syncDirectory(of: path)
  }
}

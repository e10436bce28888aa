import Glibc
import HubContract
import HubEngine
import Platform

/// A storage file that grows, and has no name that readers see before it is whole.
///
/// It is removed if it is let go of before that.
final class UnfinishedFile {
  /// Bytes that are gathered before they are written; with Avro they make a block.
  private static let gatheredBytes = 1 << 20

  private let path: String
  private let descriptor: Int32
  private let container: AvroContainer?
  private var gathered: [UInt8] = []
  private var gatheredCount = 0
  private var isFinished = false

  /// Begins an empty file at `path`, in the place of what a former process left there.
  init(_ path: String, encoding: StorageEndpoint.Encoding) throws(FileFault) {
    self.path = path
    container =
      encoding == .avro
      ? AvroContainer(marker: Entropy.bytes(AvroContainer.markerByteCount)) : nil
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw FileFault("create", path) }
    if let container { try write(container.header) }
  }

  deinit {
    close(descriptor)
    if !isFinished { unlink(path) }
  }

  /// Adds one encoded message.
  func append(_ message: [UInt8]) throws(FileFault) {
    gathered += message
    gatheredCount += 1
    if gathered.count >= Self.gatheredBytes { try flush() }
  }

  /// Makes the file durable and gives it its name.
  func finish(as target: String) throws(FileFault) {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileFault("sync", path) }
    try PrivateFile.makeDirectory(PrivateFile.directory(of: target))
    try PrivateFile.move(path, to: target)
    isFinished = true
  }

  private func flush() throws(FileFault) {
    guard gatheredCount > 0 else { return }
    try write(container?.block(gathered, count: gatheredCount) ?? gathered)
    gathered.removeAll(keepingCapacity: true)
    gatheredCount = 0
  }

  private func write(_ bytes: [UInt8]) throws(FileFault) {
    try PrivateFile.write(bytes.span, to: descriptor, at: path)
  }
}

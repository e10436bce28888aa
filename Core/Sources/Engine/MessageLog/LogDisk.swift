/// Why a call to the disk did not do what it was asked.
public enum LogDiskFault: Error, Equatable, Sendable {
  /// The file system or its quota is full (ENOSPC, EDQUOT).
  case noSpace
  /// The file does not exist (ENOENT).
  case missing
  /// Any other failure, with the `errno` of the call.
  case io(Int32)
}

/// One directory of files, as the message log uses it.
///
/// The log calls it synchronously. `create`, `write`, `sync`, `truncate`, `remove` and
/// `syncDirectory` come from the one thread that owns the `MessageLog`; `open`, `read` and `close`
/// come from that thread and from every thread that owns a `LogCursor`, at the same time, each on
/// files it opened itself: an implementation that is shared between threads is `Sendable`. Nothing is retried inside an implementation, except after EINTR and
/// for the rest of a short write or read.
///
/// Calls in the order the log makes them:
/// - **opening**: `list`; per segment `open`, `byteCount`, `read`…, `close`; for the last segment
///   `write` (its unproven tail again, then its index), `sync`, `truncate`; `remove` of a segment
///   that holds nothing, then `syncDirectory`; then a new segment.
/// - **a new segment**: `create`, `write` (header), `sync`, `syncDirectory`. Records follow only
///   after all four have succeeded. If one fails, `remove` and `syncDirectory` come before
///   anything else is written.
/// - **a group commit**: one `write` per batch, then one `sync`.
/// - **leaving a segment**: `write` (the rest, then its index), `sync`, `truncate`, `close`.
/// - **retention**: per segment, oldest first, `remove`, then `syncDirectory`.
///
/// After a failed `sync` the log never writes to or syncs that file again: the kernel may have
/// dropped the dirty pages and would report success for them.
public protocol LogDisk {
  /// An open file; a value that stays valid until `close`.
  associatedtype File: Sendable

  /// The names of all files in the directory, in any order.
  func list() throws(LogDiskFault) -> [String]

  /// Creates `name`, or empties it if it exists, with `byteCount` bytes of zeros whose space is
  /// reserved, and opens it for reading and writing.
  func create(_ name: String, byteCount: UInt64) throws(LogDiskFault) -> File

  /// Opens the existing file `name`, for writing too if `forWriting`.
  func open(_ name: String, forWriting: Bool) throws(LogDiskFault) -> File

  /// The size of `file` in bytes.
  func byteCount(of file: File) throws(LogDiskFault) -> UInt64

  /// Writes all of `bytes` from `offset` on; after a fault any part of them may have arrived.
  func write(_ bytes: Span<UInt8>, to file: File, at offset: UInt64) throws(LogDiskFault)

  /// Returns once everything written to `file` is on stable storage, with what is needed to read
  /// it again (fdatasync).
  func sync(_ file: File) throws(LogDiskFault)

  /// Reads `byteCount` bytes from `offset` on to the start of `buffer`, which has room for them;
  /// answers how many there were, fewer only at the end of the file.
  func read(
    _ file: File,
    at offset: UInt64,
    byteCount: Int,
    into buffer: inout MutableSpan<UInt8>
  ) throws(LogDiskFault) -> Int

  /// Cuts `file` to `byteCount` bytes and gives the space behind them back.
  func truncate(_ file: File, to byteCount: UInt64) throws(LogDiskFault)

  /// Ends the use of `file`.
  func close(_ file: File)

  /// Removes `name`; readers that hold it open may go on reading.
  func remove(_ name: String) throws(LogDiskFault)

  /// Returns once created and removed names are on stable storage.
  func syncDirectory() throws(LogDiskFault)
}

/// Why a call to the disk did not do what it was asked.
public enum SlotDiskFault: Error, Equatable, Sendable {
  /// The file system, its quota or the partition is full.
  case noSpace
  /// The file does not exist.
  case missing
  /// Any other failure, with the `errno` of the call.
  case io(Int32)
}

/// One directory of files that holds two slots and the record of which of them runs.
///
/// One thread calls it. `rename` replaces its target at once or not at all, also when power is lost;
/// everything else may be torn until it is synced. A file's name is durable after `syncDirectory`, its
/// bytes after `sync`.
public protocol SlotDisk {
  /// The names of all files, in any order.
  func list() throws(SlotDiskFault) -> [String]

  /// The size of a file in bytes; nil if there is no such file.
  func byteCount(of name: String) throws(SlotDiskFault) -> UInt64?

  /// Up to `byteCount` bytes from `offset` on, fewer only at the end of the file.
  func read(
    _ name: String,
    at offset: UInt64,
    byteCount: Int
  ) throws(SlotDiskFault) -> [UInt8]

  /// Creates an empty file, or empties the one there is.
  func create(_ name: String) throws(SlotDiskFault)

  /// Writes all of `bytes` from `offset` on, growing the file; after a fault any part may have arrived.
  func write(
    _ bytes: Span<UInt8>,
    to name: String,
    at offset: UInt64
  ) throws(SlotDiskFault)

  /// Returns once everything written to the file is on stable storage.
  func sync(_ name: String) throws(SlotDiskFault)

  /// Gives a file another name, in place of the file that has it.
  func rename(_ name: String, to other: String) throws(SlotDiskFault)

  /// Removes a file.
  func remove(_ name: String) throws(SlotDiskFault)

  /// Returns once created, renamed and removed names are on stable storage.
  func syncDirectory() throws(SlotDiskFault)
}

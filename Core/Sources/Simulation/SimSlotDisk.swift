import ByteIO
import MessageLog
public import UpdateEngine

/// A `SimDisk` as slots use one: by name, and with renames that happen at once or not at all.
public struct SimSlotDisk: SlotDisk {
  /// The disk, whose power can be cut.
  public let disk: SimDisk

  /// Creates the view of a disk.
  public init(_ disk: SimDisk) { self.disk = disk }

  private func asked<Value>(
    _ call: () throws(LogDiskFault) -> Value
  ) throws(SlotDiskFault) -> Value {
    do throws(LogDiskFault) {
      return try call()
    } catch {
      switch error {
      case .noSpace: throw .noSpace
      case .missing: throw .missing
      case .io(let number): throw .io(number)
      }
    }
  }

  /// The names of all files, sorted.
  public func list() throws(SlotDiskFault) -> [String] {
    try asked { () throws(LogDiskFault) in try disk.list() }
  }

  /// The size of a file.
  public func byteCount(of name: String) throws(SlotDiskFault) -> UInt64? {
    disk.contents(of: name).map { UInt64($0.count) }
  }

  /// Reads.
  public func read(
    _ name: String,
    at offset: UInt64,
    byteCount: Int
  ) throws(SlotDiskFault) -> [UInt8] {
    try asked { () throws(LogDiskFault) in
      try disk.memory.begin(.read)
      guard let contents = disk.contents(of: name) else { throw .missing }
      guard offset < UInt64(contents.count) else { return [] }
      return Array(contents[Int(offset)...].prefix(byteCount))
    }
  }

  /// Creates or empties a file.
  public func create(_ name: String) throws(SlotDiskFault) {
    try asked { () throws(LogDiskFault) in disk.close(try disk.create(name, byteCount: 0)) }
  }

  /// Writes; a failing write leaves some of its sectors.
  public func write(
    _ bytes: Span<UInt8>,
    to name: String,
    at offset: UInt64
  ) throws(SlotDiskFault) {
    let copy = bytes.array()
    try asked { () throws(LogDiskFault) in
      let file = try disk.open(name, forWriting: true)
      defer { disk.close(file) }
      try disk.write(copy.span, to: file, at: offset)
    }
  }

  /// Makes a file durable; a failing sync loses the changes for good.
  public func sync(_ name: String) throws(SlotDiskFault) {
    try asked { () throws(LogDiskFault) in
      let file = try disk.open(name, forWriting: true)
      defer { disk.close(file) }
      try disk.sync(file)
    }
  }

  /// Renames a file.
  public func rename(_ name: String, to other: String) throws(SlotDiskFault) {
    try asked { () throws(LogDiskFault) in try disk.rename(name, to: other) }
  }

  /// Removes a file.
  public func remove(_ name: String) throws(SlotDiskFault) {
    try asked { () throws(LogDiskFault) in try disk.remove(name) }
  }

  /// Makes names durable.
  public func syncDirectory() throws(SlotDiskFault) {
    try asked { () throws(LogDiskFault) in try disk.syncDirectory() }
  }
}

import ByteIO
public import MessageLog

extension SimDisk: LogDisk {
  /// The names of all files, sorted.
  public func list() throws(LogDiskFault) -> [String] {
    memory.disk.names.keys.sorted()
  }

  /// Creates or empties a file; `noSpace` if the capacity would be exceeded.
  public func create(_ name: String, byteCount: UInt64) throws(LogDiskFault) -> File {
    try memory.begin(.create)
    let inode = try memory.disk.create(name, byteCount: Int(byteCount))
    memory.disk.open(inode)
    memory.record(.create(name: name, byteCount: byteCount))
    return File(inode: inode)
  }

  /// Opens a file.
  public func open(_ name: String, forWriting: Bool) throws(LogDiskFault) -> File {
    let inode = try memory.inode(name)
    memory.disk.open(inode)
    return File(inode: inode)
  }

  /// The size of an open file.
  public func byteCount(of file: File) throws(LogDiskFault) -> UInt64 {
    UInt64(try memory.open(file).cached.count)
  }

  /// Writes; a failing write leaves some of its sectors.
  public func write(
    _ bytes: Span<UInt8>,
    to file: File,
    at offset: UInt64
  ) throws(LogDiskFault) {
    let copy = bytes.array()
    _ = try memory.open(file)
    do throws(LogDiskFault) {
      try memory.begin(.write)
    } catch {
      let sector = SimDiskState.sectorByteCount
      let sectors = Int.random(in: 0...copy.count / sector, using: &memory.generator)
      let part = Array(copy.prefix(sectors * sector))
      try? memory.disk.write(part.span, inode: file.inode, offset: Int(offset))
      throw error
    }
    try memory.disk.write(copy.span, inode: file.inode, offset: Int(offset))
    memory.record(file) { .write(name: $0, offset: offset, bytes: copy) }
  }

  /// Makes a file durable; a failing sync loses the changes for good.
  public func sync(_ file: File) throws(LogDiskFault) {
    _ = try memory.open(file)
    do throws(LogDiskFault) {
      try memory.begin(.sync)
    } catch {
      memory.failSync(file)
      throw error
    }
    memory.disk.sync(file.inode)
    memory.record(file) { .sync(name: $0) }
  }

  /// Reads.
  public func read(
    _ file: File,
    at offset: UInt64,
    byteCount: Int,
    into buffer: inout MutableSpan<UInt8>
  ) throws(LogDiskFault) -> Int {
    try memory.begin(.read)
    let contents = try memory.open(file).cached
    guard offset < UInt64(contents.count) else { return 0 }
    let start = Int(offset)
    let count = min(byteCount, contents.count - start)
    // The simulation reads much, and byte by byte is slow in a debug build; both ends are checked.
    precondition(count <= buffer.count)
    unsafe contents.span.withUnsafeBufferPointer { source in
      unsafe buffer.withUnsafeMutableBufferPointer { target in
        guard let target = target.baseAddress, let source = source.baseAddress else { return }
        unsafe target.update(from: source + start, count: count)
      }
    }
    return count
  }

  /// Cuts or extends a file.
  public func truncate(_ file: File, to byteCount: UInt64) throws(LogDiskFault) {
    _ = try memory.open(file)
    memory.operationCount += 1
    memory.disk.resize(file.inode, to: Int(byteCount))
    memory.record(file) { .truncate(name: $0, byteCount: byteCount) }
  }

  /// Closes a file.
  public func close(_ file: File) {
    memory.disk.close(file.inode)
  }

  /// Removes a file.
  public func remove(_ name: String) throws(LogDiskFault) {
    try memory.begin(.remove)
    try memory.disk.remove(name)
    memory.record(.remove(name: name))
  }

  /// Gives a file another name, in place of the file that had it.
  public func rename(_ name: String, to other: String) throws(LogDiskFault) {
    try memory.begin(.rename)
    try memory.disk.rename(name, to: other)
    memory.record(.rename(name: name, to: other))
  }

  /// Makes names durable.
  public func syncDirectory() throws(LogDiskFault) {
    try memory.begin(.syncDirectory)
    memory.disk.syncDirectory()
    memory.record(.syncDirectory)
  }
}

public import EdgeEngine
public import MessageLog

/// The directories of an edge's store on one simulated disk, so that a power cut hits all of them at
/// the same instant.
///
/// Each directory is a prefix of names. Syncing one makes the names of all durable.
public struct SimStoreDisks: StoreDisks {
  /// What everything lies on.
  public let disk: SimDisk
  private static let asidePrefix = "aside:"

  /// Creates the directories that `disk` has.
  public init(_ disk: SimDisk) { self.disk = disk }

  /// The directories that have a file.
  public func list() throws(LogDiskFault) -> [String] {
    let names = try disk.list().compactMap { name in
      name.firstIndex(of: "/").map { String(name[..<$0]) }
    }
    return Set(names).filter { !$0.hasPrefix(Self.asidePrefix) }.sorted()
  }

  /// The directory `name`.
  public func disk(_ name: String) throws(LogDiskFault) -> SimFolder {
    SimFolder(disk, name)
  }

  /// Removes the files of `name`, oldest first.
  public func remove(_ name: String) throws(LogDiskFault) {
    let folder = SimFolder(disk, name)
    for file in try folder.list().sorted() {
      try folder.remove(file)
      try folder.syncDirectory()
    }
  }

  /// Moves the files of `name` to where `list` does not see them.
  public func setAside(_ name: String) throws(LogDiskFault) {
    let folder = SimFolder(disk, name)
    for file in try folder.list() {
      disk.place(
        disk.contents(of: name + "/" + file) ?? [],
        as: Self.asidePrefix + name + "/" + file
      )
      try folder.remove(file)
    }
    try folder.syncDirectory()
  }
}

/// One directory of a `SimDisk`.
public struct SimFolder: LogDisk {
  private let disk: SimDisk
  private let prefix: String

  /// The directory `name` of `disk`.
  public init(_ disk: SimDisk, _ name: String) {
    self.disk = disk
    prefix = name + "/"
  }

  /// The names of its files.
  public func list() throws(LogDiskFault) -> [String] {
    try disk.list().filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }

  /// Creates or empties a file.
  public func create(_ name: String, byteCount: UInt64) throws(LogDiskFault) -> SimDisk.File {
    try disk.create(prefix + name, byteCount: byteCount)
  }

  /// Opens a file.
  public func open(_ name: String, forWriting: Bool) throws(LogDiskFault) -> SimDisk.File {
    try disk.open(prefix + name, forWriting: forWriting)
  }

  /// The size of an open file.
  public func byteCount(of file: SimDisk.File) throws(LogDiskFault) -> UInt64 {
    try disk.byteCount(of: file)
  }

  /// Writes.
  public func write(
    _ bytes: Span<UInt8>,
    to file: SimDisk.File,
    at offset: UInt64
  ) throws(LogDiskFault) {
    try disk.write(bytes, to: file, at: offset)
  }

  /// Makes a file durable.
  public func sync(_ file: SimDisk.File) throws(LogDiskFault) { try disk.sync(file) }

  /// Reads.
  public func read(
    _ file: SimDisk.File,
    at offset: UInt64,
    byteCount: Int,
    into buffer: inout MutableSpan<UInt8>
  ) throws(LogDiskFault) -> Int {
    try disk.read(file, at: offset, byteCount: byteCount, into: &buffer)
  }

  /// Cuts or extends a file.
  public func truncate(_ file: SimDisk.File, to byteCount: UInt64) throws(LogDiskFault) {
    try disk.truncate(file, to: byteCount)
  }

  /// Closes a file.
  public func close(_ file: SimDisk.File) { disk.close(file) }

  /// Removes a file.
  public func remove(_ name: String) throws(LogDiskFault) { try disk.remove(prefix + name) }

  /// Makes names durable.
  public func syncDirectory() throws(LogDiskFault) { try disk.syncDirectory() }
}

import EdgeEngine
import MessageLog
import Platform

/// The directories of an edge's queues on the file system.
struct EdgeDirectories: StoreDisks {
  let path: String
  let isDurable: Bool

  /// What is set aside gets this behind its name.
  private static let asideSuffix = ".unreadable"

  init(_ path: String, isDurable: Bool) {
    self.path = path
    self.isDurable = isDurable
  }

  func list() throws(LogDiskFault) -> [String] {
    do throws(FileFault) {
      return try PrivateFile.entries(of: path).map(\.name).filter {
        !$0.contains(Self.asideSuffix)
      }
    } catch {
      throw .io(error.number)
    }
  }

  func disk(_ name: String) throws(LogDiskFault) -> LinuxDisk {
    do throws(FileFault) {
      try PrivateFile.makeDirectory(path + "/" + name)
    } catch {
      throw .io(error.number)
    }
    try LinuxDisk(directory: path, isDurable: isDurable).syncDirectory()
    return LinuxDisk(directory: path + "/" + name, isDurable: isDurable)
  }

  func remove(_ name: String) throws(LogDiskFault) {
    let directory = path + "/" + name
    let disk = LinuxDisk(directory: directory, isDurable: isDurable)
    // Oldest first, as retention does it: what a crash leaves is a log that begins later.
    for file in try disk.list().sorted() { try disk.remove(file) }
    try disk.syncDirectory()
    PrivateFile.removeTree(directory)
    try LinuxDisk(directory: path, isDurable: isDurable).syncDirectory()
  }

  func setAside(_ name: String) throws(LogDiskFault) {
    let aside = "\(path)/\(name)\(Self.asideSuffix)-\(SystemClock.wallMilliseconds())"
    do throws(FileFault) {
      try PrivateFile.move(path + "/" + name, to: aside)
    } catch {
      throw .io(error.number)
    }
    try LinuxDisk(directory: path, isDurable: isDurable).syncDirectory()
  }
}

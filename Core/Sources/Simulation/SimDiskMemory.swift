import ByteIO
import MessageLog

/// What a `SimDisk` remembers: the disk, its faults and its journal.
struct SimDiskMemory {
  var disk: SimDiskState
  var generator: SeededGenerator
  var faults = SimDiskFaults()
  var scripted: [(call: SimDiskCall, after: Int, fault: LogDiskFault)] = []
  var journal: [SimDisk.Operation] = []
  var isRecording = false
  var operationCount = 0

  /// Counts a call and throws if it is its turn to fail.
  mutating func begin(_ call: SimDiskCall) throws(LogDiskFault) {
    if call != .read { operationCount += 1 }
    for index in scripted.indices where scripted[index].call == call {
      if scripted[index].after == 0 {
        throw scripted.remove(at: index).fault
      }
      scripted[index].after -= 1
    }
    let perMille =
      switch call {
      case .create: faults.createPerMille
      case .write: faults.writePerMille
      case .sync, .syncDirectory: faults.syncPerMille
      case .read: faults.readPerMille
      case .remove, .rename: 0
      }
    guard perMille == 0 || Int.random(in: 0..<1000, using: &generator) >= perMille else {
      throw .io(5)
    }
  }

  mutating func record(_ operation: @autoclosure () -> SimDisk.Operation) {
    if isRecording { journal.append(operation()) }
  }

  mutating func record(
    _ file: SimDisk.File,
    _ operation: (String) -> SimDisk.Operation
  ) {
    guard isRecording, let name = disk.names.first(where: { $0.value == file.inode })?.key else {
      return
    }
    journal.append(operation(name))
  }

  func inode(_ name: String) throws(LogDiskFault) -> Int {
    guard let inode = disk.names[name] else { throw .missing }
    return inode
  }

  func open(_ file: SimDisk.File) throws(LogDiskFault) -> SimDiskState.Inode {
    guard let inode = disk.inodes[file.inode] else { throw .missing }
    return inode
  }

  mutating func cutPower(_ survival: SimSurvival) {
    disk.cutPower(survival, generator: &generator)
  }

  mutating func failSync(_ file: SimDisk.File) {
    disk.failSync(file.inode, generator: &generator)
  }
}

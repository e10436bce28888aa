import ByteIO
public import MessageLog

/// What of the unsynced changes reaches the medium when power is lost.
public enum SimSurvival: Equatable, Sendable, CaseIterable {
  /// Nothing.
  case none
  /// Everything.
  case all
  /// The oldest changes up to some point: a torn write.
  case prefix
  /// Any of them, whatever their order: what a drive with a cache may do.
  case arbitrary
}

/// How often calls fail by themselves, each in thousandths of the calls of its kind.
public struct SimDiskFaults: Equatable, Sendable {
  /// Writes that stop after some sectors with an I/O error.
  public var writePerMille = 0
  /// Syncs that fail, after which the unsynced changes are forgotten and never arrive.
  public var syncPerMille = 0
  /// Creations of a file that fail.
  public var createPerMille = 0
  /// Reads that fail.
  public var readPerMille = 0

  /// No failures.
  public init() {}
}

/// The calls that can be made to fail.
public enum SimDiskCall: Equatable, Sendable {
  /// `LogDisk.create`.
  case create
  /// `LogDisk.write`.
  case write
  /// `LogDisk.sync`.
  case sync
  /// `LogDisk.read`.
  case read
  /// `LogDisk.remove`.
  case remove
  /// `SlotDisk.rename`.
  case rename
  /// `LogDisk.syncDirectory`.
  case syncDirectory
}

/// A disk in memory on which anything can go wrong, repeatably from one seed.
///
/// It keeps two states of each file: what the system sees, and what is on the medium, in sectors of
/// 512 bytes that arrive whole or not at all. Only a sync moves the one to the other; `powerCut`
/// leaves the medium and what survived by luck. A failed sync behaves as Linux does: the changes
/// stay visible, never arrive, and the next sync reports success.
///
/// Every mutating call is counted, and can be kept in a `journal`, so that a test can run once and
/// then cut the power before each single operation: `apply` them one by one to a second disk, and
/// `copy` that before each cut.
///
/// One thread uses it, as a simulation has only one.
public final class SimDisk {
  /// An open file.
  public struct File: Sendable, Hashable {
    let inode: Int
  }

  /// A mutating call that was made, with what it needs to be made again.
  public enum Operation: Equatable, Sendable {
    /// A file was created or emptied, with so many bytes reserved.
    case create(name: String, byteCount: UInt64)
    /// Bytes were written.
    case write(name: String, offset: UInt64, bytes: [UInt8])
    /// A file was synced.
    case sync(name: String)
    /// A file was cut or extended.
    case truncate(name: String, byteCount: UInt64)
    /// A file was given another name, in place of the file that had it.
    case rename(name: String, to: String)
    /// A file was removed.
    case remove(name: String)
    /// The directory was synced.
    case syncDirectory
  }

  var memory: SimDiskMemory

  /// Creates an empty disk.
  ///
  /// The seed decides what fails and what survives.
  public init(seed: UInt64, capacityBytes: UInt64 = 1 << 40) {
    memory = SimDiskMemory(
      disk: SimDiskState(capacityBytes: capacityBytes),
      generator: SeededGenerator(seed: seed)
    )
  }

  private init(_ disk: SimDiskState, seed: UInt64) {
    memory = SimDiskMemory(disk: disk, generator: SeededGenerator(seed: seed))
  }

  // MARK: - Rehearsing

  /// The same contents on another disk without faults and with an empty journal.
  ///
  /// File handles of this one are good for the copy too.
  public func copy(seed: UInt64) -> SimDisk {
    SimDisk(memory.disk, seed: seed)
  }

  /// Loses power and comes back: what was synced is there, of the rest what `survival` says.
  ///
  /// Open files are closed by it.
  public func powerCut(_ survival: SimSurvival) {
    memory.cutPower(survival)
  }

  /// How often calls fail by themselves.
  public var faults: SimDiskFaults {
    get { memory.faults }
    set { memory.faults = newValue }
  }

  /// Makes one `call` fail: the next one, or after so many that still succeed.
  public func fail(_ call: SimDiskCall, with fault: LogDiskFault, after count: Int = 0) {
    memory.scripted.append((call, count, fault))
  }

  /// Bytes that all files together may take.
  public var capacityBytes: UInt64 {
    get { memory.disk.capacityBytes }
    set { memory.disk.capacityBytes = newValue }
  }

  /// Bytes that all files together take.
  public var usedBytes: UInt64 { memory.disk.usedBytes }

  /// Mutating calls made so far, those that failed among them.
  public var operationCount: Int { memory.operationCount }

  /// Starts to keep every mutating call that succeeds.
  public func startRecording() {
    memory.journal = []
    memory.isRecording = true
  }

  /// The mutating calls that succeeded since `startRecording`.
  public var journal: [Operation] { memory.journal }

  /// Number of calls in the journal.
  public var journalCount: Int { memory.journal.count }

  /// Makes a call of another disk's journal here.
  public func apply(_ operation: Operation) throws(LogDiskFault) {
    switch operation {
    case .create(let name, let byteCount):
      _ = try memory.disk.create(name, byteCount: Int(byteCount))
    case .write(let name, let offset, let bytes):
      try memory.disk.write(bytes.span, inode: try memory.inode(name), offset: Int(offset))
    case .sync(let name): memory.disk.sync(try memory.inode(name))
    case .truncate(let name, let byteCount):
      memory.disk.resize(try memory.inode(name), to: Int(byteCount))
    case .rename(let name, let other): try memory.disk.rename(name, to: other)
    case .remove(let name): try memory.disk.remove(name)
    case .syncDirectory: memory.disk.syncDirectory()
    }
  }

  /// The bytes of `name` as the system sees them; nil if there is no such file.
  public func contents(of name: String) -> [UInt8]? {
    memory.disk.names[name].flatMap { memory.disk.inodes[$0]?.cached }
  }

  /// Puts a file there, durably, as if it had always been.
  public func place(_ bytes: [UInt8], as name: String) {
    guard let inode = try? memory.disk.create(name, byteCount: bytes.count) else { return }
    try? memory.disk.write(bytes.span, inode: inode, offset: 0)
    memory.disk.sync(inode)
    memory.disk.syncDirectory()
  }

  /// Lets one bit of a file decay, on the medium and in what the system sees.
  public func flipBit(_ bit: Int, ofByte offset: Int, in name: String) {
    guard let inode = memory.disk.names[name], var file = memory.disk.inodes[inode] else {
      return
    }
    if file.cached.indices.contains(offset) { file.cached[offset] ^= 1 << UInt8(bit & 7) }
    if file.durable.indices.contains(offset) { file.durable[offset] ^= 1 << UInt8(bit & 7) }
    memory.disk.inodes[inode] = file
  }
}

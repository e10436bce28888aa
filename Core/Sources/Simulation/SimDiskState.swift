import ByteIO
import MessageLog

/// The disk's memory as a value: what the system sees, and what would be there after a power cut.
struct SimDiskState: Sendable {
  static let sectorByteCount = 512

  struct Inode: Sendable {
    /// What reads and a restart of the process see.
    var cached: [UInt8] = []
    /// What is on the medium.
    var durable: [UInt8] = []
    /// Open handles; the contents stay while there are any.
    var openCount = 0
  }

  /// Something the medium does not have yet, in the order in which it was done.
  enum Unsynced: Hashable, Sendable {
    case sector(inode: Int, index: Int)
    case byteCount(inode: Int)
    case name(String)
    /// A rename arrives as a whole: no moment sees the file under both names, or the other gone.
    case rename(String, to: String)
  }

  var inodes: [Int: Inode] = [:]
  var names: [String: Int] = [:]
  var durableNames: [String: Int] = [:]
  private var unsyncedOrder: [Unsynced] = []
  private var unsyncedSet: Set<Unsynced> = []
  private var nextInode = 1
  var capacityBytes: UInt64

  init(capacityBytes: UInt64) { self.capacityBytes = capacityBytes }

  /// Bytes that files with a name take.
  var usedBytes: UInt64 {
    names.values.reduce(0) { $0 + UInt64(inodes[$1]?.cached.count ?? 0) }
  }

  // MARK: - Operations

  mutating func create(_ name: String, byteCount: Int) throws(LogDiskFault) -> Int {
    let replaced = names[name].flatMap { inodes[$0]?.cached.count } ?? 0
    guard usedBytes - UInt64(replaced) + UInt64(byteCount) <= capacityBytes else {
      throw .noSpace
    }
    let inode = names[name] ?? nextInode
    if inode == nextInode {
      nextInode += 1
      inodes[inode] = Inode()
      names[name] = inode
      note(.name(name))
    }
    resize(inode, to: 0)
    resize(inode, to: byteCount)
    return inode
  }

  /// Writes to what the system sees; what lies behind the end is filled with zeros.
  mutating func write(
    _ bytes: Span<UInt8>,
    inode: Int,
    offset: Int
  ) throws(LogDiskFault) {
    let end = offset + bytes.count
    let count = inodes[inode]?.cached.count ?? 0
    if end > count {
      guard usedBytes + UInt64(end - count) <= capacityBytes else { throw .noSpace }
      resize(inode, to: end)
    }
    guard !bytes.isEmpty else { return }
    inodes[inode]?.cached.replaceSubrange(offset..<end, with: bytes.array())
    for sector in offset / SimDiskState.sectorByteCount...(end - 1) / SimDiskState.sectorByteCount {
      note(.sector(inode: inode, index: sector))
    }
  }

  mutating func resize(_ inode: Int, to byteCount: Int) {
    guard let count = inodes[inode]?.cached.count, count != byteCount else { return }
    if byteCount < count {
      inodes[inode]?.cached.removeLast(count - byteCount)
    } else {
      inodes[inode]?.cached.append(contentsOf: [UInt8](repeating: 0, count: byteCount - count))
    }
    note(.byteCount(inode: inode))
  }

  mutating func remove(_ name: String) throws(LogDiskFault) {
    guard let inode = names.removeValue(forKey: name) else { throw .missing }
    note(.name(name))
    forgetIfUnused(inode)
  }

  mutating func rename(_ name: String, to other: String) throws(LogDiskFault) {
    guard let inode = names[name] else { throw .missing }
    guard name != other else { return }
    names[name] = nil
    let replaced = names.updateValue(inode, forKey: other)
    note(.rename(name, to: other))
    if let replaced { forgetIfUnused(replaced) }
  }

  mutating func open(_ inode: Int) { inodes[inode]?.openCount += 1 }

  mutating func close(_ inode: Int) {
    inodes[inode]?.openCount -= 1
    forgetIfUnused(inode)
  }

  private mutating func forgetIfUnused(_ inode: Int) {
    guard inodes[inode]?.openCount == 0, !names.values.contains(inode),
      !durableNames.values.contains(inode)
    else { return }
    inodes[inode] = nil
    drop { $0.inode == inode }
  }

  // MARK: - Durability

  private mutating func note(_ change: Unsynced) {
    if unsyncedSet.insert(change).inserted { unsyncedOrder.append(change) }
  }

  private mutating func drop(_ isDropped: (Unsynced) -> Bool) {
    unsyncedOrder.removeAll(where: isDropped)
    unsyncedSet = Set(unsyncedOrder)
  }

  mutating func sync(_ inode: Int) {
    for change in unsyncedOrder where change.inode == inode { settle(change) }
    drop { $0.inode == inode }
  }

  /// What a failed sync leaves: some sectors arrived, and the others are no longer known to be
  /// missing, so that the next sync will succeed without writing them.
  mutating func failSync(_ inode: Int, generator: inout SeededGenerator) {
    for change in unsyncedOrder where change.inode == inode && Bool.random(using: &generator) {
      settle(change)
    }
    drop { $0.inode == inode }
  }

  mutating func syncDirectory() {
    durableNames = names
    drop { $0.inode == nil }
    for inode in Array(inodes.keys) { forgetIfUnused(inode) }
  }

  /// Brings one change to the medium.
  private mutating func settle(_ change: Unsynced) {
    switch change {
    case .sector(let inode, let index):
      guard var file = inodes[inode] else { return }
      let start = index * SimDiskState.sectorByteCount
      let end = min(start + SimDiskState.sectorByteCount, file.cached.count)
      guard start < end else { return }
      inodes[inode] = nil
      if file.durable.count < end {
        file.durable.append(contentsOf: [UInt8](repeating: 0, count: end - file.durable.count))
      }
      file.durable.replaceSubrange(start..<end, with: file.cached[start..<end])
      inodes[inode] = file
    case .byteCount(let inode):
      guard var file = inodes[inode] else { return }
      inodes[inode] = nil
      let count = file.cached.count
      if file.durable.count > count { file.durable.removeLast(file.durable.count - count) }
      file.durable.append(contentsOf: [UInt8](repeating: 0, count: count - file.durable.count))
      inodes[inode] = file
    case .name(let name):
      durableNames[name] = names[name]
    case .rename(let name, let other):
      durableNames[name] = names[name]
      durableNames[other] = names[other]
    }
  }

  /// Loses power: some of what was not synced arrives, the rest never does.
  mutating func cutPower(_ survival: SimSurvival, generator: inout SeededGenerator) {
    switch survival {
    case .none: break
    case .all: unsyncedOrder.forEach { settle($0) }
    case .prefix:
      let count = Int.random(in: 0...unsyncedOrder.count, using: &generator)
      unsyncedOrder.prefix(count).forEach { settle($0) }
    case .arbitrary:
      for change in unsyncedOrder where Bool.random(using: &generator) { settle(change) }
    }
    drop { _ in true }
    names = durableNames
    for inode in Array(inodes.keys) {
      inodes[inode]?.openCount = 0
      let durable = inodes[inode]?.durable ?? []
      inodes[inode]?.cached = durable
      forgetIfUnused(inode)
    }
  }
}

extension SimDiskState.Unsynced {
  /// The file whose sync brings this to the medium; nil for what the directory's sync does.
  fileprivate var inode: Int? {
    switch self {
    case .sector(let inode, _), .byteCount(let inode): inode
    case .name, .rename: nil
    }
  }
}

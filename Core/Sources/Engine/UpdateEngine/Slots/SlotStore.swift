internal import ByteIO

/// Sizes and limits of a `SlotStore`.
public struct SlotConfiguration: Equatable, Sendable {
  /// What a slot holds at most, in bytes; a larger set is refused before anything is written.
  public var slotBytes: UInt64 = 1 << 30
  /// How often a set on trial is started before it is given up; at least 1.
  public var trialTries: UInt8 = 3
  /// How long a set on trial may run without being confirmed, in milliseconds.
  public var trialMilliseconds: UInt64 = 10 * 60 * 1000
  /// After so many bytes a download is made durable, so that it goes on from there after a power cut.
  public var checkpointBytes: UInt64 = 4 << 20

  /// The customary values.
  public init() {}
}

/// Two slots for sets of images, of which one runs: installs into the other, tries what was installed,
/// keeps it when it proves itself, and goes back when it does not.
///
/// ```
///            begin          finish         startTrial          confirm
///  empty ──▶ writing ──────▶ ready ───────▶ trial ───────────▶ good, and active
///              │ wrong digest                 │ tries used up, unhealthy, not confirmed in time
///              ▼                              ▼
///            empty                          failed           (the active slot starts again)
/// ```
///
/// What is in the slots stands in a `SlotRecord`, of which there are two copies: each step writes a new
/// file and renames it over the older copy, so that a power cut leaves the step taken or not taken, and
/// a copy that decays leaves the one before. Nothing is believed from the record alone: whatever starts
/// was read in full against its signed manifest first, and is not below the rollback floor.
///
/// The floor is raised only after a set was confirmed, and before anything else happens; when power is
/// lost between the two, the next start raises it.
///
/// Not its business: where bytes come from, what a manifest looks like, when an update may begin, and
/// what makes a set healthy. One thread owns it. Opening is recovery; there is no other.
public struct SlotStore<Disk: SlotDisk, Trust: SlotTrust>: ~Copyable {
  /// A download into the slot that is not active.
  struct Download {
    var set: ReleaseSet
    var identity: SetIdentity
    /// Bytes of all files that were written.
    var byteCount: UInt64
    /// Bytes that are durable, and recorded as such.
    var durableByteCount: UInt64
  }

  let disk: Disk
  var trust: Trust
  let configuration: SlotConfiguration
  let crc: CRC32C
  /// What is in the slots, as of the last step.
  public internal(set) var record: SlotRecord
  var download: Download?
  /// The slot that runs, as far as it is known.
  public internal(set) var running: SlotName?
  /// When the trial that runs is over.
  var trialDeadline: Instant?

  /// Reads what there is, and mends it.
  ///
  /// If both copies of the record are lost, the slots themselves are read: of two whole sets the
  /// older becomes active and the newer goes on trial.
  ///
  /// - Throws: `disk`.
  public init(
    _ disk: Disk,
    trust: consuming Trust,
    configuration: SlotConfiguration = SlotConfiguration()
  ) throws(SlotFault) {
    self.disk = disk
    self.trust = trust
    self.configuration = configuration
    crc = CRC32C()
    record = SlotRecord()
    let names: [String]
    do throws(SlotDiskFault) {
      names = try disk.list()
    } catch {
      throw .disk(error)
    }
    var copies: [SlotRecord] = []
    for name in SlotNames.copies where names.contains(name) {
      if let copy = try readRecord(name) { copies.append(copy) }
    }
    if let newest = copies.max(by: { $0.sequence < $1.sequence }) {
      record = newest
    } else if SlotNames.copies.contains(where: names.contains) {
      try rebuild()
    }
  }

  /// The rollback floor.
  public var floor: UInt64 { trust.floor }

  /// The slot that is written to.
  var spare: SlotName { record.active.other }

  // MARK: - The record

  private func readRecord(_ name: String) throws(SlotFault) -> SlotRecord? {
    do throws(SlotDiskFault) {
      let bytes = try disk.read(name, at: 0, byteCount: SlotRecord.maximumBytes + 1)
      return SlotRecord(bytes, crc)
    } catch {
      throw .disk(error)
    }
  }

  /// Makes a step durable: once it returns, every later start sees `next`.
  ///
  /// If it throws, a later start sees either, and this value goes on with the step not taken.
  mutating func take(_ next: SlotRecord) throws(SlotFault) {
    var next = next
    next.sequence = record.sequence + 1
    let copy = SlotNames.copies[Int(next.sequence % 2)]
    do throws(SlotDiskFault) {
      try disk.create(SlotNames.new)
      try disk.write(next.bytes(crc).span, to: SlotNames.new, at: 0)
      try disk.sync(SlotNames.new)
      try disk.rename(SlotNames.new, to: copy)
      try disk.syncDirectory()
    } catch {
      throw .disk(error)
    }
    record = next
  }

  mutating func take(_ content: SlotContent, in slot: SlotName) throws(SlotFault) {
    var next = record
    next[slot] = content
    try take(next)
  }

  /// Makes a record of what the slots hold.
  private mutating func rebuild() throws(SlotFault) {
    var whole: [(slot: SlotName, identity: SetIdentity)] = []
    for slot in SlotName.allCases {
      guard let identity = storedIdentity(slot), identity.release >= trust.floor,
        judge(slot, identity) == .whole
      else { continue }
      whole.append((slot, identity))
    }
    // Nobody knows whether the newer one was ever confirmed.
    whole.sort { $0.identity.release < $1.identity.release }
    guard let first = whole.first else { return }
    var next = record
    next.active = first.slot
    next[first.slot] = .good(first.identity)
    if whole.count > 1 {
      next[whole[1].slot] = .trial(whole[1].identity, triesLeft: configuration.trialTries)
    }
    try take(next)
  }

  private func storedIdentity(_ slot: SlotName) -> SetIdentity? {
    guard let manifest = try? manifest(in: slot), let set = trust.releaseSet(manifest) else {
      return nil
    }
    return SetIdentity(
      release: set.release,
      floor: set.floor,
      digest: trust.digest(manifest)
    )
  }

  // MARK: - Judging what is in a slot

  /// What reading a whole slot found.
  enum Judgement {
    /// Every byte is what was signed.
    case whole
    /// It is not.
    case damaged
    /// The disk failed; nobody knows.
    case unreadable
  }

  /// The manifest in a slot; nil if it is missing or too long.
  func manifest(in slot: SlotName) throws(SlotDiskFault) -> [UInt8]? {
    let name = SlotNames.manifest(slot)
    guard let count = try disk.byteCount(of: name), count <= ReleaseSet.maximumManifestBytes else {
      return nil
    }
    return try disk.read(name, at: 0, byteCount: Int(count))
  }

  /// Reads all of a slot against the manifest that the record names.
  func judge(_ slot: SlotName, _ identity: SetIdentity) -> Judgement {
    do throws(SlotDiskFault) {
      guard let manifest = try manifest(in: slot), trust.digest(manifest) == identity.digest,
        let set = trust.releaseSet(manifest), set.isWellFormed, set.release == identity.release,
        set.floor == identity.floor
      else { return .damaged }
      return try firstWrongFile(of: set, in: slot) == nil ? .whole : .damaged
    } catch {
      return .unreadable
    }
  }

  /// Name of the first file that is not what was promised.
  func firstWrongFile(of set: ReleaseSet, in slot: SlotName) throws(SlotDiskFault) -> String? {
    for file in set.files {
      guard try isWhole(file, SlotNames.file(file.name, in: slot)) else { return file.name }
    }
    return nil
  }

  private func isWhole(_ file: ReleaseFile, _ name: String) throws(SlotDiskFault) -> Bool {
    guard try disk.byteCount(of: name) == file.byteCount else { return false }
    var digest = trust.makeDigest()
    var offset: UInt64 = 0
    while offset < file.byteCount {
      let count = Int(min(UInt64(slotReadBytes), file.byteCount - offset))
      let bytes = try disk.read(name, at: offset, byteCount: count)
      guard bytes.count == count else { return false }
      digest.update(bytes.span)
      offset += UInt64(count)
    }
    return digest.finish() == file.digest
  }
}

/// Names of the files on a `SlotDisk`.
enum SlotNames {
  /// Two copies of the record; that with sequence n is in the one with index n mod 2.
  static let copies = ["slots.0", "slots.1"]
  /// The record that is being written.
  static let new = "slots.new"

  static func manifest(_ slot: SlotName) -> String { slot.rawValue + ".manifest" }
  // Two dots: no file of a set can be called so that it meets the manifest.
  static func file(_ name: String, in slot: SlotName) -> String { slot.rawValue + ".." + name }
}

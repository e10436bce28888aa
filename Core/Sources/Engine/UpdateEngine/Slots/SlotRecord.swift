internal import ByteIO

/// One of the two places for a set.
public enum SlotName: String, Equatable, Sendable, CaseIterable {
  /// The first.
  case a
  /// The second.
  case b

  /// The one that this is not.
  public var other: SlotName { self == .a ? .b : .a }
}

/// Which set: what of its manifest decides.
public struct SetIdentity: Equatable, Sendable {
  /// The release counter.
  public var release: UInt64
  /// What the rollback floor becomes when it is confirmed.
  public var floor: UInt64
  /// The digest of the manifest.
  public var digest: [UInt8]

  /// Creates an identity.
  public init(release: UInt64, floor: UInt64, digest: [UInt8]) {
    (self.release, self.floor, self.digest) = (release, floor, digest)
  }
}

/// Why a set will not be tried again.
public enum SlotFailure: UInt8, Equatable, Sendable, CaseIterable {
  /// It was started as often as it might, and never confirmed.
  case triesExhausted = 1
  /// It ran, and was not confirmed within its time.
  case notConfirmed = 2
  /// It ran and was found unhealthy.
  case unhealthy = 3
  /// Its files are not what its manifest promises.
  case damaged = 4
  /// It is below the rollback floor.
  case belowFloor = 5
}

/// What is in a slot.
public enum SlotContent: Equatable, Sendable {
  /// Nothing that counts.
  case empty
  /// A set is being written; so many bytes of its files, in their order, are durable.
  case writing(SetIdentity, durableByteCount: UInt64)
  /// A whole set that was verified and has not run.
  case ready(SetIdentity)
  /// A set that may be started so many times more before it is given up.
  case trial(SetIdentity, triesLeft: UInt8)
  /// A set that was confirmed.
  case good(SetIdentity)
  /// A set that failed.
  case failed(SetIdentity, SlotFailure)

  /// The set, nil if there is none.
  public var identity: SetIdentity? {
    switch self {
    case .empty: nil
    case .writing(let identity, _), .ready(let identity), .trial(let identity, _),
      .good(let identity), .failed(let identity, _):
      identity
    }
  }
}

/// What is known of both slots: the one thing that every start reads and every step replaces.
public struct SlotRecord: Equatable, Sendable {
  /// Grows with every step; of two copies the higher one counts.
  public var sequence: UInt64
  /// The slot whose set was confirmed last: what starts unless there is a trial.
  public var active: SlotName
  /// What is in slot A.
  public var a: SlotContent
  /// What is in slot B.
  public var b: SlotContent

  /// A device without any set.
  public init() {
    (sequence, active, a, b) = (0, .a, .empty, .empty)
  }

  /// What is in a slot.
  public subscript(slot: SlotName) -> SlotContent {
    get { slot == .a ? a : b }
    set { if slot == .a { a = newValue } else { b = newValue } }
  }
}

extension SlotRecord {
  // Little-endian: magic 4 · format 1 · active 1 · sequence 8 · twice {kind 1 · value 8 · release 8 ·
  // floor 8 · digest 1+n} · CRC-32C 4.
  private static let magic: UInt32 = 0x544F_4C53
  private static let format: UInt8 = 1
  /// Above the longest record.
  static let maximumBytes = 512

  func bytes(_ crc: CRC32C) -> [UInt8] {
    var writer = ByteWriter(capacity: Self.maximumBytes)
    writer.uint32LE(Self.magic)
    writer.uint8(Self.format)
    writer.uint8(active == .a ? 0 : 1)
    writer.uint64LE(sequence)
    for content in [a, b] {
      let (kind, value): (UInt8, UInt64) =
        switch content {
        case .empty: (0, 0)
        case .writing(_, let count): (1, count)
        case .ready: (2, 0)
        case .trial(_, let tries): (3, UInt64(tries))
        case .good: (4, 0)
        case .failed(_, let failure): (5, UInt64(failure.rawValue))
        }
      let identity = content.identity ?? SetIdentity(release: 0, floor: 0, digest: [])
      writer.uint8(kind)
      writer.uint64LE(value)
      writer.uint64LE(identity.release)
      writer.uint64LE(identity.floor)
      writer.uint8(UInt8(truncatingIfNeeded: identity.digest.count))
      writer.append(identity.digest)
    }
    writer.uint32LE(crc.checksum(writer.bytes.span))
    return writer.bytes
  }

  /// Reads a copy; nil if it is damaged or of a format that this program does not know.
  init?(_ bytes: [UInt8], _ crc: CRC32C) {
    let span = bytes.span
    guard bytes.count > 4, bytes.count <= Self.maximumBytes else { return nil }
    let bodyCount = bytes.count - 4
    var reader = ByteReader(span)
    guard reader.skip(bodyCount), let sum = reader.uint32LE(),
      sum == crc.checksum(span.extracting(0..<bodyCount))
    else { return nil }
    reader = ByteReader(span.extracting(0..<bodyCount))
    guard reader.uint32LE() == Self.magic, reader.uint8() == Self.format,
      let active = reader.uint8(), active < 2, let sequence = reader.uint64LE()
    else { return nil }
    self.init()
    self.active = active == 0 ? .a : .b
    self.sequence = sequence
    for slot in SlotName.allCases {
      guard let kind = reader.uint8(), let value = reader.uint64LE(),
        let release = reader.uint64LE(), let floor = reader.uint64LE(),
        let count = reader.uint8(), let range = reader.range(Int(count)),
        count <= ReleaseSet.maximumDigestBytes
      else { return nil }
      let identity = SetIdentity(release: release, floor: floor, digest: Array(bytes[range]))
      switch kind {
      case 0: self[slot] = .empty
      case 1: self[slot] = .writing(identity, durableByteCount: value)
      case 2: self[slot] = .ready(identity)
      case 3:
        guard let tries = UInt8(exactly: value) else { return nil }
        self[slot] = .trial(identity, triesLeft: tries)
      case 4: self[slot] = .good(identity)
      case 5:
        guard let raw = UInt8(exactly: value), let failure = SlotFailure(rawValue: raw) else {
          return nil
        }
        self[slot] = .failed(identity, failure)
      default: return nil
      }
    }
    guard reader.remaining == 0 else { return nil }
  }
}

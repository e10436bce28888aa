import ByteIO

/// The start of a segment file, little-endian, present twice in different sectors.
///
/// ```
///  0 magic            8 bytes "ORRERYLG"
///  8 version          u16
/// 10 partitionCount   u16
/// 12 copyByteCount    u32  distance to the second copy
/// 16 salt             u64
/// 24 base             u64  position of the file's first byte
/// 32 per partition    u64 next sequence, u64 last time, u64 last position
/// .. checksum         u32  CRC-32C of everything before it
/// ```
///
/// Thanks to the states of the partitions a start reads a log's last segment only, and a seek
/// finds its segment without reading any.
struct SegmentHeader: Equatable {
  static let version: UInt16 = 1
  private static let magic: UInt64 = 0x474C_5952_4552_524F
  private static let fixedByteCount = 32
  private static let sectorByteCount = 512

  var salt: UInt64
  var base: UInt64
  var states: [PartitionState]

  static func copyByteCount(partitionCount: Int) -> Int {
    let exact = fixedByteCount + partitionCount * PartitionState.byteCount + 4
    return (exact + sectorByteCount - 1) / sectorByteCount * sectorByteCount
  }

  /// Bytes before the first frame.
  static func areaByteCount(partitionCount: Int) -> Int {
    2 * copyByteCount(partitionCount: partitionCount)
  }

  /// Both copies.
  func encoded(crc: CRC32C) -> [UInt8] {
    let copyByteCount = SegmentHeader.copyByteCount(partitionCount: states.count)
    var writer = ByteWriter(capacity: 2 * copyByteCount)
    writer.uint64LE(SegmentHeader.magic)
    writer.uint16LE(SegmentHeader.version)
    writer.uint16LE(UInt16(truncatingIfNeeded: states.count))
    writer.uint32LE(UInt32(truncatingIfNeeded: copyByteCount))
    writer.uint64LE(salt)
    writer.uint64LE(base)
    for state in states { writer.append(state) }
    writer.uint32LE(crc.checksum(writer.bytes.span))
    writer.bytes.append(contentsOf: [UInt8](repeating: 0, count: copyByteCount - writer.count))
    return writer.bytes + writer.bytes
  }

  enum Reading: Equatable {
    case valid(SegmentHeader)
    case damaged
    case version(UInt16)
  }

  /// Reads one copy; `bytes` begin with it.
  static func read(_ bytes: Span<UInt8>, crc: CRC32C) -> Reading {
    var reader = ByteReader(bytes)
    guard reader.uint64LE() == magic, let version = reader.uint16LE(),
      let partitionCount = reader.uint16LE().map(Int.init), reader.uint32LE() != nil,
      let salt = reader.uint64LE(), let base = reader.uint64LE(),
      (1...LogLimits.partitionCount).contains(partitionCount),
      bytes.count >= copyByteCount(partitionCount: partitionCount)
    else { return .damaged }
    var states: [PartitionState] = []
    states.reserveCapacity(partitionCount)
    for _ in 0..<partitionCount {
      guard let state = reader.partitionState() else { return .damaged }
      states.append(state)
    }
    let covered = bytes.extracting(0..<reader.position)
    guard reader.uint32LE() == crc.checksum(covered) else { return .damaged }
    guard version == self.version else { return .version(version) }
    return .valid(SegmentHeader(salt: salt, base: base, states: states))
  }
}

/// The name of a segment file: its base position in twenty decimal digits, so that names sort as
/// positions do.
enum SegmentName {
  private static let suffix = ".log"

  static func name(base: UInt64) -> String {
    let digits = String(base)
    return String(repeating: "0", count: 20 - digits.count) + digits + suffix
  }

  static func base(of name: String) -> UInt64? {
    guard name.utf8.count == 20 + suffix.utf8.count, name.hasSuffix(suffix) else { return nil }
    let digits = name.dropLast(suffix.count)
    guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    // Positions far beyond any log would only serve to overflow.
    return UInt64(digits).flatMap { $0 <= 1 << 60 ? $0 : nil }
  }
}

extension ByteWriter {
  mutating func append(_ state: PartitionState) {
    uint64LE(state.nextSequence)
    uint64LE(state.lastTime)
    uint64LE(state.lastPosition)
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  mutating func partitionState() -> PartitionState? {
    guard let nextSequence = uint64LE(), let lastTime = uint64LE(), let lastPosition = uint64LE()
    else { return nil }
    return PartitionState(
      nextSequence: nextSequence,
      lastTime: lastTime,
      lastPosition: lastPosition
    )
  }
}

import ByteIO

/// The frame around each record, little-endian.
///
/// ```
///  0 checksum     u32  CRC-32C of everything after it, begun from the frame's key
///  4 byteCount    u32  of the payload
///  8 kind         u16  record or index, masked with the frame's key
/// 10 partition    u16
/// 12 uncommitted  u32  bytes from the end of the committed log to here when it was written
/// 16 sequence     u64  in its partition: 0, 1, 2 …
/// 24 time         u64  enqueued, milliseconds since 1970
/// 32 payload
/// ```
///
/// The key mixes the log's salt with the frame's position: a frame is valid at one place of one
/// log only. Stale bytes, misdirected writes, and a payload that imitates a frame all fail, so a
/// reader that lost its place can look for the next frame byte by byte.
///
/// `uncommitted` tells recovery what was certainly on stable storage: a bad record before
/// `position - uncommitted` of any later valid one is damage to committed data, to be reported and
/// stepped over; a bad record after it is the torn tail of an unfinished commit, to be cut off.
enum RecordFrame {
  static let headerByteCount = 32
  static let recordKind: UInt16 = 0x4F52
  static let indexKind: UInt16 = 0x4958
  /// The partition field of an index frame.
  static let noPartition: UInt16 = 0xFFFF
}

/// The fields of one frame.
struct FrameHeader: Equatable {
  var byteCount: Int
  var partition: UInt16
  var uncommitted: UInt32
  var sequence: UInt64
  var time: UInt64
  var isIndex: Bool

  var frameByteCount: Int { RecordFrame.headerByteCount + byteCount }
}

/// Stamps and verifies frames of one log.
struct FrameSeal: Sendable {
  let salt: UInt64
  let partitionCount: Int
  let crc: CRC32C

  init(salt: UInt64, partitionCount: Int, crc: CRC32C) {
    self.salt = salt
    self.partitionCount = partitionCount
    self.crc = crc
  }

  /// The key of the frame at `position`: two rounds of SplitMix64's mixer.
  private func key(_ position: UInt64) -> UInt64 {
    var value = salt ^ (position &* 0x9E37_79B9_7F4A_7C15)
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  private func checksum(_ bytes: Span<UInt8>, from start: Int, to end: Int, key: UInt64) -> UInt32 {
    crc.checksum(
      bytes.extracting(start + 4..<end),
      continuing: UInt32(truncatingIfNeeded: key)
    )
  }

  /// Completes the frame that starts at `start` and whose length and partition are there already.
  func stamp(
    _ bytes: inout MutableSpan<UInt8>,
    at start: Int,
    byteCount: Int,
    kind: UInt16 = RecordFrame.recordKind,
    position: UInt64,
    uncommitted: UInt32,
    sequence: UInt64,
    time: UInt64
  ) {
    let key = key(position)
    bytes.storeLE(kind ^ UInt16(truncatingIfNeeded: key >> 32), at: start + 8)
    bytes.storeLE(uncommitted, at: start + 12)
    bytes.storeLE(sequence, at: start + 16)
    bytes.storeLE(time, at: start + 24)
    let end = start + RecordFrame.headerByteCount + byteCount
    bytes.storeLE(checksum(bytes.span, from: start, to: end, key: key), at: start)
  }

  /// The frame at `start`, for `position`, if its fixed fields make sense.
  ///
  /// The checksum is not looked at. The 32 bytes of the header must lie inside.
  func header(_ bytes: Span<UInt8>, at start: Int, position: UInt64) -> FrameHeader? {
    let kind =
      bytes.loadLE(start + 8, as: UInt16.self) ^ UInt16(truncatingIfNeeded: key(position) >> 32)
    let partition = bytes.loadLE(start + 10, as: UInt16.self)
    let byteCount = bytes.loadLE(start + 4, as: UInt32.self)
    let isIndex = kind == RecordFrame.indexKind
    guard isIndex || kind == RecordFrame.recordKind,
      isIndex ? partition == RecordFrame.noPartition : Int(partition) < partitionCount,
      byteCount <= UInt32(LogLimits.formatRecordBytes)
    else { return nil }
    return FrameHeader(
      byteCount: Int(byteCount),
      partition: partition,
      uncommitted: bytes.loadLE(start + 12, as: UInt32.self),
      sequence: bytes.loadLE(start + 16, as: UInt64.self),
      time: bytes.loadLE(start + 24, as: UInt64.self),
      isIndex: isIndex
    )
  }

  /// Whether the checksum of the whole frame in `start..<end` holds at `position`.
  func verifies(_ bytes: Span<UInt8>, from start: Int, to end: Int, position: UInt64) -> Bool {
    checksum(bytes, from: start, to: end, key: key(position))
      == bytes.loadLE(start, as: UInt32.self)
  }
}

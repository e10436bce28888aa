public import ByteIO

/// Records that one producer collects, framed and contiguous, ready to be written as they are.
///
/// A producer (an event loop) fills it, hands it to the writer, which stamps it in place, and gets
/// it back for the next turn. Payloads are written straight into it: it is a `ByteSink`. Nothing
/// is allocated per record once the storage has grown to the size of a usual turn. Move or swap it
/// between threads: a second copy would make the stamping copy the bytes.
///
/// ```swift
/// batch.beginRecord(partition: 3)
/// encoder.encode(message, into: &batch)
/// try batch.endRecord()
/// ```
public struct LogBatch: ByteSink, Sendable {
  /// The storage; what counts of it ends at `end`.
  var bytes: [UInt8] = []
  private var end = 0
  /// Where the open record's frame starts; -1 if none is open.
  @usableFromInline var openRecordStart = -1
  /// Largest partition number in the batch, to refuse it as a whole before anything is stamped.
  private(set) var largestPartition: UInt16 = 0
  /// The limits that `endRecord` applies.
  public let limits: LogLimits
  /// Complete records in the batch.
  public private(set) var recordCount = 0

  /// Creates an empty batch with room for `capacity` bytes.
  public init(limits: LogLimits = LogLimits(), capacity: Int = 0) {
    self.limits = limits
    if capacity > 0 { makeRoom(capacity) }
  }

  /// Bytes that will be written, with the frames.
  public var byteCount: Int { end }

  /// Whether there is no record.
  public var isEmpty: Bool { recordCount == 0 }

  /// Whether `beginRecord` awaits its `endRecord`.
  @inlinable public var isRecordOpen: Bool { openRecordStart >= 0 }

  /// Whether a record with `byteCount` bytes of payload fits within both limits.
  public func hasRoom(forPayloadByteCount byteCount: Int) -> Bool {
    byteCount <= limits.recordBytes
      && end + RecordFrame.headerByteCount + byteCount <= limits.batchBytes
  }

  /// Begins a record of `partition`.
  ///
  /// The payload is what is appended until `endRecord`. No record may be open.
  public mutating func beginRecord(partition: UInt16) {
    precondition(!isRecordOpen, "a record is open already")
    let start = end
    openRecordStart = start
    makeRoom(RecordFrame.headerByteCount)
    end += RecordFrame.headerByteCount
    // The other fields are filled in by `endRecord` and by the writer.
    var span = bytes.mutableSpan
    span.storeLE(UInt64(0), at: start)
    span.storeLE(UInt64(partition) << 16, at: start + 8)
    span.storeLE(UInt64(0), at: start + 16)
    span.storeLE(UInt64(0), at: start + 24)
  }

  /// Completes the open record.
  ///
  /// Throws `recordTooLarge` or `batchFull`; then the record is gone and the batch is as before
  /// `beginRecord`.
  public mutating func endRecord() throws(LogFault) {
    precondition(isRecordOpen, "no record is open")
    let start = openRecordStart
    let byteCount = end - start - RecordFrame.headerByteCount
    guard byteCount <= limits.recordBytes else {
      cancelRecord()
      throw .recordTooLarge(byteCount: byteCount, limit: limits.recordBytes)
    }
    guard end <= limits.batchBytes else {
      cancelRecord()
      throw .batchFull(limit: limits.batchBytes)
    }
    openRecordStart = -1
    var span = bytes.mutableSpan
    span.storeLE(UInt32(truncatingIfNeeded: byteCount), at: start + 4)
    let partition = span.span.loadLE(start + 10, as: UInt16.self)
    largestPartition = max(largestPartition, partition)
    recordCount += 1
  }

  /// Takes the open record out, if there is one.
  public mutating func cancelRecord() {
    guard isRecordOpen else { return }
    end = openRecordStart
    openRecordStart = -1
  }

  /// Empties the batch; `keepingCapacity` keeps its storage for the next turn.
  public mutating func removeAll(keepingCapacity: Bool = true) {
    if !keepingCapacity { bytes = [] }
    end = 0
    openRecordStart = -1
    largestPartition = 0
    recordCount = 0
  }

  /// Appends one byte to the open record.
  public mutating func uint8(_ value: UInt8) { store(value) }

  /// Appends a big-endian 16-bit integer to the open record.
  public mutating func uint16(_ value: UInt16) { store(value.byteSwapped) }

  /// Appends a big-endian 32-bit integer to the open record.
  public mutating func uint32(_ value: UInt32) { store(value.byteSwapped) }

  /// Appends borrowed bytes to the open record.
  public mutating func append(_ more: Span<UInt8>) {
    precondition(isRecordOpen, "no record is open")
    makeRoom(more.count)
    let start = end
    end += more.count
    unsafe more.withUnsafeBytes { source in
      unsafe bytes.withUnsafeMutableBytes { target in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[start..<start + source.count])
          .copyMemory(from: source)
      }
    }
  }

  private mutating func store(_ value: some FixedWidthInteger & BitwiseCopyable) {
    precondition(isRecordOpen, "no record is open")
    let byteCount = value.bitWidth / 8
    makeRoom(byteCount)
    let start = end
    end += byteCount
    var span = bytes.mutableSpan
    span.storeLE(value, at: start)
  }

  /// Makes the storage at least `more` bytes longer than `end`.
  private mutating func makeRoom(_ more: Int) {
    guard bytes.count - end < more else { return }
    let lacking = more - (bytes.count - end)
    bytes.append(contentsOf: repeatElement(0, count: max(lacking, bytes.count, 4096)))
  }

  /// Visits every complete record in order.
  ///
  /// After `MessageLog.append` has taken the batch, sequence number and time are the stamped ones
  /// (before, they are 0). They hold only if the commit that follows succeeds.
  public func forEachRecord(_ visit: (_ record: StampedRecord) -> Void) {
    let span = bytes.span
    var start = 0
    for _ in 0..<recordCount {
      let byteCount = Int(span.loadLE(start + 4, as: UInt32.self))
      let payloadStart = start + RecordFrame.headerByteCount
      visit(
        StampedRecord(
          partition: span.loadLE(start + 10, as: UInt16.self),
          sequence: span.loadLE(start + 16, as: UInt64.self),
          enqueuedTime: span.loadLE(start + 24, as: UInt64.self),
          payloadRange: payloadStart..<payloadStart + byteCount
        )
      )
      start = payloadStart + byteCount
    }
  }

  /// The bytes of the batch, which `StampedRecord.payloadRange` speaks of.
  public var storage: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { bytes.span.extracting(0..<end) }
  }
}

/// What the writer stamped on one record of a batch.
public struct StampedRecord: Equatable, Sendable {
  /// The record's partition.
  public let partition: UInt16
  /// Its number in the partition, counted from 0 without gaps.
  public let sequence: UInt64
  /// When it was appended, in milliseconds since 1970; never going back within a partition.
  public let enqueuedTime: UInt64
  /// Where its payload lies in `LogBatch.storage`.
  public let payloadRange: Range<Int>
}

internal import ByteIO
public import MessageLog

/// How a `StateLog` is laid out, and its limits.
public struct StateLogConfiguration: Equatable, Sendable {
  /// The longest key in bytes of UTF-8; `put` refuses beyond.
  public static let maximumKeyBytes = 1024

  /// Size of a segment in bytes.
  public var segmentBytes: UInt64 = 4 << 20
  /// The longest value in bytes; `put` refuses beyond.
  public var maximumValueBytes = 1 << 20
  /// The most keys; `put` refuses another one.
  public var maximumKeyCount = 100_000
  /// The most bytes between two commits; `put` and `remove` refuse beyond.
  public var maximumPendingBytes = 8 << 20

  /// The customary values.
  public init() {}

  var limits: LogLimits {
    LogLimits(
      recordBytes: StateRecord.overheadBytes + Self.maximumKeyBytes + maximumValueBytes,
      batchBytes: maximumPendingBytes,
      uncommittedBytes: 2 * maximumPendingBytes
    )
  }

  func log(salt: UInt64) -> LogConfiguration {
    LogConfiguration(
      partitionCount: 1,
      segmentBytes: segmentBytes,
      indexIntervalBytes: 16 << 10,
      limits: limits,
      salt: salt
    )
  }
}

/// Why a change of a `StateLog` was refused; nothing of it is kept.
public enum StateLogFault: Error, Equatable, Sendable {
  /// The key is longer than `StateLogConfiguration.maximumKeyBytes`, or empty.
  case keyBytes(Int)
  /// The value is longer than `StateLogConfiguration.maximumValueBytes`.
  case valueTooLong(byteCount: Int, limit: Int)
  /// There are `StateLogConfiguration.maximumKeyCount` keys.
  case tooManyKeys(limit: Int)
  /// `StateLogConfiguration.maximumPendingBytes` wait: commit first.
  case pendingFull(limit: Int)
}

/// Durable bytes by key: what an edge has to know after a power cut beside its messages, such as
/// copies of twins, sessions, identities and its configuration.
///
/// Values are opaque; whoever has secrets encrypts them. One thread owns the value. Changes are
/// collected until `commit`, which costs one sync however many there are. Values stay on the disk;
/// in memory is where each lies.
///
/// ```swift
/// try state.put("twin/press", bytes)
/// state.remove("session/gone")
/// try state.commit(now: now)          // durable, or none of it if it throws
/// ```
///
/// A power cut in `commit` may leave the first of the changes without the last. Old values are
/// cleared away when they take twice the room of what is alive: what is alive is written again
/// behind, and the segments before go.
public struct StateLog<Disk: LogDisk>: ~Copyable {
  /// Where the value of a key is.
  struct Place {
    /// Number of its record.
    var sequence: UInt64
    /// Bytes of its record, the frame included.
    var byteCount: Int
  }

  private struct Change {
    var key: String
    /// Bytes of the record; nil if the key goes.
    var byteCount: Int?
  }

  let configuration: StateLogConfiguration
  let disk: Disk
  var log: MessageLog<Disk>
  var places: [String: Place] = [:]
  /// Bytes of all records that count.
  var liveByteCount: UInt64 = 0
  /// What the log may take before clearing away is tried again, after it failed.
  var retryByteCount: UInt64 = 0
  private var batch: LogBatch
  private var changes: [Change] = []
  private var cursor: LogCursor<Disk>
  /// What opening found; empty after a clean stop.
  public internal(set) var findings: [LogFinding] = []

  init(
    _ disk: Disk,
    _ configuration: StateLogConfiguration,
    log: consuming MessageLog<Disk>
  ) {
    self.disk = disk
    self.configuration = configuration
    findings = log.recovery.findings
    self.log = log
    batch = LogBatch(limits: configuration.limits)
    cursor = LogCursor(disk: disk, partition: 0, windowByteCount: 16 << 10)
  }

  // MARK: - Reading

  /// Number of keys, as of the last commit.
  public var count: Int { places.count }

  /// The keys, as of the last commit, in no order.
  public var keys: [String] { Array(places.keys) }

  /// Bytes that its files take, without what is reserved.
  public var fileByteCount: UInt64 { log.view.byteCount }

  /// The value of `key` as of the last commit; nil if there is none.
  ///
  /// Throws `disk` if the disk fails. A value that the disk has damaged counts as none.
  public mutating func value(_ key: String) throws(LogFault) -> [UInt8]? {
    guard let place = places[key] else { return nil }
    let view = log.view
    cursor.seek(.sequence(place.sequence, inclusive: true), in: view)
    var value: [UInt8]?
    _ = try cursor.read(in: view, maxRecords: 1) { record in
      guard record.sequence == place.sequence, let state = StateRecord(record.payload) else {
        return
      }
      value = record.payload.extracting(state.valueRange).array()
    }
    return value
  }

  /// Visits every key with its value, as of the last commit, oldest change first.
  public func forEach(
    _ visit: (_ key: String, _ value: Span<UInt8>) -> Void
  ) throws(LogFault) {
    try forEachLive { key, payload, state in
      visit(key, payload.extracting(state.valueRange))
    }
  }

  func forEachLive(
    _ visit: (_ key: String, _ payload: Span<UInt8>, _ record: StateRecord) -> Void
  ) throws(LogFault) {
    let view = log.view
    var cursor = LogCursor(disk: disk, partition: 0)
    while true {
      let reading = try cursor.read(in: view, maxRecords: 1024) { record in
        guard let state = StateRecord(record.payload), state.isPut,
          case let key = state.key(record.payload), places[key]?.sequence == record.sequence
        else { return }
        visit(key, record.payload, state)
      }
      if reading.isAtEnd { return }
    }
  }

  // MARK: - Writing

  /// Gives `key` a value with the next commit.
  public mutating func put(_ key: String, _ value: Span<UInt8>) throws(StateLogFault) {
    try check(key)
    guard value.count <= configuration.maximumValueBytes else {
      throw .valueTooLong(byteCount: value.count, limit: configuration.maximumValueBytes)
    }
    // Not exact while changes wait, but never too strict by more than those.
    guard places[key] != nil || places.count + changes.count < configuration.maximumKeyCount else {
      throw .tooManyKeys(limit: configuration.maximumKeyCount)
    }
    try add(key, value)
  }

  /// Takes `key` away with the next commit; nothing happens if there is none.
  public mutating func remove(_ key: String) throws(StateLogFault) {
    guard places[key] != nil || changes.contains(where: { $0.key == key }) else { return }
    try add(key, nil)
  }

  private func check(_ key: String) throws(StateLogFault) {
    guard (1...StateLogConfiguration.maximumKeyBytes).contains(key.utf8.count) else {
      throw .keyBytes(key.utf8.count)
    }
  }

  private mutating func add(_ key: String, _ value: Span<UInt8>?) throws(StateLogFault) {
    let byteCount = StateRecord.overheadBytes + key.utf8.count + (value?.count ?? 0)
    guard batch.hasRoom(forPayloadByteCount: byteCount) else {
      throw .pendingFull(limit: configuration.maximumPendingBytes)
    }
    batch.beginRecord(partition: 0)
    StateRecord.append(key, value, to: &batch)
    do throws(LogFault) {
      try batch.endRecord()
    } catch {
      throw .pendingFull(limit: configuration.maximumPendingBytes)
    }
    changes.append(
      Change(
        key: key,
        byteCount: value == nil ? nil : byteCount + LogBatch.frameByteCount
      )
    )
  }

  /// Whether changes wait for a commit.
  public var hasChanges: Bool { !changes.isEmpty }

  /// Makes the changes durable; `now` is in milliseconds since 1970.
  ///
  /// If it throws, none of them is kept, and they are forgotten.
  public mutating func commit(now: UInt64) throws(LogFault) {
    guard !changes.isEmpty else { return }
    defer {
      batch.removeAll()
      changes = []
    }
    do throws(LogFault) {
      try log.write(&batch, now)
    } catch .full {
      // Old values may be what fills the disk.
      log.releaseBefore(places.values.lazy.map(\.sequence).min())
      try log.write(&batch, now)
    } catch {
      throw error
    }
    var index = 0
    batch.forEachRecord { record in
      let change = changes[index]
      index += 1
      set(change.key, change.byteCount.map { Place(sequence: record.sequence, byteCount: $0) })
    }
    clearAway(now)
  }

  mutating func set(_ key: String, _ place: Place?) {
    if let old = places[key] { liveByteCount -= UInt64(old.byteCount) }
    places[key] = place
    if let place { liveByteCount += UInt64(place.byteCount) }
  }
}

extension StateLog: Sendable where Disk: Sendable {}

extension MessageLog {
  /// Appends and commits one batch.
  mutating func write(_ batch: inout LogBatch, _ now: UInt64) throws(LogFault) {
    try append(&batch, now: now)
    try commit()
  }

  /// Gives back the segments before record `sequence` of a log with one partition, or all if there
  /// is no such record.
  mutating func releaseBefore(_ sequence: UInt64?) {
    // A file that can't be removed is found again when the log is opened.
    do throws(LogFault) {
      try release(before: [sequence ?? view[0].nextSequence])
    } catch {}
  }
}

/// One change, little-endian: 1 put or 2 remove · key 2+n · value, the rest.
struct StateRecord {
  static let overheadBytes = 3
  private static let put: UInt8 = 1
  private static let removal: UInt8 = 2

  let isPut: Bool
  let keyRange: Range<Int>
  let valueRange: Range<Int>

  init?(_ payload: Span<UInt8>) {
    var reader = ByteReader(payload)
    guard let kind = reader.uint8(), kind == Self.put || kind == Self.removal,
      let count = reader.uint16LE(), let keyRange = reader.range(Int(count)),
      let valueRange = reader.range(reader.remaining)
    else { return nil }
    isPut = kind == Self.put
    self.keyRange = keyRange
    self.valueRange = valueRange
  }

  func key(_ payload: Span<UInt8>) -> String {
    String(decoding: payload.extracting(keyRange).array(), as: UTF8.self)
  }

  static func append(_ key: String, _ value: Span<UInt8>?, to batch: inout LogBatch) {
    batch.uint8(value == nil ? removal : put)
    batch.uint16LE(UInt16(truncatingIfNeeded: key.utf8.count))
    batch.utf8(key)
    if let value { batch.append(value) }
  }
}

internal import ByteIO
public import HubContract
internal import MessageLog

/// A message that waits in a queue, borrowed from the reader's buffer for the time of a visit.
public struct StoredMessage: ~Escapable {
  /// Its rank.
  public let priority: PriorityClass
  /// Its number in its queue and class, by which it is settled.
  public let sequence: UInt64
  /// When the edge took it, in milliseconds since 1970.
  public let enqueuedTime: UInt64
  /// The reading of `EdgeTime.savedAge` from which on it is not delivered any more, nil if it may wait
  /// for ever.
  public let expiry: UInt64?
  /// The number by which receivers know it again.
  public let id: EdgeMessageID
  /// Whether the reader gave it before, and it was not settled.
  public let isRepeated: Bool
  /// Sender, properties and body.
  public let event: EventView

  @_lifetime(copy event)
  init(
    _ header: StoredHeader,
    _ event: EventView,
    priority: PriorityClass,
    sequence: UInt64,
    enqueuedTime: UInt64,
    isRepeated: Bool
  ) {
    self.priority = priority
    self.sequence = sequence
    self.enqueuedTime = enqueuedTime
    expiry = header.expiry == .max ? nil : header.expiry
    id = header.id
    self.isRepeated = isRepeated
    self.event = event
  }
}

/// What stands before the record in a queue, little-endian: flags 1 · expiry 8 (the last number =
/// never) · message identifier 16.
struct StoredHeader: Equatable {
  static let byteCount = 25
  private static let dropsOldestFlag: UInt8 = 1

  /// In milliseconds of `EdgeTime.age`.
  var expiry: UInt64
  var id: EdgeMessageID
  /// Whether it gives way when the store is full.
  var dropsOldest: Bool

  init(expiry: UInt64, id: EdgeMessageID, dropsOldest: Bool) {
    self.expiry = expiry
    self.id = id
    self.dropsOldest = dropsOldest
  }

  func append(to sink: inout LogBatch) {
    sink.uint8(dropsOldest ? Self.dropsOldestFlag : 0)
    sink.uint64LE(expiry)
    sink.uint64LE(id.high)
    sink.uint64LE(id.low)
  }

  /// Reads what begins `payload`; nil for something that this version does not know.
  init?(_ payload: Span<UInt8>) {
    var reader = ByteReader(payload)
    guard let flags = reader.uint8(), flags <= Self.dropsOldestFlag,
      let expiry = reader.uint64LE(), let high = reader.uint64LE(), let low = reader.uint64LE()
    else { return nil }
    self.init(
      expiry: expiry,
      id: EdgeMessageID(high: high, low: low),
      dropsOldest: flags & Self.dropsOldestFlag != 0
    )
  }
}

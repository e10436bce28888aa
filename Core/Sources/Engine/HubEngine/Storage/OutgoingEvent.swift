public import HubContract

/// An event of the hub's own on its way into the log.
///
/// It is written with its cause and removed once it is in the log, so that whatever happens in between,
/// it gets there at least once, in order.
public struct OutgoingEvent: Equatable, Sendable {
  /// Its place in the order, given by the storage.
  public var sequence: UInt64
  /// The device that it is about, which decides on its partition.
  public var deviceID: String
  /// The record as the log keeps it, with what routing has decided (`EventEncoder`).
  public var record: [UInt8]

  /// Creates an event.
  public init(sequence: UInt64 = 0, deviceID: String, record: [UInt8]) {
    self.sequence = sequence
    self.deviceID = deviceID
    self.record = record
  }
}

extension HubView {
  /// The first `limit` events of the hub's own whose sequence is above `sequence`, in order.
  public func outgoingEvents(
    after sequence: UInt64,
    limit: Int
  ) throws(HubError) -> [OutgoingEvent] {
    try stored { storage throws(StorageFault) in
      try storage.outgoingEvents(after: sequence, limit: limit)
    }
  }

  /// The sequence of the last event of the hub's own that may not be in the log, nil if there is none.
  public func lastOutgoingEvent() throws(HubError) -> UInt64? {
    try stored { storage throws(StorageFault) in try storage.lastOutgoingEvent() }
  }
}

extension HubEngine {
  /// Forgets events that are in the log, up to and with the one that has `sequence`.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func eventsAppended(through sequence: UInt64) throws(HubError) {
    try stored { storage throws(StorageFault) in
      try storage.deleteOutgoingEvents(through: sequence)
    }
  }
}

internal import ByteIO
public import HubContract

extension HubEngine {
  /// A client has connected (contract §9.3).
  public mutating func connected(_ key: IdentityKey, now: Timestamp) throws(HubError) {
    try connectionChanged(key, .deviceConnected, lastActivity: now, now: now)
  }

  /// A client is gone and no other of this identity is connected.
  ///
  /// - Parameters:
  ///   - key: the identity; nothing happens if it does not exist any more.
  ///   - lastActivity: when it last sent or acknowledged something.
  ///   - now: the time.
  /// - Throws: only what the storage's faults become.
  public mutating func disconnected(
    _ key: IdentityKey,
    lastActivity: Timestamp,
    now: Timestamp
  ) throws(HubError) {
    try connectionChanged(key, .deviceDisconnected, lastActivity: lastActivity, now: now)
  }

  /// Keeps the subscriptions of an identity's lasting session (contract §11).
  ///
  /// They stay until the identity is deleted or a client connects with clean session 1, which
  /// passes nil.
  ///
  /// - Throws: 404001 if the identity does not exist.
  public mutating func setSubscriptions(
    _ subscriptions: [SessionSubscription]?,
    of key: IdentityKey
  ) throws(HubError) {
    guard try exists(key) else { throw .noTwin(key) }
    try stored { storage throws(StorageFault) in
      try storage.setSubscriptions(subscriptions, of: key)
    }
  }

  private mutating func connectionChanged(
    _ key: IdentityKey,
    _ operation: HubEvent.Operation,
    lastActivity: Timestamp,
    now: Timestamp
  ) throws(HubError) {
    guard try exists(key) else { return }
    let sequence = try stored { storage throws(StorageFault) in
      var record = try storage.connection(of: key) ?? ConnectionRecord()
      record.stateUpdatedTime = now
      record.lastActivityTime = max(record.lastActivityTime, lastActivity)
      record.sequenceNumber &+= 1
      try storage.setConnection(record, of: key)
      return record.sequenceNumber
    }
    try emit(operation, of: key, at: now, twin: nil) {
      var number = ByteWriter(capacity: 8)
      number.uint64(sequence)
      let digits = Hex.encode(number.bytes)
      let padding = String(repeating: "0", count: 64 - digits.utf8.count)
      return [UInt8](#"{"sequenceNumber":"\#(padding)\#(digits)"}"#.utf8)
    }
  }

  private mutating func exists(_ key: IdentityKey) throws(HubError) -> Bool {
    try stored { storage throws(StorageFault) in
      if key.moduleID == nil { return try storage.device(key.deviceID) != nil }
      return try storage.module(key) != nil
    }
  }
}

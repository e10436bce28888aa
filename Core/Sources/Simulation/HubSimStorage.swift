public import HubContract
public import HubEngine

/// A hub's storage in memory whose disk can fail and whose power can be cut.
///
/// Works like a database with one writer: `begin`, any number of reads and writes, then `commit` or
/// `rollback`. What is not committed when the power is cut is gone; what is committed stays. A
/// commit that fails may nevertheless have reached the disk. As in a write-ahead log, such a commit
/// does not show while the writer lives and the next one overwrites it, but a power cut before that
/// brings it to light.
public struct SimHubStorage: HubStorage {
  /// How a commit fails.
  public enum CommitFailure: Equatable, Sendable {
    /// Nothing reached the disk.
    case lost
    /// Everything did, to show after a power cut.
    case unconfirmed
  }

  /// What is on the disk.
  public private(set) var durable = HubTables()
  /// What the transaction sees.
  public private(set) var tables = HubTables()
  /// How the next commit fails, if it does.
  public var nextCommitFailure: CommitFailure?
  /// Accesses until one fails; nil: none fails.
  public var accessesUntilFault: Int?
  /// The failed commit that a power cut would bring to light.
  private var unconfirmed: HubTables?
  /// Commits that succeeded.
  public private(set) var commitCount = 0

  /// Creates an empty storage.
  public init() {}

  /// Starts a transaction with what is durable.
  public mutating func begin() { tables = durable }

  /// Makes the transaction durable.
  public mutating func commit() throws(StorageFault) {
    if let failure = nextCommitFailure {
      nextCommitFailure = nil
      unconfirmed = failure == .unconfirmed ? tables : nil
      tables = durable
      throw StorageFault(.failed, "simulated: the commit failed")
    }
    durable = tables
    unconfirmed = nil
    commitCount += 1
  }

  /// Undoes the transaction.
  public mutating func rollback() {
    tables = durable
    accessesUntilFault = nil
  }

  /// Forgets what is not on the disk, as a power cut does.
  public mutating func cutPower() {
    durable = unconfirmed ?? durable
    unconfirmed = nil
    rollback()
  }

  /// Counts a write towards `accessesUntilFault`.
  mutating func write(_ change: (inout HubTables) -> Void) throws(StorageFault) {
    if let left = accessesUntilFault {
      guard left > 0 else { throw StorageFault(.failed, "simulated: the disk failed") }
      accessesUntilFault = left - 1
    }
    change(&tables)
  }
}

extension SimHubStorage {
  /// Creates or replaces a device.
  public mutating func put(_ device: DeviceIdentity) throws(StorageFault) {
    try write { $0.devices[device.deviceID] = device }
  }

  /// Deletes a device alone.
  public mutating func deleteDevice(_ deviceID: String) throws(StorageFault) {
    try write { $0.devices[deviceID] = nil }
  }

  /// Creates or replaces a module.
  public mutating func put(_ module: ModuleIdentity) throws(StorageFault) {
    try write { $0.modules[module.key] = module }
  }

  /// Deletes a module alone.
  public mutating func deleteModule(_ key: IdentityKey) throws(StorageFault) {
    try write { $0.modules[key] = nil }
  }

  /// Creates or replaces a twin.
  public mutating func put(_ twin: TwinRecord) throws(StorageFault) {
    try write { $0.twins[twin.key] = twin }
  }

  /// Deletes a twin.
  public mutating func deleteTwin(_ key: IdentityKey) throws(StorageFault) {
    try write {
      $0.twins[key] = nil
      $0.configurationStates[key] = nil
    }
  }

  /// Sets what is known of an identity's connections.
  public mutating func setConnection(
    _ connection: ConnectionRecord?,
    of key: IdentityKey
  ) throws(StorageFault) {
    try write { $0.connections[key] = connection }
  }

  /// Sets the subscriptions of a lasting session.
  public mutating func setSubscriptions(
    _ subscriptions: [SessionSubscription]?,
    of key: IdentityKey
  ) throws(StorageFault) {
    try write { $0.subscriptions[key] = subscriptions }
  }

  /// Appends a message.
  public mutating func append(_ message: CloudToDeviceMessage) throws(StorageFault) -> UInt64 {
    var message = message
    message.sequence = tables.sequence + 1
    try write { [message] in
      $0.sequence = message.sequence
      $0.cloudToDevice.append(message)
    }
    return message.sequence
  }

  /// Sets delivery count and lock of a message.
  public mutating func setDelivery(
    count: Int,
    lock: CloudToDeviceMessage.Lock?,
    deviceID: String,
    sequence: UInt64
  ) throws(StorageFault) {
    try write { tables in
      guard
        let index = tables.cloudToDevice.firstIndex(where: {
          $0.sequence == sequence && $0.deviceID == deviceID
        })
      else { return }
      tables.cloudToDevice[index].deliveryCount = count
      tables.cloudToDevice[index].lock = lock
    }
  }

  /// Removes a message.
  public mutating func deleteCloudToDevice(
    deviceID: String,
    sequence: UInt64
  ) throws(StorageFault) {
    try write { tables in
      tables.cloudToDevice.removeAll { $0.sequence == sequence && $0.deviceID == deviceID }
    }
  }

  /// Appends a feedback record.
  public mutating func append(_ record: FeedbackRecord) throws(StorageFault) -> UInt64 {
    var record = record
    record.sequence = tables.sequence + 1
    try write { [record] in
      $0.sequence = record.sequence
      $0.feedback.append(record)
    }
    return record.sequence
  }

  /// Removes feedback records.
  public mutating func deleteFeedback(_ sequences: [UInt64]) throws(StorageFault) {
    try write { $0.feedback.removeAll { sequences.contains($0.sequence) } }
  }

  /// Appends an outgoing event.
  public mutating func append(_ event: OutgoingEvent) throws(StorageFault) {
    try write {
      $0.sequence += 1
      var event = event
      event.sequence = $0.sequence
      $0.outgoingEvents.append(event)
    }
  }

  /// Removes outgoing events.
  public mutating func deleteOutgoingEvents(through sequence: UInt64) throws(StorageFault) {
    try write { $0.outgoingEvents.removeAll { $0.sequence <= sequence } }
  }

  /// Creates or replaces a policy.
  public mutating func put(_ policy: PolicyRecord) throws(StorageFault) {
    try write { $0.policies[policy.name] = policy }
  }

  /// Deletes a policy.
  public mutating func deletePolicy(_ name: String) throws(StorageFault) {
    try write { $0.policies[name] = nil }
  }

  /// Creates or replaces a certificate authority.
  public mutating func put(_ authority: CertificateAuthorityRecord) throws(StorageFault) {
    try write { $0.authorities[authority.name] = authority }
  }

  /// Deletes a certificate authority.
  public mutating func deleteCertificateAuthority(_ name: String) throws(StorageFault) {
    try write { $0.authorities[name] = nil }
  }

  /// Sets a counter.
  public mutating func setCounter(
    _ counter: HubCounter,
    to value: UInt64
  ) throws(StorageFault) {
    try write { $0.counters[counter] = value }
  }
}

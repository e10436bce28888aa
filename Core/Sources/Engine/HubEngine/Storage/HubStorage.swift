public import HubContract

/// A counter that the storage keeps; a value is never given twice, across restarts too.
public enum HubCounter: String, Sendable, CaseIterable {
  /// Ticks of the last generation ID (contract §1.3).
  case generation
  /// The last ETag of an identity.
  case identityETag
  /// Changes of configurations.
  case configuration
  /// The last ETag of a blob.
  case blobETag
}

/// What the rules read: one consistent view of everything that the hub remembers.
///
/// All IDs are compared and ordered by their UTF-8 bytes. Synchronous: the Platform's
/// implementation reads within one database transaction, the Simulation's from memory.
public protocol HubStorageReader {
  /// The device called `deviceID`.
  func device(_ deviceID: String) throws(StorageFault) -> DeviceIdentity?
  /// At most `limit` devices whose ID comes after `deviceID` (nil: from the first), in ID order.
  func devices(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceIdentity]
  /// The same with twins and connections.
  func deviceRows(after deviceID: String?, limit: Int) throws(StorageFault) -> [DeviceRow]
  /// The device called `deviceID` with twin and connection.
  func deviceRow(_ deviceID: String) throws(StorageFault) -> DeviceRow?
  /// At most `limit` devices whose parent is the edge device of `scope`, in the same order, in time
  /// that does not grow with the number of other devices.
  func deviceRows(
    inScope scope: String,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceRow]
  /// How many devices there are, in time that does not grow with their number.
  func statistics() throws(StorageFault) -> RegistryStatistics

  /// The module named `key`, nil also if `key` names a device.
  func module(_ key: IdentityKey) throws(StorageFault) -> ModuleIdentity?
  /// All modules of a device, in ID order.
  func modules(of deviceID: String) throws(StorageFault) -> [ModuleIdentity]
  /// At most `limit` modules of all devices that come after `key` in the order of `IdentityKey`.
  func moduleRows(after key: IdentityKey?, limit: Int) throws(StorageFault) -> [ModuleRow]
  /// The module named `key` with device, twin and connection.
  func moduleRow(_ key: IdentityKey) throws(StorageFault) -> ModuleRow?

  /// The twin of a device or module.
  func twin(_ key: IdentityKey) throws(StorageFault) -> TwinRecord?
  /// At most `limit` identities that come after `key` and whose twins have the fingerprint
  /// `property`, in the order of `IdentityKey`: those of devices or those of modules, as it tells.
  func twinKeys(
    holding property: PropertyFingerprint,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey]
  /// What is known of an identity's connections, nil if it never connected.
  func connection(of key: IdentityKey) throws(StorageFault) -> ConnectionRecord?
  /// The subscriptions of an identity's lasting MQTT session, nil if it has none.
  func subscriptions(of key: IdentityKey) throws(StorageFault) -> [SessionSubscription]?

  /// Messages in a device's queue, the locked ones included.
  func cloudToDeviceCount(of deviceID: String) throws(StorageFault) -> Int
  /// The first `limit` messages that `filter` names, in the order of their sequence.
  func cloudToDevice(
    _ filter: CloudToDeviceFilter,
    limit: Int
  ) throws(StorageFault) -> [CloudToDeviceMessage]
  /// The earliest `expiryTime` of a message that nobody holds or `until` of a lock.
  func nextCloudToDeviceDeadline() throws(StorageFault) -> Timestamp?
  /// The first `limit` feedback records whose sequence is above `sequence`, in order.
  func feedback(after sequence: UInt64, limit: Int) throws(StorageFault) -> [FeedbackRecord]
  /// The first `limit` outgoing events whose sequence is above `sequence`, in order.
  func outgoingEvents(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [OutgoingEvent]
  /// The sequence of the last outgoing event, nil if there is none.
  func lastOutgoingEvent() throws(StorageFault) -> UInt64?

  /// All policies, in the order of their names.
  func policies() throws(StorageFault) -> [PolicyRecord]
  /// The policy called `name`.
  func policy(_ name: String) throws(StorageFault) -> PolicyRecord?
  /// All certificate authorities, in the order of their names.
  func certificateAuthorities() throws(StorageFault) -> [CertificateAuthorityRecord]
  /// The certificate authority called `name`.
  func certificateAuthority(_ name: String) throws(StorageFault) -> CertificateAuthorityRecord?
  /// The last value of a counter, 0 if it was never set.
  func counter(_ counter: HubCounter) throws(StorageFault) -> UInt64
}

/// What the rules read and write: the view of one write transaction, which may hold many commands.
///
/// A write is seen by the reads that follow it. After a fault the driver undoes the whole
/// transaction. A commit that fails must not show afterwards, unless the hub has to start anew.
/// Deletions of what does not exist do nothing.
public protocol HubStorage: HubStorageReader {
  /// Creates or replaces a device.
  mutating func put(_ device: DeviceIdentity) throws(StorageFault)
  /// Deletes a device alone: the engine deletes twins, modules and queues by their own calls.
  mutating func deleteDevice(_ deviceID: String) throws(StorageFault)
  /// Creates or replaces a module.
  mutating func put(_ module: ModuleIdentity) throws(StorageFault)
  /// Deletes a module alone.
  mutating func deleteModule(_ key: IdentityKey) throws(StorageFault)

  /// Creates or replaces a twin, for `twinKeys` too.
  mutating func put(_ twin: TwinRecord) throws(StorageFault)
  /// Deletes a twin.
  mutating func deleteTwin(_ key: IdentityKey) throws(StorageFault)
  /// Sets what is known of an identity's connections; nil forgets it.
  mutating func setConnection(
    _ connection: ConnectionRecord?,
    of key: IdentityKey
  ) throws(StorageFault)
  /// Sets the subscriptions of an identity's lasting session; nil deletes the session.
  mutating func setSubscriptions(
    _ subscriptions: [SessionSubscription]?,
    of key: IdentityKey
  ) throws(StorageFault)

  /// Appends a message to its device's queue and answers the sequence given to it.
  ///
  /// The message's own `sequence` is ignored.
  mutating func append(_ message: CloudToDeviceMessage) throws(StorageFault) -> UInt64
  /// Sets the delivery count and the lock of a message.
  mutating func setDelivery(
    count: Int,
    lock: CloudToDeviceMessage.Lock?,
    deviceID: String,
    sequence: UInt64
  ) throws(StorageFault)
  /// Removes a message from its device's queue.
  mutating func deleteCloudToDevice(deviceID: String, sequence: UInt64) throws(StorageFault)
  /// Appends a feedback record and answers the sequence given to it.
  mutating func append(_ record: FeedbackRecord) throws(StorageFault) -> UInt64
  /// Removes the feedback records with these sequences.
  mutating func deleteFeedback(_ sequences: [UInt64]) throws(StorageFault)
  /// Appends an outgoing event, whose own `sequence` is ignored, behind all there ever were.
  mutating func append(_ event: OutgoingEvent) throws(StorageFault)
  /// Removes the outgoing events up to and with the one that has `sequence`.
  mutating func deleteOutgoingEvents(through sequence: UInt64) throws(StorageFault)

  /// Creates or replaces a policy.
  mutating func put(_ policy: PolicyRecord) throws(StorageFault)
  /// Deletes a policy.
  mutating func deletePolicy(_ name: String) throws(StorageFault)
  /// Creates or replaces a certificate authority.
  mutating func put(_ authority: CertificateAuthorityRecord) throws(StorageFault)
  /// Deletes a certificate authority.
  mutating func deleteCertificateAuthority(_ name: String) throws(StorageFault)
  /// Sets a counter.
  mutating func setCounter(_ counter: HubCounter, to value: UInt64) throws(StorageFault)
}

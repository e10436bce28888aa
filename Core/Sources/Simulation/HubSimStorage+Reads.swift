public import HubContract
public import HubEngine

extension SimHubStorage {
  /// The device called `deviceID`.
  public func device(_ deviceID: String) throws(StorageFault) -> DeviceIdentity? {
    tables.devices[deviceID]
  }

  /// Devices by ID.
  public func devices(
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceIdentity] {
    tables.devices.page(after: deviceID, limit: limit, by: HubTables.ordinal)
  }

  /// Devices by ID with twins.
  public func deviceRows(
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceRow] {
    var rows: [DeviceRow] = []
    for device in try devices(after: deviceID, limit: limit) {
      if let row = try deviceRow(device.deviceID) { rows.append(row) }
    }
    return rows
  }

  /// Children of an edge device by ID.
  public func deviceRows(
    inScope scope: String,
    after deviceID: String?,
    limit: Int
  ) throws(StorageFault) -> [DeviceRow] {
    var rows: [DeviceRow] = []
    for device in try devices(after: deviceID, limit: .max) where device.parentScopes == [scope] {
      guard rows.count < limit else { break }
      if let row = try deviceRow(device.deviceID) { rows.append(row) }
    }
    return rows
  }

  /// A device with its twin.
  public func deviceRow(_ deviceID: String) throws(StorageFault) -> DeviceRow? {
    guard let device = tables.devices[deviceID] else { return nil }
    guard let twin = tables.twins[device.key] else {
      throw StorageFault(.corrupt, "device \(deviceID) has no twin")
    }
    return DeviceRow(
      identity: device,
      twin: twin,
      connection: tables.connections[device.key] ?? ConnectionRecord(),
      cloudToDeviceCount: try cloudToDeviceCount(of: deviceID),
      configurations: tables.configurationStates[device.key]
    )
  }

  /// How many devices there are.
  public func statistics() throws(StorageFault) -> RegistryStatistics {
    let enabled = tables.devices.values.count { $0.status == .enabled }
    return RegistryStatistics(
      enabledDeviceCount: enabled,
      disabledDeviceCount: tables.devices.count - enabled
    )
  }

  /// The module named `key`.
  public func module(_ key: IdentityKey) throws(StorageFault) -> ModuleIdentity? {
    tables.modules[key]
  }

  /// All modules of a device.
  public func modules(of deviceID: String) throws(StorageFault) -> [ModuleIdentity] {
    tables.modules.values.filter { $0.deviceID == deviceID }.sorted { $0.key < $1.key }
  }

  /// Modules of all devices, in the order of their keys.
  public func moduleRows(
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [ModuleRow] {
    var rows: [ModuleRow] = []
    for module in tables.modules.page(after: key, limit: limit, by: <) {
      if let row = try moduleRow(module.key) { rows.append(row) }
    }
    return rows
  }

  /// A module with device and twin.
  public func moduleRow(_ key: IdentityKey) throws(StorageFault) -> ModuleRow? {
    guard let module = tables.modules[key] else { return nil }
    guard let device = tables.devices[key.deviceID], let twin = tables.twins[key] else {
      throw StorageFault(.corrupt, "module \(key) has no device or no twin")
    }
    return ModuleRow(
      identity: module,
      device: device,
      twin: twin,
      connection: tables.connections[key] ?? ConnectionRecord(),
      configurations: tables.configurationStates[key]
    )
  }

  /// The twin of a device or module.
  public func twin(_ key: IdentityKey) throws(StorageFault) -> TwinRecord? { tables.twins[key] }

  /// The identities whose twins have a property; found by looking at every twin.
  public func twinKeys(
    holding property: PropertyFingerprint,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey] {
    let found = tables.twins.filter { candidate, twin in
      (key.map { $0 < candidate } ?? true)
        && PropertyFingerprint.all(in: twin).contains(property)
    }
    return Array(found.keys.sorted().prefix(limit))
  }

  /// What is known of an identity's connections.
  public func connection(of key: IdentityKey) throws(StorageFault) -> ConnectionRecord? {
    tables.connections[key]
  }

  /// The subscriptions of a lasting session.
  public func subscriptions(
    of key: IdentityKey
  ) throws(StorageFault) -> [SessionSubscription]? {
    tables.subscriptions[key]
  }

  /// Messages in a device's queue.
  public func cloudToDeviceCount(of deviceID: String) throws(StorageFault) -> Int {
    tables.cloudToDevice.count { $0.deviceID == deviceID }
  }

  /// The first messages that `filter` names.
  public func cloudToDevice(
    _ filter: CloudToDeviceFilter,
    limit: Int
  ) throws(StorageFault) -> [CloudToDeviceMessage] {
    let matching = tables.cloudToDevice.lazy.filter { message in
      switch filter {
      case .queued(let deviceID): message.deviceID == deviceID
      case .available(let deviceID): message.deviceID == deviceID && message.lock == nil
      case .delivered(let deviceID, let token):
        message.deviceID == deviceID && message.lock?.token == token
      case .held(let deviceID, let holder):
        message.deviceID == deviceID && message.lock?.holder == holder
      case .allHeld: message.lock != nil
      case .expired(let now): message.lock == nil && message.expiryTime <= now
      case .lapsed(let now): message.lock?.until.map { $0 <= now } ?? false
      }
    }
    return Array(matching.prefix(limit))
  }

  /// The earliest expiry or end of a lock.
  public func nextCloudToDeviceDeadline() throws(StorageFault) -> Timestamp? {
    tables.cloudToDevice.lazy
      .compactMap { message in
        if let lock = message.lock { lock.until } else { message.expiryTime }
      }
      .min()
  }

  /// Feedback records in order.
  public func feedback(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [FeedbackRecord] {
    Array(tables.feedback.lazy.filter { $0.sequence > sequence }.prefix(limit))
  }

  /// Outgoing events in order.
  public func outgoingEvents(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [OutgoingEvent] {
    Array(tables.outgoingEvents.lazy.filter { $0.sequence > sequence }.prefix(limit))
  }

  /// The last outgoing event.
  public func lastOutgoingEvent() throws(StorageFault) -> UInt64? {
    tables.outgoingEvents.last?.sequence
  }

  /// All policies.
  public func policies() throws(StorageFault) -> [PolicyRecord] {
    tables.policies.values.sorted { HubTables.ordinal($0.name, $1.name) }
  }

  /// The policy called `name`.
  public func policy(_ name: String) throws(StorageFault) -> PolicyRecord? {
    tables.policies[name]
  }

  /// All certificate authorities.
  public func certificateAuthorities() throws(StorageFault) -> [CertificateAuthorityRecord] {
    tables.authorities.values.sorted { HubTables.ordinal($0.name, $1.name) }
  }

  /// The certificate authority called `name`.
  public func certificateAuthority(
    _ name: String
  ) throws(StorageFault) -> CertificateAuthorityRecord? {
    tables.authorities[name]
  }

  /// The last value of a counter.
  public func counter(_ counter: HubCounter) throws(StorageFault) -> UInt64 {
    tables.counters[counter] ?? 0
  }
}

public import HubContract

/// What the driver knows of an identity's live connection when an answer is rendered.
public struct ConnectionFacts: Equatable, Sendable {
  /// Whether a client of this identity is connected.
  public var isConnected: Bool
  /// When it last connected, sent or acknowledged something, if this start of the hub saw it.
  public var lastActivityTime: Timestamp

  /// Creates facts; without arguments those of an identity that this start of the hub never saw.
  public init(isConnected: Bool = false, lastActivityTime: Timestamp = .never) {
    self.isConnected = isConnected
    self.lastActivityTime = lastActivityTime
  }
}

/// The hub's reads over one consistent view of the storage.
///
/// Apart from the commands, so that a reader beside the one writer can answer lists and queries.
public struct HubView<Storage: HubStorageReader>: StorageView {
  /// Where everything is kept.
  public let storage: Storage
  /// The limits of lists and queries.
  public let quotas: Quotas

  /// Creates a view.
  public init(storage: Storage, quotas: Quotas = Quotas()) {
    self.storage = storage
    self.quotas = quotas
  }

  /// The device called `deviceID`; its activity is `row.activity(facts)`.
  ///
  /// - Throws: 404001.
  public func device(_ deviceID: String) throws(HubError) -> DeviceRow {
    guard let row = try stored({ storage throws(StorageFault) in try storage.deviceRow(deviceID) })
    else {
      throw .noDevice(deviceID)
    }
    return row
  }

  /// The first devices by ID (contract §7.3).
  ///
  /// - Parameter top: how many, 1 to 1000; anything else means 1000.
  /// - Returns: the devices in ID order.
  /// - Throws: only what the storage's faults become.
  public func devices(top: Int?) throws(HubError) -> [DeviceRow] {
    var limit = quotas.listPage
    if let top, (1...quotas.listPage).contains(top) { limit = top }
    return try stored { storage throws(StorageFault) in
      try storage.deviceRows(after: nil, limit: limit)
    }
  }

  /// The module named `key`.
  ///
  /// - Throws: 404001 without the device, 404010.
  public func module(_ key: IdentityKey) throws(HubError) -> ModuleRow {
    if let row = try stored({ storage throws(StorageFault) in try storage.moduleRow(key) }) {
      return row
    }
    guard try stored({ storage throws(StorageFault) in try storage.device(key.deviceID) }) != nil
    else { throw .noDevice(key.deviceID) }
    throw .noModule(key)
  }

  /// All modules of a device, in ID order.
  ///
  /// - Throws: 404001.
  public func modules(of deviceID: String) throws(HubError) -> [ModuleRow] {
    let rows = try stored { storage throws(StorageFault) -> [ModuleRow]? in
      guard try storage.device(deviceID) != nil else { return nil }
      var rows: [ModuleRow] = []
      for module in try storage.modules(of: deviceID) {
        if let row = try storage.moduleRow(module.key) { rows.append(row) }
      }
      return rows
    }
    guard let rows else {
      throw .noDevice(deviceID)
    }
    return rows
  }

  /// Devices by status (contract §7.10).
  public func statistics() throws(HubError) -> RegistryStatistics {
    try stored { storage throws(StorageFault) in try storage.statistics() }
  }

  /// The subscriptions of an identity's lasting session, nil if it has none (contract §11).
  public func subscriptions(of key: IdentityKey) throws(HubError) -> [SessionSubscription]? {
    try stored { storage throws(StorageFault) in try storage.subscriptions(of: key) }
  }
}

extension DeviceRow {
  /// What answers show of the device's connection.
  public func activity(_ facts: ConnectionFacts) -> IdentityActivity {
    IdentityActivity(
      isConnected: facts.isConnected,
      connectionStateUpdatedTime: connection.stateUpdatedTime,
      lastActivityTime: max(facts.lastActivityTime, connection.lastActivityTime),
      cloudToDeviceMessageCount: cloudToDeviceCount
    )
  }
}

extension ModuleRow {
  /// What answers show of the module's connection.
  public func activity(_ facts: ConnectionFacts) -> IdentityActivity {
    IdentityActivity(
      isConnected: facts.isConnected,
      connectionStateUpdatedTime: connection.stateUpdatedTime,
      lastActivityTime: max(facts.lastActivityTime, connection.lastActivityTime)
    )
  }
}

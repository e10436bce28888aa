public import HubContract

/// Longest `statusReason`, in characters; over: 400004.
private let statusReasonLength = 128

extension HubEngine {
  /// Creates a device, or replaces one as a whole (contract §7.3).
  ///
  /// Without a condition it only creates, with one it only replaces.
  ///
  /// - Parameters:
  ///   - request: what the device shall be.
  ///   - condition: the header `If-Match`.
  ///   - now: the time.
  /// - Returns: the device as it now is.
  /// - Throws: 409001, 404001, 412001, 413002, 400004 for what breaks a rule, 400028 for a scope
  ///   that names no edge device.
  public mutating func putDevice(
    _ request: DeviceIdentityRequest,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> DeviceIdentity {
    let deviceID = request.deviceID
    guard DeviceID.isValid(deviceID) else { throw Self.illegalDeviceID }
    let existing = try stored { storage throws(StorageFault) in try storage.device(deviceID) }
    if case .absent = condition {
      guard existing == nil else {
        throw HubError(
          .deviceAlreadyExists,
          "Device \(deviceID) exists; send If-Match to update it."
        )
      }
      return try createDevice(request, twin: nil, now: now)
    }
    guard let existing else { throw .noDevice(deviceID) }
    try condition.check(ETags.identity(existing.etagCounter), of: "device")
    return try replaceDevice(existing, by: request, now: now)
  }

  /// Deletes a device with its modules, twins, queue and sessions (contract §7.3).
  ///
  /// - Throws: 412001 without a condition or with a stale one, 404001.
  public mutating func deleteDevice(
    _ deviceID: String,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) {
    try condition.checkPresence()
    guard let device = try stored({ storage throws(StorageFault) in try storage.device(deviceID) })
    else { throw .noDevice(deviceID) }
    try condition.check(ETags.identity(device.etagCounter), of: "device")
    try remove(device, now: now)
  }

  /// Creates a device whose absence is known, with `twin` or a new one.
  mutating func createDevice(
    _ request: DeviceIdentityRequest,
    twin: TwinRecord?,
    now: Timestamp
  ) throws(HubError) -> DeviceIdentity {
    let authentication = try deviceAuthentication(request)
    try check(statusReason: request.statusReason)
    let parents = try parentScopes(request, ownScope: nil)
    if request.isEdge { try checkRoomForEdgeModules(of: request.deviceID) }
    let total = try stored { storage throws(StorageFault) in try storage.statistics() }
    guard total.totalDeviceCount < quotas.devices else {
      throw HubError(.tooManyDevices, "The hub has its maximum of \(quotas.devices) devices.")
    }
    let generation = try nextGeneration(now)
    let device = DeviceIdentity(
      deviceID: request.deviceID,
      generationID: generation,
      etagCounter: try nextIdentityETag(),
      status: request.status,
      statusReason: request.statusReason,
      authentication: authentication,
      isEdge: request.isEdge,
      deviceScope: request.isEdge
        ? DeviceScope.text(deviceID: request.deviceID, generationID: generation) : parents.first,
      parentScopes: parents
    )
    let record = twin ?? TwinRecord(key: device.key)
    try stored { storage throws(StorageFault) in
      try storage.put(device)
      try storage.put(record)
    }
    noteTwin(record)
    emit(.identityChanged(device.key, .created))
    try emitLifecycle(
      .createDeviceIdentity,
      etagCounter: device.etagCounter,
      twin: record,
      now: now
    )
    if device.isEdge { try createEdgeModules(of: device, now: now) }
    return device
  }

  /// Replaces a device whose ETag was checked.
  mutating func replaceDevice(
    _ existing: DeviceIdentity,
    by request: DeviceIdentityRequest,
    now: Timestamp
  ) throws(HubError) -> DeviceIdentity {
    let authentication = try deviceAuthentication(request)
    try check(statusReason: request.statusReason)
    let ownScope = DeviceScope.text(
      deviceID: existing.deviceID,
      generationID: existing.generationID
    )
    if existing.isEdge, request.isEdge, let scope = request.deviceScope, scope != ownScope {
      throw HubError(
        .argumentInvalid,
        "Device scope is immutable: send \(ownScope) or leave it out."
      )
    }
    let parents = try parentScopes(request, ownScope: ownScope)
    if request.isEdge, !existing.isEdge { try checkRoomForEdgeModules(of: existing.deviceID) }
    var device = existing
    device.etagCounter = try nextIdentityETag()
    device.statusReason = request.statusReason
    device.authentication = authentication
    device.isEdge = request.isEdge
    device.deviceScope = request.isEdge ? ownScope : parents.first
    device.parentScopes = parents
    if device.status != request.status {
      device.status = request.status
      device.statusUpdatedTime = now
    }
    let replaced = device
    try stored { storage throws(StorageFault) in try storage.put(replaced) }
    emit(.identityChanged(device.key, Self.change(from: existing, to: device)))
    if existing.isEdge != device.isEdge {
      if device.isEdge {
        try createEdgeModules(of: device, now: now)
      } else {
        try deleteEdgeModules(of: device, now: now)
      }
    }
    return device
  }

  /// Removes a device and all that hangs on it.
  mutating func remove(_ device: DeviceIdentity, now: Timestamp) throws(HubError) {
    let modules = try stored { storage throws(StorageFault) in
      try storage.modules(of: device.deviceID)
    }
    for module in modules { try remove(module, now: now) }
    let key = device.key
    let twin = try stored { storage throws(StorageFault) in
      let twin = try storage.twin(key)
      try storage.deleteDevice(key.deviceID)
      try storage.deleteTwin(key)
      try storage.setConnection(nil, of: key)
      try storage.setSubscriptions(nil, of: key)
      let queued = CloudToDeviceFilter.queued(deviceID: key.deviceID)
      while true {
        let page = try storage.cloudToDevice(queued, limit: 64)
        for message in page {
          try storage.deleteCloudToDevice(deviceID: key.deviceID, sequence: message.sequence)
        }
        if page.count < 64 { break }
      }
      return twin ?? TwinRecord(key: key)
    }
    emit(.identityChanged(key, .deleted))
    try emitLifecycle(.deleteDeviceIdentity, etagCounter: device.etagCounter, twin: twin, now: now)
  }

  /// Adds a lifecycle event (contract §9.3).
  mutating func emitLifecycle(
    _ operation: HubEvent.Operation,
    etagCounter: UInt64,
    twin: TwinRecord,
    now: Timestamp
  ) throws(HubError) {
    try emit(operation, of: twin.key, at: now, twin: twin) {
      TwinText.lifecycle(twin, etag: ETags.identity(etagCounter))
    }
  }

  private func deviceAuthentication(
    _ request: DeviceIdentityRequest
  ) throws(HubError) -> Authentication {
    switch request.authentication {
    case .generatedKeys: return .sas(primary: try mintKey(), secondary: try mintKey())
    case .given(.none):
      throw HubError(.argumentInvalid, "authentication.type none is not possible for devices.")
    case .given(let authentication): return authentication
    }
  }

  private func check(statusReason: String?) throws(HubError) {
    if let statusReason, statusReason.unicodeScalars.count > statusReasonLength {
      throw HubError(
        .argumentInvalid,
        "statusReason is longer than \(statusReasonLength) characters."
      )
    }
  }

  private static func change(
    from old: DeviceIdentity,
    to new: DeviceIdentity
  ) -> IdentityChange {
    if new.status == .disabled { return .disabled }
    return old.authentication == new.authentication ? .updated : .credentialsReplaced
  }

  static var illegalDeviceID: HubError {
    HubError(
      .argumentInvalid,
      "A device ID has 1 to 128 ASCII letters, digits or characters of - . + % _ # * ? ! ( ) , : = @ $ '"
    )
  }
}

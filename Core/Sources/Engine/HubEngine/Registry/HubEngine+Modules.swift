public import HubContract

extension HubEngine {
  /// Creates a module, or replaces one as a whole (contract §7.3).
  ///
  /// Without a condition it only creates, with one it only replaces. A status of the device changes
  /// nothing here.
  ///
  /// - Throws: 404001 without the device, 409301, 404010, 412001, 413003, 400004.
  public mutating func putModule(
    _ request: ModuleIdentityRequest,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) -> ModuleIdentity {
    let key = IdentityKey(deviceID: request.deviceID, moduleID: request.moduleID)
    try checkModule(key, isNew: false)
    let existing = try stored { storage throws(StorageFault) in try storage.module(key) }
    if case .absent = condition {
      try checkModule(key, isNew: true)
      return try createModule(request, twin: nil, now: now)
    }
    guard let existing else { throw .noModule(key) }
    try condition.check(ETags.identity(existing.etagCounter), of: "module")
    return try replaceModule(existing, by: request)
  }

  /// Deletes a module with its twin and session (contract §7.3).
  ///
  /// - Throws: 412001 without a condition or with a stale one, 404001, 404010.
  public mutating func deleteModule(
    _ key: IdentityKey,
    ifMatch condition: ETagCondition,
    now: Timestamp
  ) throws(HubError) {
    try condition.checkPresence()
    try checkModule(key, isNew: false)
    guard let module = try stored({ storage throws(StorageFault) in try storage.module(key) })
    else { throw .noModule(key) }
    try condition.check(ETags.identity(module.etagCounter), of: "module")
    try remove(module, now: now)
  }

  /// Creates a module whose absence and whose device are known, with `twin` or a new one.
  mutating func createModule(
    _ request: ModuleIdentityRequest,
    twin: TwinRecord?,
    now: Timestamp
  ) throws(HubError) -> ModuleIdentity {
    let authentication = try moduleAuthentication(request)
    let deviceID = request.deviceID
    let siblings = try stored { storage throws(StorageFault) in try storage.modules(of: deviceID) }
    guard siblings.count < quotas.modulesPerDevice else {
      throw HubError(
        .tooManyModulesOnDevice,
        "Device \(deviceID) has its maximum of \(quotas.modulesPerDevice) modules."
      )
    }
    let module = ModuleIdentity(
      deviceID: deviceID,
      moduleID: request.moduleID,
      generationID: try nextGeneration(now),
      etagCounter: try nextIdentityETag(),
      authentication: authentication,
      managedBy: request.managedBy
    )
    let record = twin ?? TwinRecord(key: module.key)
    try stored { storage throws(StorageFault) in
      try storage.put(module)
      try storage.put(record)
    }
    noteTwin(record)
    emit(.identityChanged(module.key, .created))
    try emitLifecycle(
      .createDeviceIdentity,
      etagCounter: module.etagCounter,
      twin: record,
      now: now
    )
    return module
  }

  /// Replaces a module whose ETag was checked.
  mutating func replaceModule(
    _ existing: ModuleIdentity,
    by request: ModuleIdentityRequest
  ) throws(HubError) -> ModuleIdentity {
    let authentication = try moduleAuthentication(request)
    var module = existing
    module.etagCounter = try nextIdentityETag()
    module.authentication = authentication
    module.managedBy = request.managedBy
    let replaced = module
    try stored { storage throws(StorageFault) in try storage.put(replaced) }
    let isSame = existing.authentication == module.authentication
    emit(.identityChanged(module.key, isSame ? .updated : .credentialsReplaced))
    return module
  }

  /// Removes a module and all that hangs on it.
  mutating func remove(_ module: ModuleIdentity, now: Timestamp) throws(HubError) {
    let key = module.key
    let twin = try stored { storage throws(StorageFault) in
      let twin = try storage.twin(key)
      try storage.deleteModule(key)
      try storage.deleteTwin(key)
      try storage.setConnection(nil, of: key)
      try storage.setSubscriptions(nil, of: key)
      return twin ?? TwinRecord(key: key)
    }
    emit(.identityChanged(key, .deleted))
    try emitLifecycle(.deleteDeviceIdentity, etagCounter: module.etagCounter, twin: twin, now: now)
  }

  /// Checks a module's ID and that its device exists; of a new one also that its place is free.
  mutating func checkModule(_ key: IdentityKey, isNew: Bool) throws(HubError) {
    guard key.isValid, let moduleID = key.moduleID else {
      throw HubError(
        .argumentInvalid,
        "A module ID has 1 to 128 characters of those of a device ID, and no $ in front."
      )
    }
    let device = try stored { storage throws(StorageFault) in try storage.device(key.deviceID) }
    guard device != nil else { throw .noDevice(key.deviceID) }
    guard isNew else { return }
    guard try stored({ storage throws(StorageFault) in try storage.module(key) }) == nil else {
      throw HubError(
        .moduleAlreadyExistsOnDevice,
        "Module \(moduleID) exists on \(key.deviceID); send If-Match to update it."
      )
    }
    guard ModuleID.isValidForUsers(moduleID) else {
      throw HubError(
        .argumentInvalid,
        "Module IDs that begin with $ are made by the hub for edge devices."
      )
    }
  }

  /// Type `none` is for modules whose edge hub vouches for them; others get keys (contract §7.3).
  private func moduleAuthentication(
    _ request: ModuleIdentityRequest
  ) throws(HubError) -> Authentication {
    switch request.authentication {
    case .given(.none) where request.managedBy == "iotEdge": return .none
    case .generatedKeys, .given(.none):
      return .sas(primary: try mintKey(), secondary: try mintKey())
    case .given(let authentication): return authentication
    }
  }
}

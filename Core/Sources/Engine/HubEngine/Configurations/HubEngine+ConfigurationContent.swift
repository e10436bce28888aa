public import HubContract
internal import JSONTree

extension HubEngine {
  /// Deploys modules to one edge device, once (contract §7.8, `applyConfigurationContent`).
  ///
  /// Modules that are missing are created; edge-managed ones that neither the content nor the
  /// desired properties of `$edgeAgent` name any more are removed. It all happens or nothing.
  ///
  /// - Throws: 404001, 400004 for a device that is no edge device or a twin that would not hold it,
  ///   400402 for content that is no deployment, 413003 for too many modules.
  public mutating func applyConfigurationContent(
    _ content: ConfigurationContent,
    to deviceID: String,
    now: Timestamp
  ) throws(HubError) {
    guard let device = try stored({ storage throws(StorageFault) in try storage.device(deviceID) })
    else { throw .noDevice(deviceID) }
    guard content.kind == .edge else {
      throw HubError(.invalidConfigurationContent, "The content must hold modulesContent.")
    }
    guard device.isEdge else {
      throw HubError(.argumentInvalid, "Device \(deviceID) is no edge device.")
    }
    try ConfigurationRules(quotas: quotas).check(content)

    // All is computed and checked first: a refusal must leave nothing behind.
    let limits = TwinLimits(quotas: quotas, section: .desired)
    var changes: [(key: IdentityKey, present: JSONObject, wanted: JSONObject)] = []
    var missing: [IdentityKey] = []
    var named: Set<String> = [ModuleID.edgeAgent, ModuleID.edgeHub]
    for part in content.parts {
      guard let moduleID = part.moduleID else { continue }
      let key = IdentityKey(deviceID: deviceID, moduleID: moduleID)
      let twin = try stored { storage throws(StorageFault) in try storage.twin(key) }
      if twin == nil { missing.append(key) }
      let present = try twin.map { twin throws(HubError) in
        try TwinSection.object(twin.desired.properties)
      }
      var wanted = present ?? JSONObject()
      for setting in part.settings { wanted.setValue(setting.value, at: setting.path[...]) }
      try limits.checkSize(of: wanted)
      changes.append((key, present ?? JSONObject(), wanted))
      named.insert(moduleID)
      if moduleID == ModuleID.edgeAgent {
        named.formUnion(wanted["modules"]?.objectValue?.keys ?? [])
      }
    }
    let modules = try stored { storage throws(StorageFault) in try storage.modules(of: deviceID) }
    let doomed = modules.filter { $0.managedBy == "iotEdge" && !named.contains($0.moduleID) }
    guard modules.count - doomed.count + missing.count <= quotas.modulesPerDevice else {
      throw HubError(
        .tooManyModulesOnDevice,
        "Device \(deviceID) would have more than \(quotas.modulesPerDevice) modules."
      )
    }

    for module in doomed { try remove(module, now: now) }
    for key in missing { _ = try createModule(.deployed(key), twin: nil, now: now) }
    for change in changes {
      try setDesired(change.wanted, from: change.present, of: change.key, now: now)
    }
  }
}

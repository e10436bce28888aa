internal import HubContract

/// The scope that an edge device spans for its children (contract §7.3).
enum DeviceScope {
  private static let scheme = "ms-azure-iot-edge://"
  /// Edge devices between a device and the hub; more, or a circle: 400028.
  static let maximumDepth = 16

  /// The scope of an edge device's one generation.
  static func text(deviceID: String, generationID: String) -> String {
    "\(scheme)\(deviceID)-\(generationID)"
  }

  /// The ID of the device that a scope names, or nil if the text is no scope.
  static func deviceID(_ scope: String) -> String? {
    guard scope.hasPrefix(scheme) else { return nil }
    let rest = scope.utf8.dropFirst(scheme.utf8.count)
    guard let hyphen = rest.lastIndex(of: UInt8(ascii: "-")) else { return nil }
    return String(rest[..<hyphen])
  }
}

extension HubEngine {
  /// The parent that a request asks for, as the only element, or nothing.
  ///
  /// An edge device names its parent in `parentScopes`, a leaf in `deviceScope`; a leaf's
  /// `parentScopes` alone mean nothing (contract §7.3).
  mutating func parentScopes(
    _ request: DeviceIdentityRequest,
    ownScope: String?
  ) throws(HubError) -> [String] {
    guard request.parentScopes.count <= 1 else {
      throw HubError(.argumentInvalid, "parentScopes holds more than one parent.")
    }
    guard let scope = request.isEdge ? request.parentScopes.first : request.deviceScope,
      !scope.isEmpty
    else { return [] }
    var ancestor: String? = scope
    for _ in 0..<DeviceScope.maximumDepth {
      guard let current = ancestor else { return [scope] }
      guard current != ownScope else {
        throw HubError(.invalidDeviceScope, "The device would be its own ancestor.")
      }
      guard let deviceID = DeviceScope.deviceID(current),
        let edge = try stored({ storage throws(StorageFault) in try storage.device(deviceID) }),
        edge.isEdge, edge.deviceScope == current
      else {
        // An ancestor that was deleted meanwhile is not this request's fault.
        if current != scope { return [scope] }
        throw HubError(.invalidDeviceScope, "The scope \(current) names no edge device.")
      }
      ancestor = edge.parentScopes.first
    }
    throw HubError(
      .invalidDeviceScope,
      "More than \(DeviceScope.maximumDepth) edge devices stand between this device and the hub."
    )
  }

  /// Checks that a device has room for those of `$edgeAgent` and `$edgeHub` that it lacks.
  ///
  /// - Throws: 413003.
  mutating func checkRoomForEdgeModules(of deviceID: String) throws(HubError) {
    let modules = try stored { storage throws(StorageFault) in try storage.modules(of: deviceID) }
    let lacking = [ModuleID.edgeAgent, ModuleID.edgeHub].count { name in
      !modules.contains { $0.moduleID == name }
    }
    guard modules.count + lacking <= quotas.modulesPerDevice else {
      throw HubError(
        .tooManyModulesOnDevice,
        "Device \(deviceID) has no room for the two modules of an edge device: at most "
          + "\(quotas.modulesPerDevice) are allowed."
      )
    }
  }

  /// Creates `$edgeAgent` and `$edgeHub` of an edge device.
  mutating func createEdgeModules(of device: DeviceIdentity, now: Timestamp) throws(HubError) {
    for moduleID in [ModuleID.edgeAgent, ModuleID.edgeHub] {
      let key = IdentityKey(deviceID: device.deviceID, moduleID: moduleID)
      let existing = try stored { storage throws(StorageFault) in try storage.module(key) }
      guard existing == nil else { continue }
      let request = ModuleIdentityRequest(
        deviceID: device.deviceID,
        moduleID: moduleID,
        authentication: .given(.none),
        managedBy: "iotEdge"
      )
      _ = try createModule(request, twin: nil, now: now)
    }
  }

  /// Removes `$edgeAgent` and `$edgeHub` of a device that is no edge device any more.
  mutating func deleteEdgeModules(of device: DeviceIdentity, now: Timestamp) throws(HubError) {
    for moduleID in [ModuleID.edgeAgent, ModuleID.edgeHub] {
      let key = IdentityKey(deviceID: device.deviceID, moduleID: moduleID)
      let module = try stored { storage throws(StorageFault) in try storage.module(key) }
      if let module { try remove(module, now: now) }
    }
  }
}

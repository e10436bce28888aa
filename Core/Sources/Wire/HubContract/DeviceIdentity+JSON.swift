public import JSONTree

extension DeviceIdentity {
  /// The device as an answer shows it (contract §7.3).
  ///
  /// Without `includingKeys`, its keys are null.
  public func json(_ activity: IdentityActivity, includingKeys: Bool = true) -> JSONValue {
    var device: JSONObject = [
      "deviceId": .string(deviceID), "generationId": .string(generationID),
      "etag": .string(ETags.identity(etagCounter)),
      "connectionState": .string(activity.connectionState), "status": .string(status.rawValue),
      "statusReason": statusReason.map { .string($0) } ?? .null,
      "connectionStateUpdatedTime": .string(activity.connectionStateUpdatedTime.iso8601),
      "statusUpdatedTime": .string(statusUpdatedTime.iso8601),
      "lastActivityTime": .string(activity.lastActivityTime.iso8601),
      "cloudToDeviceMessageCount": .int(Int64(activity.cloudToDeviceMessageCount)),
      "authentication": authentication.json(includingKeys: includingKeys),
      "capabilities": ["iotEdge": .bool(isEdge)],
    ]
    if let deviceScope { device["deviceScope"] = .string(deviceScope) }
    if !parentScopes.isEmpty {
      device["parentScopes"] = .array(parentScopes.map { .string($0) })
    }
    return .object(device)
  }
}

extension ModuleIdentity {
  /// The module as an answer shows it (contract §7.3).
  ///
  /// Without `includingKeys`, its keys are null.
  public func json(_ activity: IdentityActivity, includingKeys: Bool = true) -> JSONValue {
    [
      "moduleId": .string(moduleID), "managedBy": managedBy.map { .string($0) } ?? .null,
      "deviceId": .string(deviceID), "generationId": .string(generationID),
      "etag": .string(ETags.identity(etagCounter)),
      "connectionState": .string(activity.connectionState),
      "connectionStateUpdatedTime": .string(activity.connectionStateUpdatedTime.iso8601),
      "lastActivityTime": .string(activity.lastActivityTime.iso8601),
      "cloudToDeviceMessageCount": .int(Int64(activity.cloudToDeviceMessageCount)),
      "authentication": authentication.json(includingKeys: includingKeys),
    ]
  }
}

extension IdentityActivity {
  /// `Connected` or `Disconnected`.
  public var connectionState: String { isConnected ? "Connected" : "Disconnected" }
}

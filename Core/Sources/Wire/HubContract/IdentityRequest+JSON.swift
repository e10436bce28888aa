public import JSONTree

extension DeviceIdentityRequest {
  /// Reads the body of `PUT /devices/<id>` (contract §7.3).
  ///
  /// What the hub itself decides (generation, connection, times) is ignored, so that an identity that
  /// was read can be sent back.
  ///
  /// - Throws: 400012 for a member of another type, 400005 for a missing one, 400004 for a value that
  ///   breaks a rule, a `deviceId` that is not the path's among them.
  public init(json: JSONValue, pathDeviceID: String) throws(HubError) {
    let fields = try BodyFields(json)
    let deviceID = try fields.requiredString("deviceId")
    try Self.check(fields, "deviceId", deviceID, pathDeviceID)
    guard DeviceID.isValid(deviceID) else { throw Self.illegal(fields, "deviceId") }
    self.init(
      deviceID: deviceID,
      status: try IdentityStatus(fields) ?? .enabled,
      statusReason: try fields.string("statusReason"),
      authentication: try RequestedAuthentication(try fields.fields("authentication")),
      isEdge: try fields.fields("capabilities")?.bool("iotEdge") ?? false,
      deviceScope: try fields.nonEmptyString("deviceScope"),
      parentScopes: try fields.strings("parentScopes") ?? [],
      etag: try fields.nonEmptyString("etag")
    )
  }

  static func check(
    _ fields: BodyFields,
    _ key: String,
    _ bodyID: String,
    _ pathID: String
  ) throws(HubError) {
    guard bodyID.utf8.elementsEqual(pathID.utf8) else {
      throw fields.invalid(key, "differs from the ID in the path; make them equal.")
    }
  }

  static func illegal(_ fields: BodyFields, _ key: String) -> HubError {
    fields.invalid(
      key,
      "is no valid ID: use 1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '."
    )
  }
}

extension ModuleIdentityRequest {
  /// Reads the body of `PUT /devices/<id>/modules/<mid>` (contract §7.3).
  ///
  /// A reserved module ID is read: whether the caller may use it is not the body's business.
  ///
  /// - Throws: as for a device.
  public init(json: JSONValue, pathDeviceID: String, pathModuleID: String) throws(HubError) {
    let fields = try BodyFields(json)
    let deviceID = try fields.requiredString("deviceId")
    try DeviceIdentityRequest.check(fields, "deviceId", deviceID, pathDeviceID)
    guard DeviceID.isValid(deviceID) else {
      throw DeviceIdentityRequest.illegal(fields, "deviceId")
    }
    let moduleID = try fields.requiredString("moduleId")
    try DeviceIdentityRequest.check(fields, "moduleId", moduleID, pathModuleID)
    guard ModuleID.isValid(moduleID) else {
      throw DeviceIdentityRequest.illegal(fields, "moduleId")
    }
    self.init(
      deviceID: deviceID,
      moduleID: moduleID,
      authentication: try RequestedAuthentication(try fields.fields("authentication")),
      managedBy: try fields.nonEmptyString("managedBy"),
      etag: try fields.nonEmptyString("etag")
    )
  }
}

extension IdentityStatus {
  init?(_ fields: BodyFields) throws(HubError) {
    guard let text = try fields.nonEmptyString("status") else { return nil }
    guard let status = IdentityStatus(rawValue: text) else {
      throw fields.invalid("status", "must be enabled or disabled.")
    }
    self = status
  }
}

public import JSONTree

extension ExportImportDevice {
  /// Reads an element of a bulk call or a line of an import file.
  ///
  /// - Throws: 400012 for a member of another type, 400005 for a missing one, 400004 for a value that
  ///   breaks a rule.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    let deviceID = try fields.requiredString("id")
    guard DeviceID.isValid(deviceID) else { throw DeviceIdentityRequest.illegal(fields, "id") }
    let moduleID = try fields.nonEmptyString("moduleId")
    guard moduleID.map(ModuleID.isValid) ?? true else {
      throw DeviceIdentityRequest.illegal(fields, "moduleId")
    }
    self.init(deviceID: deviceID, moduleID: moduleID)
    if let text = try fields.nonEmptyString("importMode") {
      guard let mode = ImportMode(rawValue: text) else {
        let modes = ImportMode.allCases.map(\.rawValue).joined(separator: ", ")
        throw fields.invalid("importMode", "must be one of \(modes).")
      }
      importMode = mode
    }
    etag = try fields.nonEmptyString("eTag")
    twinETag = try fields.nonEmptyString("twinETag")
    status = try IdentityStatus(fields)
    statusReason = try fields.string("statusReason")
    authentication = try RequestedAuthentication(try fields.fields("authentication"))
    tags = try fields.object("tags")
    let properties = try fields.fields("properties")
    desired = try properties?.object("desired")
    reported = try properties?.object("reported")
    isEdge = try fields.fields("capabilities")?.bool("iotEdge")
    deviceScope = try fields.nonEmptyString("deviceScope")
    parentScopes = try fields.strings("parentScopes") ?? []
    managedBy = try fields.nonEmptyString("managedBy")
  }

  /// The line of an export file; without `includingKeys`, keys are null.
  public func json(includingKeys: Bool) -> JSONValue {
    var line: JSONObject = ["id": .string(deviceID)]
    func put(_ name: String, _ text: String?) {
      if let text { line[name] = .string(text) }
    }
    put("moduleId", moduleID)
    put("eTag", etag)
    put("importMode", importMode?.rawValue)
    put("status", status?.rawValue)
    put("statusReason", statusReason)
    if case .given(let authentication) = authentication {
      line["authentication"] = authentication.json(includingKeys: includingKeys)
    }
    put("twinETag", twinETag)
    if let tags { line["tags"] = .object(tags) }
    var properties = JSONObject()
    if let desired { properties["desired"] = .object(desired) }
    if let reported { properties["reported"] = .object(reported) }
    if !properties.isEmpty { line["properties"] = .object(properties) }
    if let isEdge { line["capabilities"] = ["iotEdge": .bool(isEdge)] }
    put("deviceScope", deviceScope)
    if !parentScopes.isEmpty { line["parentScopes"] = .array(parentScopes.map { .string($0) }) }
    put("managedBy", managedBy)
    return .object(line)
  }
}

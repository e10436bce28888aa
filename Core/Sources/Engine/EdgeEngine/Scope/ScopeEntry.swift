public import HubContract
public import JSONTree

/// One identity below an edge, as the hub above describes it (edge contract section 5.2).
public enum ScopeEntry: Equatable, Sendable {
  /// A device: the edge itself, or one that it is the parent of.
  case device(DeviceIdentity)
  /// A module of one of these.
  case module(ModuleIdentity)

  /// Whose entry it is.
  public var key: IdentityKey {
    switch self {
    case .device(let device): device.key
    case .module(let module): module.key
    }
  }

  /// Reads an entry of the list `devices` of an answer.
  ///
  /// - Throws: What of it can't be read.
  public init(device json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    let deviceID = try fields.requiredString("deviceId")
    let wish = try DeviceIdentityRequest(json: json, pathDeviceID: deviceID)
    self = .device(
      DeviceIdentity(
        deviceID: deviceID,
        generationID: try fields.requiredString("generationId"),
        etagCounter: 0,
        status: wish.status,
        authentication: Self.authentication(wish.authentication),
        isEdge: wish.isEdge,
        deviceScope: wish.deviceScope,
        parentScopes: wish.parentScopes
      )
    )
  }

  /// Reads an entry of the list `modules` of an answer.
  ///
  /// - Throws: What of it can't be read.
  public init(module json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    let (deviceID, moduleID) = (
      try fields.requiredString("deviceId"), try fields.requiredString("moduleId")
    )
    let wish = try ModuleIdentityRequest(
      json: json,
      pathDeviceID: deviceID,
      pathModuleID: moduleID
    )
    self = .module(
      ModuleIdentity(
        deviceID: deviceID,
        moduleID: moduleID,
        generationID: try fields.requiredString("generationId"),
        etagCounter: 0,
        authentication: Self.authentication(wish.authentication),
        managedBy: wish.managedBy
      )
    )
  }

  /// What nobody has given keys yet can't connect.
  private static func authentication(_ wish: RequestedAuthentication) -> Authentication {
    if case .given(let authentication) = wish { authentication } else { .none }
  }

  /// The entry as an answer shows it, keys included: what is stored, and given to edges below.
  public var json: JSONValue {
    switch self {
    case .device(let device): device.json(IdentityActivity())
    case .module(let module): module.json(IdentityActivity())
    }
  }
}

public import JSONTree

/// What an element of a bulk call or a line of an import file wants done (contract §7.4).
public enum ImportMode: String, Sendable, CaseIterable {
  /// Create; an existing one is an error.
  case create
  /// Update whatever is there.
  case update
  /// Update if the ETag is the current one.
  case updateIfMatchETag
  /// Delete whatever is there.
  case delete
  /// Delete if the ETag is the current one.
  case deleteIfMatchETag
  /// Update the twin alone.
  case updateTwin
  /// Update the twin alone if the twin's ETag is the current one.
  case updateTwinIfMatchETag
}

/// An element of a bulk call, and a line of an import or export file (contract §7.4).
public struct ExportImportDevice: Equatable, Sendable {
  /// The device's ID.
  public var deviceID: String
  /// The module's ID, nil for a device.
  public var moduleID: String?
  /// The identity's ETag, for the modes that compare it.
  public var etag: String?
  /// What to do; nil if the line does not say, as in an export.
  public var importMode: ImportMode?
  /// Whether it may connect.
  public var status: IdentityStatus?
  /// Why, in the operator's words.
  public var statusReason: String?
  /// How it proves who it is.
  public var authentication: RequestedAuthentication
  /// The twin's ETag, for the mode that compares it.
  public var twinETag: String?
  /// The twin's tags.
  public var tags: JSONObject?
  /// The twin's desired properties.
  public var desired: JSONObject?
  /// The twin's reported properties.
  public var reported: JSONObject?
  /// Whether it is an edge device; nil if nothing was said.
  public var isEdge: Bool?
  /// Own or parent's scope, see `DeviceIdentityRequest`.
  public var deviceScope: String?
  /// The parents' scopes.
  public var parentScopes: [String]
  /// Who manages a module.
  public var managedBy: String?

  /// Creates an element that names an identity and says nothing else.
  public init(deviceID: String, moduleID: String? = nil, importMode: ImportMode? = nil) {
    self.deviceID = deviceID
    self.moduleID = moduleID
    self.importMode = importMode
    authentication = .generatedKeys
    parentScopes = []
  }

  /// The element of a stored device, for an export.
  public init(_ device: DeviceIdentity) {
    self.init(deviceID: device.deviceID)
    etag = ETags.identity(device.etagCounter)
    status = device.status
    statusReason = device.statusReason
    authentication = .given(device.authentication)
    isEdge = device.isEdge
    deviceScope = device.deviceScope
    parentScopes = device.parentScopes
  }

  /// The element of a stored module, for an export.
  public init(_ module: ModuleIdentity) {
    self.init(deviceID: module.deviceID, moduleID: module.moduleID)
    etag = ETags.identity(module.etagCounter)
    authentication = .given(module.authentication)
    managedBy = module.managedBy
  }

  /// The identity it names.
  public var key: IdentityKey { IdentityKey(deviceID: deviceID, moduleID: moduleID) }

  /// The wish for the device, ignoring mode and twin.
  public var deviceRequest: DeviceIdentityRequest {
    DeviceIdentityRequest(
      deviceID: deviceID,
      status: status ?? .enabled,
      statusReason: statusReason,
      authentication: authentication,
      isEdge: isEdge ?? false,
      deviceScope: deviceScope,
      parentScopes: parentScopes,
      etag: etag
    )
  }

  /// The wish for the module, ignoring mode and twin; nil if it names a device.
  public var moduleRequest: ModuleIdentityRequest? {
    moduleID.map {
      ModuleIdentityRequest(
        deviceID: deviceID,
        moduleID: $0,
        authentication: authentication,
        managedBy: managedBy,
        etag: etag
      )
    }
  }
}

/// How a write wants an identity to prove who it is.
///
/// Whoever executes the write fills in what is to be generated: no randomness enters this ring by
/// itself.
public enum RequestedAuthentication: Equatable, Sendable {
  /// Nothing said, or type `sas` without keys: two new keys are minted (contract §7.3).
  case generatedKeys
  /// Exactly this.
  case given(Authentication)
}

/// A wish to create or replace a device, as a REST body or an import line states it.
public struct DeviceIdentityRequest: Equatable, Sendable {
  /// The device's ID.
  public var deviceID: String
  /// Whether it may connect; enabled if nothing was said.
  public var status: IdentityStatus
  /// Why, in the operator's words.
  public var statusReason: String?
  /// How it is to prove who it is.
  public var authentication: RequestedAuthentication
  /// Whether it is an edge device.
  public var isEdge: Bool
  /// The scope that was sent, if any; what it means depends on `isEdge` (contract §7.3).
  public var deviceScope: String?
  /// The parents' scopes that were sent.
  public var parentScopes: [String]
  /// The ETag in the body, which decides nothing (contract §7.3) but in bulk calls.
  public var etag: String?

  /// Creates a wish; what is not given has the meaning of an absent field.
  public init(
    deviceID: String,
    status: IdentityStatus = .enabled,
    statusReason: String? = nil,
    authentication: RequestedAuthentication = .generatedKeys,
    isEdge: Bool = false,
    deviceScope: String? = nil,
    parentScopes: [String] = [],
    etag: String? = nil
  ) {
    self.deviceID = deviceID
    self.status = status
    self.statusReason = statusReason
    self.authentication = authentication
    self.isEdge = isEdge
    self.deviceScope = deviceScope
    self.parentScopes = parentScopes
    self.etag = etag
  }
}

/// A wish to create or replace a module, as a REST body or an import line states it.
public struct ModuleIdentityRequest: Equatable, Sendable {
  /// The ID of the device it belongs to.
  public var deviceID: String
  /// The module's ID.
  public var moduleID: String
  /// How it is to prove who it is.
  public var authentication: RequestedAuthentication
  /// Who manages it.
  public var managedBy: String?
  /// The ETag in the body, which decides nothing (contract §7.3) but in bulk calls.
  public var etag: String?

  /// Creates a wish; what is not given has the meaning of an absent field.
  public init(
    deviceID: String,
    moduleID: String,
    authentication: RequestedAuthentication = .generatedKeys,
    managedBy: String? = nil,
    etag: String? = nil
  ) {
    self.deviceID = deviceID
    self.moduleID = moduleID
    self.authentication = authentication
    self.managedBy = managedBy
    self.etag = etag
  }
}

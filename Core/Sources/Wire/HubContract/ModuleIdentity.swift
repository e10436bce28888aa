/// A module as the registry keeps it (contract §7.3).
///
/// A module has no status of its own: its device's counts.
public struct ModuleIdentity: Equatable, Sendable {
  /// The ID of the device it belongs to.
  public var deviceID: String
  /// The module's ID.
  public var moduleID: String
  /// Distinct for every creation of the same ID (contract §1.3).
  public var generationID: String
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64
  /// How it proves who it is.
  public var authentication: Authentication
  /// Who manages it, `iotEdge` for modules of a deployment.
  public var managedBy: String?

  /// Creates a module.
  public init(
    deviceID: String,
    moduleID: String,
    generationID: String,
    etagCounter: UInt64,
    authentication: Authentication,
    managedBy: String? = nil
  ) {
    self.deviceID = deviceID
    self.moduleID = moduleID
    self.generationID = generationID
    self.etagCounter = etagCounter
    self.authentication = authentication
    self.managedBy = managedBy
  }

  /// The module's key.
  public var key: IdentityKey { IdentityKey(deviceID: deviceID, moduleID: moduleID) }
}

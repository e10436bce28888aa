/// Whether a device may connect.
public enum IdentityStatus: String, Sendable, CaseIterable {
  /// It may.
  case enabled
  /// It may not, and neither may its modules.
  case disabled
}

/// How an identity proves who it is (contract §2, §7.3).
public enum Authentication: Equatable, Sendable {
  /// By a token signed with either of two keys.
  case sas(primary: SymmetricKey, secondary: SymmetricKey)
  /// By a certificate with either of two thumbprints; with neither, nothing can connect yet.
  case selfSigned(primary: Thumbprint?, secondary: Thumbprint?)
  /// By a certificate that a registered authority signed for the device's ID.
  case certificateAuthority
  /// Not at all: edge-managed modules whose edge hub vouches for them.
  case none
}

extension Authentication {
  /// The four kinds by their names in JSON.
  public enum Kind: String, Sendable, CaseIterable {
    /// Shared access signature.
    case sas
    /// Certificate thumbprint.
    case selfSigned
    /// Certificate chain.
    case certificateAuthority
    /// Nothing.
    case none
  }

  /// Which of the four it is.
  public var kind: Kind {
    switch self {
    case .sas: .sas
    case .selfSigned: .selfSigned
    case .certificateAuthority: .certificateAuthority
    case .none: .none
    }
  }
}

/// A device as the registry keeps it (contract §7.3).
///
/// What changes with every connection (state, last activity, queue length) is not part of it: see
/// `IdentityActivity`.
public struct DeviceIdentity: Equatable, Sendable {
  /// The device's ID.
  public var deviceID: String
  /// Distinct for every creation of the same ID (contract §1.3).
  public var generationID: String
  /// Counts writes; its text is `ETags.identity`.
  public var etagCounter: UInt64
  /// Whether it may connect.
  public var status: IdentityStatus
  /// Why it was disabled, in the operator's words.
  public var statusReason: String?
  /// When `status` last changed.
  public var statusUpdatedTime: Timestamp
  /// How it proves who it is.
  public var authentication: Authentication
  /// Whether it is an edge device (capability `iotEdge`).
  public var isEdge: Bool
  /// Own scope of an edge device, parent's scope of a leaf.
  public var deviceScope: String?
  /// Scope of the parent; at most one element.
  public var parentScopes: [String]

  /// Creates a device.
  public init(
    deviceID: String,
    generationID: String,
    etagCounter: UInt64,
    status: IdentityStatus = .enabled,
    statusReason: String? = nil,
    statusUpdatedTime: Timestamp = .never,
    authentication: Authentication,
    isEdge: Bool = false,
    deviceScope: String? = nil,
    parentScopes: [String] = []
  ) {
    self.deviceID = deviceID
    self.generationID = generationID
    self.etagCounter = etagCounter
    self.status = status
    self.statusReason = statusReason
    self.statusUpdatedTime = statusUpdatedTime
    self.authentication = authentication
    self.isEdge = isEdge
    self.deviceScope = deviceScope
    self.parentScopes = parentScopes
  }

  /// The device's key.
  public var key: IdentityKey { IdentityKey(deviceID: deviceID) }
}

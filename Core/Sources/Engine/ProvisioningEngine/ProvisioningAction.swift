public import HubContract
public import JSONTree

/// A step of an operation, which the driver takes and whose result it records.
///
/// Taken again after a crash it must lead to the same.
public struct ProvisioningAction: Equatable, Sendable {
  /// What is to be done.
  public enum Step: Equatable, Sendable {
    /// Ask the webhook; the answer is `allocated`.
    case allocate(CustomAllocation, body: JSONValue)
    /// Make a certificate for the registration ID; the answer is `issued`.
    case issue(signingRequest: [UInt8], authority: String, commonName: String)
    /// Look which identity there is before one is installed; the answer is `inspected`.
    case inspect(hub: String, deviceID: String)
    /// Disable the identity and read it; the answer is `detached`, nil where it is unknown.
    case detach(hub: String, deviceID: String)
    /// Create the identity, or give the one that is there this credential; the answer is `done`.
    case install(hub: String, HubAssignment)
    /// Delete the identity, if it is there; the answer is `done`.
    case remove(hub: String, deviceID: String)
    /// Delete the identity, or make it again what it was before; the answer is `done`.
    case withdraw(hub: String, deviceID: String, prior: PriorIdentity?)
    /// Enable the identity again, if it is there and `detach` disabled it; the answer is `done`.
    case reattach(hub: String, deviceID: String)
  }

  /// The operation that it belongs to.
  public var operationID: String
  /// Which step of it this is.
  public var attempt: UInt64
  /// What is to be done.
  public var step: Step
}

/// What a device's identity at a hub is to be.
public struct HubAssignment: Equatable, Sendable {
  /// Its ID.
  public var deviceID: String
  /// How it proves who it is there.
  public var authentication: Authentication
  /// Whether it is an edge device.
  public var isEdge: Bool
  /// Whether it may connect, where it is new.
  public var status: IdentityStatus
  /// Why it may not.
  public var statusReason: String?
  /// What its twin begins with.
  public var twin: InitialTwin?
  /// Whether an identity that is there keeps its twin; else its tags and desired properties are
  /// replaced by `twin`.
  public var keepsTwin: Bool
}

/// Looks at once which identity a hub has: `inspected`, or nil where the hub has to be asked.
public typealias ImmediateInspection = (_ hub: String, _ deviceID: String) -> ProvisioningResult?

/// The result of a step.
public enum ProvisioningResult: Equatable, Sendable {
  /// The webhook's answer.
  case allocated(hub: String?, initialTwin: InitialTwin?, payload: JSONValue?)
  /// The certificate.
  case issued(IssuedCertificate)
  /// The identity that there is, nil if there is none.
  case inspected(PriorIdentity?)
  /// The identity that was disabled, nil if there is none.
  case detached(DetachedIdentity?)
  /// It is done.
  case done
  /// It never will be.
  case refused(HubError)
  /// It may be, later.
  case unavailable
}

import HubContract
import HubEngine
import ProvisioningEngine

/// What provisioning makes of an identity, at this hub as at linked ones; each may be done twice.
extension DeviceIdentity {
  /// Says of an identity why it is disabled while its device moves, and thereby who disabled it.
  private static var leftReason: String { "Left for another hub by provisioning" }

  /// Whether it is disabled because its device moved, and not by an operator.
  private var hasLeft: Bool { status == .disabled && statusReason == Self.leftReason }

  /// The identity of a device that its hub does not know.
  init(_ assignment: HubAssignment) {
    self.init(
      deviceID: assignment.deviceID,
      generationID: "",
      etagCounter: 0,
      status: assignment.status,
      statusReason: assignment.statusReason,
      authentication: assignment.authentication,
      isEdge: assignment.isEdge
    )
  }

  /// The identity with what is assigned to it.
  ///
  /// One that an operator disabled does not become usable, and where it stands in a hierarchy of
  /// gateways is the operator's business.
  func installed(_ assignment: HubAssignment) -> DeviceIdentity {
    var device = asEdge(assignment.isEdge)
    device.authentication = assignment.authentication
    if hasLeft || status == .enabled && !assignment.keepsTwin {
      device.status = assignment.status
      device.statusReason = assignment.statusReason
    }
    return device
  }

  /// The identity while its device moves.
  var leaving: DeviceIdentity {
    guard status == .enabled else { return self }
    return with(.disabled, Self.leftReason)
  }

  /// What of it goes along with its device.
  func detached(_ twin: InitialTwin) -> DetachedIdentity {
    guard !hasLeft else { return DetachedIdentity(twin: twin) }
    return DetachedIdentity(twin: twin, status: status, statusReason: statusReason)
  }

  /// The identity as it was before an assignment; nil if that made it.
  func restored(_ prior: PriorIdentity?) -> DeviceIdentity? {
    guard let prior, prior.generationID == generationID else { return nil }
    var device = asEdge(prior.isEdge).with(prior.status, prior.statusReason)
    device.authentication = prior.authentication
    return device
  }

  /// The identity after its device did not move.
  var returned: DeviceIdentity { hasLeft ? with(.enabled, nil) : self }

  private func with(_ status: IdentityStatus, _ reason: String?) -> DeviceIdentity {
    var device = self
    device.status = status
    device.statusReason = reason
    return device
  }

  /// A leaf's scope is its parent's, an edge device's its own.
  private func asEdge(_ isEdge: Bool) -> DeviceIdentity {
    guard self.isEdge != isEdge else { return self }
    var device = self
    device.isEdge = isEdge
    device.deviceScope = isEdge ? nil : parentScopes.first
    return device
  }
}

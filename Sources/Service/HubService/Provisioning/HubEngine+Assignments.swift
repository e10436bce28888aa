import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine

/// What provisioning does to identities of this hub; each may be done twice.
extension HubStore.Engine {
  /// Takes a step that concerns this hub.
  mutating func perform(
    _ step: ProvisioningAction.Step,
    now: Timestamp
  ) throws(HubError) -> ProvisioningResult {
    switch step {
    case .inspect(_, let deviceID):
      return .inspected(try identity(deviceID).map { PriorIdentity($0) })
    case .detach(_, let deviceID): return .detached(try detach(deviceID, now: now))
    case .install(_, let assignment): try install(assignment, now: now)
    case .remove(_, let deviceID): try remove(deviceID, now: now)
    case .withdraw(_, let deviceID, let prior):
      try withdraw(deviceID, prior: prior, now: now)
    case .reattach(_, let deviceID): try reattach(deviceID, now: now)
    case .allocate, .issue: throw HubError(.serverError, "No step for a hub.")
    }
    return .done
  }

  /// Creates the identity, or gives the one that is there the credential of `assignment`.
  private mutating func install(_ assignment: HubAssignment, now: Timestamp) throws(HubError) {
    let key = IdentityKey(deviceID: assignment.deviceID)
    let twin = assignment.twin?.update
    guard let existing = try identity(assignment.deviceID) else {
      _ = try putDevice(DeviceIdentity(assignment).request, ifMatch: .absent, now: now)
      if let twin {
        _ = try updateTwin(key, twin, replacing: false, ifMatch: .any, now: now)
      }
      return
    }
    try replace(existing, by: existing.installed(assignment), now: now)
    if !assignment.keepsTwin {
      let beginning = twin ?? TwinUpdate(tags: .clear, desired: .clear)
      _ = try updateTwin(key, beginning, replacing: true, ifMatch: .any, now: now)
    }
  }

  /// Disables the identity and answers what it was; nil if there is none.
  private mutating func detach(
    _ deviceID: String,
    now: Timestamp
  ) throws(HubError) -> DetachedIdentity? {
    guard let device = try identity(deviceID) else { return nil }
    try replace(device, by: device.leaving, now: now)
    let text = try view.twin(IdentityKey(deviceID: deviceID), facts: ConnectionFacts()).body
    guard let json = try? JSON.parse(text), let twin = try? InitialTwin(json: json) else {
      throw HubError(.serverError, "A stored twin cannot be read.")
    }
    return device.detached(twin)
  }

  /// Deletes the identity, if it is there.
  private mutating func remove(_ deviceID: String, now: Timestamp) throws(HubError) {
    guard try identity(deviceID) != nil else { return }
    try deleteDevice(deviceID, ifMatch: .any, now: now)
  }

  /// Deletes the identity that was assigned; one that was there before gets back what it was.
  private mutating func withdraw(
    _ deviceID: String,
    prior: PriorIdentity?,
    now: Timestamp
  ) throws(HubError) {
    guard let device = try identity(deviceID) else { return }
    guard let restored = device.restored(prior) else { return try remove(deviceID, now: now) }
    try replace(device, by: restored, now: now)
  }

  /// Enables the identity again, if it is there and `detach` disabled it.
  private mutating func reattach(_ deviceID: String, now: Timestamp) throws(HubError) {
    guard let device = try identity(deviceID) else { return }
    try replace(device, by: device.returned, now: now)
  }

  private mutating func replace(
    _ device: DeviceIdentity,
    by changed: DeviceIdentity,
    now: Timestamp
  ) throws(HubError) {
    guard changed != device else { return }
    _ = try putDevice(changed.request, ifMatch: .any, now: now)
  }

  private func identity(_ deviceID: String) throws(HubError) -> DeviceIdentity? {
    do throws(HubError) {
      return try view.device(deviceID).identity
    } catch {
      guard error.code == .deviceNotFound else { throw error }
      return nil
    }
  }
}

extension DeviceIdentity {
  fileprivate var request: DeviceIdentityRequest {
    DeviceIdentityRequest(
      deviceID: deviceID,
      status: status,
      statusReason: statusReason,
      authentication: .given(authentication),
      isEdge: isEdge,
      deviceScope: deviceScope,
      parentScopes: parentScopes
    )
  }
}

import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine

/// What provisioning does to identities; each may be done twice.
extension HubStore.Engine {
  /// Creates the identity, or gives the one that is there the credential of `assignment`.
  mutating func install(_ assignment: HubAssignment, now: Timestamp) throws(HubError) {
    let deviceID = assignment.deviceID
    let key = IdentityKey(deviceID: deviceID)
    var request = DeviceIdentityRequest(
      deviceID: deviceID,
      authentication: .given(assignment.authentication),
      isEdge: assignment.isEdge
    )
    let twin = assignment.twin.map {
      TwinUpdate(tags: .set($0.tags), desired: .set($0.desired))
    }
    guard let existing = try identity(deviceID) else {
      _ = try putDevice(request, ifMatch: .absent, now: now)
      if let twin {
        _ = try updateTwin(key, twin, replacing: false, ifMatch: .any, now: now)
      }
      return
    }
    if assignment.keepsTwin {
      request.status = existing.status
      request.statusReason = existing.statusReason
    }
    // Where it stands in a hierarchy of gateways is the operator's business.
    request.deviceScope = existing.deviceScope
    request.parentScopes = existing.parentScopes
    let isSame =
      existing.authentication == assignment.authentication
      && existing.isEdge == assignment.isEdge && existing.status == request.status
    if !isSame { _ = try putDevice(request, ifMatch: .any, now: now) }
    if !assignment.keepsTwin {
      let beginning = twin ?? TwinUpdate(tags: .clear, desired: .clear)
      _ = try updateTwin(key, beginning, replacing: true, ifMatch: .any, now: now)
    }
  }

  /// Disables the identity and answers its tags and desired properties; nil if there is none.
  mutating func detach(_ deviceID: String, now: Timestamp) throws(HubError) -> InitialTwin? {
    guard try identity(deviceID) != nil else { return nil }
    try setStatus(.disabled, of: deviceID, now: now)
    let text = try view.twin(IdentityKey(deviceID: deviceID), facts: ConnectionFacts()).body
    guard let twin = try? JSON.parse(text) else {
      throw HubError(.serverError, "A stored twin cannot be read.")
    }
    var desired = twin["properties"]?["desired"]?.objectValue ?? [:]
    desired["$metadata"] = nil
    desired["$version"] = nil
    return InitialTwin(tags: twin["tags"]?.objectValue ?? [:], desired: desired)
  }

  /// Deletes the identity, if it is there.
  mutating func withdraw(_ deviceID: String, now: Timestamp) throws(HubError) {
    guard try identity(deviceID) != nil else { return }
    try deleteDevice(deviceID, ifMatch: .any, now: now)
  }

  /// Enables the identity again, if it is there.
  mutating func reattach(_ deviceID: String, now: Timestamp) throws(HubError) {
    try setStatus(.enabled, of: deviceID, now: now)
  }

  private mutating func setStatus(
    _ status: IdentityStatus,
    of deviceID: String,
    now: Timestamp
  ) throws(HubError) {
    guard let device = try identity(deviceID), device.status != status else { return }
    let request = DeviceIdentityRequest(
      deviceID: deviceID,
      status: status,
      statusReason: device.statusReason,
      authentication: .given(device.authentication),
      isEdge: device.isEdge,
      deviceScope: device.deviceScope,
      parentScopes: device.parentScopes
    )
    _ = try putDevice(request, ifMatch: .any, now: now)
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

package import HubContract

/// Who this edge device is, and which hub it belongs to.
package struct EdgeIdentity: Equatable, Sendable {
  /// Name of the hub, as tokens and user names say it.
  package let hubHostName: String
  /// The edge device.
  package let deviceID: String
  /// The parent edge that is dialled instead of the hub, nil without one.
  package let parentHostName: String?

  package init(hubHostName: String, deviceID: String, parentHostName: String? = nil) {
    self.hubHostName = hubHostName
    self.deviceID = deviceID
    self.parentHostName = parentHostName
  }

  /// The hub's name without a port: what tokens are for.
  package var hubName: String { SASResource(decoded: hubHostName).host }
  /// Where it connects to.
  package var upstreamHostName: String { parentHostName ?? hubHostName }
  /// The identity of its local hub.
  package var edgeHub: IdentityKey { IdentityKey(deviceID: deviceID, moduleID: ModuleID.edgeHub) }
}

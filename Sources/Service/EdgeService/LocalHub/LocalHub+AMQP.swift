import AMQPEndpoints
import Endpoints
import HubContract

/// The local hub as clients of AMQP know it (edge contract section 5.4).
extension LocalHub: AMQPBackend {
  var devices: any DeviceBackend { self }
  var hostName: String { identity.hubHostName }
  var now: Timestamp { store.calendar }
  var skewSeconds: Int64 { authenticator.skewSeconds }
  var epoch: UInt64 { directory.epoch }
  var hasOutputs: Bool { true }

  func facts(
    of key: IdentityKey,
    policy: String?
  ) async throws(HubError) -> DeviceAuthenticator.Facts {
    scope.facts(of: key)
  }

  func refresh(_ key: IdentityKey) async -> Bool {
    await scope.look(for: key) == .answered
  }

  func stillHolds(
    _ credential: DeviceCredential,
    of key: IdentityKey,
    _ facts: DeviceAuthenticator.Facts
  ) -> Bool {
    authenticator.stillHolds(credential, of: key, facts)
  }

  func edgeHub(
    actingFor key: IdentityKey,
    authChain: [String]
  ) async throws(HubError) -> IdentityKey {
    var found = scope.actingEdge(for: key, authChain: authChain)
    // It may be new: the hub above knows, if it is there.
    if found == nil, await scope.look(for: key, isForEdge: true) == .answered {
      found = scope.actingEdge(for: key, authChain: authChain)
    }
    guard let edge = found else {
      throw HubError(.invalidDeviceScope, "The chain leads to no enabled edge below this one.")
    }
    return IdentityKey(deviceID: edge, moduleID: ModuleID.edgeHub)
  }

  func admit(
    _ wish: AdmissionWish,
    by proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    epoch: UInt64
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice {
    let key = wish.identity
    guard directory[key] != nil || directory.count < options.variables.maxConnectedClients else {
      throw DeviceAuthenticator.Refusal.unavailable("MaxConnectedClients are connected")
    }
    return admitted(key, by: proof, facts, modelID: wish.modelID, session: nil, epoch: epoch)
  }

  func refused(_ reason: String, client: String, address: String, trackingID: String?) {
    if let key = IdentityKey(clientID: client) {
      figures.turnedAway(key, isKnown: scope.isKnown(key), reason: "notAuthorized")
    }
    refusals.tell(
      .amqp,
      "connection refused",
      client: client,
      address: address,
      reason: reason,
      trackingID: trackingID
    )
  }
}

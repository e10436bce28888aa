package import AMQPEndpoints
package import Endpoints
package import HubContract
import HubEngine
import Synchronization

/// The hub as clients of AMQP know it.
package struct HubAMQP: AMQPBackend {
  let hub: Hub
  let events: EventStreams
  private let policies: PolicyCache

  /// The AMQP of `hub`.
  package init(hub: Hub) {
    self.hub = hub
    events = EventStreams(hub: hub)
    policies = PolicyCache(hub: hub)
  }

  package var devices: any DeviceBackend { hub }
  package var hostName: String { hub.settings.names.first ?? "hub" }
  package var now: Timestamp { hub.now }
  package var skewSeconds: Int64 { Int64(hub.settings.skewSeconds) }
  package var epoch: UInt64 { hub.directory.epoch }
  package var policyEpoch: UInt64 { hub.policyChanges.load(ordering: .acquiring) }

  package func answers(to host: String) -> Bool { hub.answers(to: host) }

  package func policy(_ name: String) async throws(HubError) -> AMQPPolicy? {
    try await policies.policy(name).map { policy in
      AMQPPolicy(
        name: policy.name,
        rights: policy.rights,
        keys: [policy.primaryKey, policy.secondaryKey]
      )
    }
  }

  package func facts(
    of key: IdentityKey,
    policy: String?
  ) async throws(HubError) -> DeviceAuthenticator.Facts {
    try await hub.facts(of: key, policy: policy)
  }

  package func judge(
    _ key: IdentityKey,
    host: String,
    token: SharedAccessSignature?,
    chain: PresentedChain,
    facts: DeviceAuthenticator.Facts,
    now: Timestamp
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof {
    try await hub.judge(key, host: host, token: token, chain: chain, facts: facts, now: now)
  }

  package func stillHolds(
    _ credential: DeviceCredential,
    of key: IdentityKey,
    _ facts: DeviceAuthenticator.Facts
  ) -> Bool {
    hub.authenticator.stillHolds(credential, of: key, facts)
  }

  package func edgeHub(
    actingFor key: IdentityKey,
    authChain: [String]
  ) async throws(HubError) -> IdentityKey {
    try await hub.store.read { view throws(HubError) in
      try view.actingEdgeDevice(for: key, authChain: authChain).edgeHub
    }
  }

  package func admit(
    _ wish: AdmissionWish,
    by proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    epoch: UInt64
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice {
    let key = wish.identity
    if let model = wish.modelID {
      _ = try? await hub.store.write { engine throws(HubError) in
        try engine.setModelID(model, of: key)
      }
    }
    let generation = key.moduleID == nil ? facts.device?.generationID : facts.module?.generationID
    return AdmittedDevice(
      identity: key,
      credential: proof.credential,
      stamp: EventStamp(
        identity: key,
        authMethod: proof.method,
        generationID: generation,
        modelID: wish.modelID
      ),
      partition: hub.events.partition(of: key.deviceID),
      session: nil,
      expiry: proof.expiry.map { hub.deadline($0) },
      epoch: epoch
    )
  }

  package func refused(
    _ reason: String,
    client: String,
    address: String,
    trackingID: String?
  ) {
    hub.refusals.tell(
      .amqp,
      "credential refused",
      client: client,
      address: address,
      reason: reason,
      trackingID: trackingID
    )
  }

  package func takesTelemetry() -> Bool { hub.throttles.allows(.deviceToCloudSends) }

  package func links(of peer: AMQPPeer) -> (any AMQPServiceLinks)? {
    HubLinks(hub, events, peer)
  }

  /// What all connections share.
  var service: AMQPService {
    let settings = hub.settings
    return AMQPService(
      backend: self,
      log: settings.isLogEnabled ? hub.events : nil,
      router: hub.routing,
      limits: DeviceLimits(quotas: settings.quotas, connectSeconds: settings.connectSeconds),
      unauthenticated: settings.unauthenticatedConnections,
      logger: hub.logger
    )
  }
}

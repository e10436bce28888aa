package import Endpoints
package import HubContract

/// Who decides about clients of AMQP: the hub's service, or the local hub of an edge.
///
/// What devices and modules do goes to `devices`, as with MQTT. The rest is what one connection with
/// many identities on it needs besides, and links that only this service has.
package protocol AMQPBackend: Sendable {
  /// Who keeps what devices and modules send.
  var devices: any DeviceBackend { get }
  /// The service's own name, which clients are told.
  var hostName: String { get }
  /// The time.
  var now: Timestamp { get }
  /// How far clocks of clients may be behind.
  var skewSeconds: Int64 { get }
  /// The number of the last change of identities; see `DeviceBackend.established`.
  var epoch: UInt64 { get }
  /// The number of the last change of policies.
  var policyEpoch: UInt64 { get }
  /// Whether modules say by an application property which output a message comes from.
  var hasOutputs: Bool { get }

  /// Whether `host`, as a client wrote it, names this service.
  func answers(to host: String) -> Bool
  /// The policy called `name`, nil if there is none.
  func policy(_ name: String) async throws(HubError) -> AMQPPolicy?
  /// What decides about `key`, which shows a token of `policy` if that is not nil.
  func facts(
    of key: IdentityKey,
    policy: String?
  ) async throws(HubError) -> DeviceAuthenticator.Facts
  /// Learns anew what decides about `key`, which was refused; false if nothing can be new.
  func refresh(_ key: IdentityKey) async -> Bool
  /// Judges what `key` shows.
  func judge(
    _ key: IdentityKey,
    host: String,
    token: SharedAccessSignature?,
    chain: PresentedChain,
    facts: DeviceAuthenticator.Facts,
    now: Timestamp
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof
  /// Whether what was proved still holds.
  func stillHolds(
    _ credential: DeviceCredential,
    of key: IdentityKey,
    _ facts: DeviceAuthenticator.Facts
  ) -> Bool
  /// The edge hub at the end of `authChain`, which acts for `key`.
  ///
  /// - Throws: That the chain does not lead there.
  func edgeHub(
    actingFor key: IdentityKey,
    authChain: [String]
  ) async throws(HubError) -> IdentityKey
  /// Lets a device or module in that has proved who it is.
  ///
  /// - Throws: Why it may not come all the same.
  func admit(
    _ wish: AdmissionWish,
    by proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    epoch: UInt64
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice
  /// Tells that a client was refused something.
  func refused(_ reason: String, client: String, address: String, trackingID: String?)
  /// Whether one more message from a device is within the rates.
  func takesTelemetry() -> Bool
  /// What the service gives the client of `peer` besides; nil for nothing. On the connection's loop.
  func links(of peer: AMQPPeer) -> (any AMQPServiceLinks)?
}

extension AMQPBackend {
  package var policyEpoch: UInt64 { 0 }
  package var hasOutputs: Bool { false }
  package func policy(_ name: String) async throws(HubError) -> AMQPPolicy? { nil }
  package func refresh(_ key: IdentityKey) async -> Bool { false }
  package func takesTelemetry() -> Bool { true }
  package func links(of peer: AMQPPeer) -> (any AMQPServiceLinks)? { nil }
}

/// A shared access policy, as clients of AMQP show that they have its key.
package struct AMQPPolicy: Sendable {
  package let name: String
  package let rights: AccessRights
  package let keys: [SymmetricKey]

  package init(name: String, rights: AccessRights, keys: [SymmetricKey]) {
    self.name = name
    self.rights = rights
    self.keys = keys
  }
}

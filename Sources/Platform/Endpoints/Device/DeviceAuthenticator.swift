import ByteIO
package import HubContract
package import MQTT
import Platform

/// Decides who a connecting device is (contract "Credentials", "CONNECT").
package struct DeviceAuthenticator: Sendable {
  /// Everything of the registry that a decision needs, read in one view.
  package struct Facts: Sendable {
    /// The device, nil if there is none.
    package var device: DeviceIdentity?
    /// The module that is asked for, nil if there is none.
    package var module: ModuleIdentity?
    /// The policy that a token names, if it may connect devices.
    package var policy: ConnectPolicy?
    /// The verified authorities, DER.
    package var authorities: [[UInt8]]
    /// What the lasting session remembers, nil if there is none.
    package var session: [(filter: String, quality: UInt8)]?

    package init(
      device: DeviceIdentity?,
      module: ModuleIdentity? = nil,
      policy: ConnectPolicy? = nil,
      authorities: [[UInt8]] = [],
      session: [(filter: String, quality: UInt8)]? = nil
    ) {
      self.device = device
      self.module = module
      self.policy = policy
      self.authorities = authorities
      self.session = session
    }
  }

  /// A policy whose keys connect any device.
  package struct ConnectPolicy: Sendable {
    let name: String
    let keys: [SymmetricKey]

    package init(name: String, keys: [SymmetricKey]) {
      self.name = name
      self.keys = keys
    }
  }

  /// Why somebody is turned away; for the log, never for the peer.
  package struct Refusal: Error, Sendable {
    package let code: ConnectReturnCode
    package let reason: String

    package init(_ reason: String, _ code: ConnectReturnCode = .notAuthorized) {
      self.reason = reason
      self.code = code
    }

    /// That nobody can tell now: another try may go better.
    package static func unavailable(_ reason: String) -> Refusal {
      Refusal(reason, .serverUnavailable)
    }

    /// Whether another try may go better.
    package var isUnavailable: Bool { code == .serverUnavailable }
  }

  /// What was proved, and until when.
  package struct Proof: Sendable {
    package let credential: DeviceCredential
    package let method: ConnectionAuthMethod
    /// When the token ends, without the allowance; nil for certificates.
    package let expiry: Timestamp?

    package init(
      credential: DeviceCredential,
      method: ConnectionAuthMethod,
      expiry: Timestamp?
    ) {
      self.credential = credential
      self.method = method
      self.expiry = expiry
    }
  }

  /// How far clocks of devices may be behind.
  package let skewSeconds: Int64
  /// What resumed sessions no longer present.
  private let intermediates = KnownIntermediates()

  package init(skewSeconds: Int64) { self.skewSeconds = skewSeconds }

  /// Judges what a device presents against `facts`.
  ///
  /// - Parameters:
  ///   - key: Who it says it is.
  ///   - host: The hub's name as the device knows it, which its token names too.
  ///   - token: A SAS token, or nil.
  ///   - presented: The presented chain.
  ///   - facts: What the registry knows.
  ///   - now: The time.
  /// - Returns: What was proved.
  /// - Throws: Why the device is turned away.
  package func judge(
    _ key: IdentityKey,
    host: String,
    token: SharedAccessSignature?,
    chain presented: PresentedChain,
    facts: Facts,
    now: Timestamp
  ) async throws(Refusal) -> Proof {
    guard let device = facts.device else { throw Refusal("unknown device") }
    guard device.status == .enabled else { throw Refusal("disabled device") }
    let authentication: Authentication
    if key.moduleID == nil {
      authentication = device.authentication
    } else {
      guard let module = facts.module else { throw Refusal("unknown module") }
      authentication = module.authentication
    }
    let scope: ConnectionAuthMethod.Scope = key.moduleID == nil ? .device : .module
    if let token {
      return try judge(token, key, host, authentication, facts.policy, scope, now)
    }
    let chain = presented.certificates.compactMap { PresentedCertificate($0) }
    guard let leaf = chain.first else { throw Refusal("no token and no certificate") }
    guard leaf.isValid(at: now.seconds) else { throw Refusal("certificate not valid now") }
    switch authentication {
    case .selfSigned(let primary, let secondary):
      guard let sha1 = Thumbprint(hex: leaf.sha1Thumbprint),
        let sha256 = Thumbprint(hex: leaf.sha256Thumbprint),
        [primary, secondary].compactMap({ $0 }).contains(where: { [sha1, sha256].contains($0) })
      else { throw Refusal("thumbprint of another certificate") }
      return Proof(
        credential: .thumbprint(sha1: sha1, sha256: sha256),
        method: ConnectionAuthMethod(scope: scope, type: .x509, issuer: .iothub),
        expiry: nil
      )
    case .certificateAuthority:
      let names = [key.clientID, key.deviceID]
      guard let name = leaf.commonName, names.contains(name) else {
        throw Refusal("certificate for another name")
      }
      let roots = facts.authorities.compactMap { PresentedCertificate($0) }
      guard
        let path = await leaf.path(
          among: roots,
          through: presented.isResumed
            ? intermediates.all
            : Array(chain.dropFirst().prefix(PresentedCertificate.longestPath)),
          at: now.seconds
        ),
        let thumbprint = Thumbprint(hex: path.root.sha256Thumbprint)
      else { throw Refusal("certificate leads to no verified authority") }
      intermediates.remember(path.intermediates)
      return Proof(
        credential: .authority(sha256: thumbprint),
        method: ConnectionAuthMethod(scope: scope, type: .x509, issuer: .external),
        expiry: nil
      )
    case .sas, .none: throw Refusal("identity does not use certificates")
    }
  }

  private func judge(
    _ token: SharedAccessSignature,
    _ key: IdentityKey,
    _ host: String,
    _ authentication: Authentication,
    _ policy: ConnectPolicy?,
    _ scope: ConnectionAuthMethod.Scope,
    _ now: Timestamp
  ) throws(Refusal) -> Proof {
    let accessed = SASResource(host: host, identity: key)
    guard token.resource.covers(accessed) else { throw Refusal("token for another resource") }
    let candidates: [(SymmetricKey, DeviceCredential)]
    var method = ConnectionAuthMethod(scope: scope, type: .sas)
    if let name = token.policy {
      guard let policy, policy.name == name else {
        throw Refusal("token of a policy that may not connect devices")
      }
      candidates = policy.keys.map { ($0, .policy(name, $0)) }
      method.scope = .hub
    } else {
      guard case .sas(let primary, let secondary) = authentication else {
        throw Refusal("identity does not use tokens")
      }
      candidates = [primary, secondary].map { ($0, .key($0)) }
    }
    for (candidate, credential) in candidates
    where token.isSigned(by: candidate, hmacSHA256: Hashing.hmacSHA256) {
      guard !token.isExpired(now: now, skewSeconds: skewSeconds) else {
        throw Refusal("token expired")
      }
      return Proof(credential: credential, method: method, expiry: token.expiry)
    }
    throw Refusal("token signed with another key")
  }

  /// Whether what a connection proved still holds, apart from the chain that an edge hub acts by.
  package func stillHolds(
    _ credential: DeviceCredential,
    of key: IdentityKey,
    _ facts: Facts
  ) -> Bool {
    guard let device = facts.device, device.status == .enabled else { return false }
    guard
      let authentication = key.moduleID == nil
        ? device.authentication : facts.module?.authentication
    else { return false }
    switch credential {
    case .edgeHub: return false
    case .key(let used):
      guard case .sas(let primary, let secondary) = authentication else { return false }
      return used == primary || used == secondary
    case .thumbprint(let sha1, let sha256):
      guard case .selfSigned(let primary, let secondary) = authentication else { return false }
      return [primary, secondary].compactMap { $0 }.contains { [sha1, sha256].contains($0) }
    case .policy(let name, let used):
      guard let policy = facts.policy, policy.name == name else { return false }
      return policy.keys.contains(used)
    case .authority(let sha256):
      guard case .certificateAuthority = authentication else { return false }
      return facts.authorities.contains {
        Thumbprint(hex: Hex.encode(Hashing.sha256($0))) == sha256
      }
    }
  }
}

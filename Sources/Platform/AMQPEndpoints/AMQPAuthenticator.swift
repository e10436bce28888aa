package import AMQP
import ByteIO
package import Endpoints
package import HubContract
import Platform

/// What a connection's tokens, or its certificate, give access to.
package struct AMQPGrant: Sendable {
  /// Who showed it.
  package enum Holder: Sendable {
    /// A holder of this key of a policy.
    case policy(AMQPPolicy, SymmetricKey)
    /// The identity itself.
    case identity(IdentityKey, DeviceAuthenticator.Proof, DeviceAuthenticator.Facts)
  }

  package let holder: Holder
  /// Everything at or under it is open.
  package let resource: SASResource
  /// When it ends, the allowance for clocks not included; nil for certificates.
  package let expiry: Timestamp?

  /// Who showed it, for the log.
  package var client: String {
    switch holder {
    case .policy(let policy, _): "policy \(policy.name)"
    case .identity(let key, _, _): key.clientID
    }
  }

  /// Whether a link to `address` may be attached, or stay.
  package func allows(_ address: LinkAddress, needing rights: AccessRights) -> Bool {
    guard case .policy(let policy, _) = holder, policy.rights.isSuperset(of: rights) else {
      return false
    }
    let accessed = SASResource(host: resource.host, segments: address.resourceSegments)
    return resource.covers(accessed, ignoringCase: true)
  }

  /// Whether `key` may connect by it.
  package func admits(_ key: IdentityKey) -> Bool {
    switch holder {
    case .identity(let own, _, _): own == key
    case .policy(let policy, _):
      policy.rights.contains(.deviceConnect)
        && resource.covers(SASResource(host: resource.host, identity: key))
    }
  }
}

/// Judges what clients of AMQP show: tokens for `$cbs`, passwords of PLAIN (contract §2.1, §8.1).
package struct AMQPAuthenticator: Sendable {
  private let backend: any AMQPBackend
  /// Where the client is, for the log.
  private var address = "unknown"
  /// What the client is told with each error, for the log.
  private var trackingID: String?

  /// Judges for `backend`.
  package init(backend: any AMQPBackend) { self.backend = backend }

  /// The same for the client at `address`.
  package func judging(peerAt address: String, trackingID: String) -> AMQPAuthenticator {
    var copy = self
    copy.address = address
    copy.trackingID = trackingID
    return copy
  }

  /// Judges a token.
  ///
  /// - Parameters:
  ///   - text: The token.
  ///   - audience: What it is shown for; nil if that was not said.
  /// - Returns: What it gives access to.
  /// - Throws: The answer; which part of a credential was wrong stands in the log alone.
  package func judge(_ text: String, audience: String?) async throws(RequestRefusal) -> AMQPGrant {
    let token: SharedAccessSignature
    do throws(SASFault) {
      token = try SharedAccessSignature(text)
    } catch {
      throw refused("token: \(error)", nil)
    }
    let client =
      token.policy.map { "policy \($0)" } ?? token.resource.segments.joined(separator: "/")
    guard backend.answers(to: token.resource.host) else {
      tell("another hub's name: \(token.resource.host)", of: client)
      throw RequestRefusal(404, "the token is for another hub; check its host name")
    }
    if let audience {
      guard token.resource.covers(SASResource(decoded: audience), ignoringCase: true) else {
        throw refused("token for another audience", client)
      }
    }
    guard let name = token.policy else { return try await identity(token) }
    let policy = try await policy(name)
    let key = policy.keys.first { key in
      // The event endpoint is reached with a policy's key, used as text or decoded.
      [token.resource.keyUse, token.resource.keyUse.other].contains { use in
        token.isSigned(by: key, use: use, hmacSHA256: Hashing.hmacSHA256)
      }
    }
    guard let key else { throw refused("token signed with another key", client) }
    guard !token.isExpired(now: backend.now, skewSeconds: backend.skewSeconds) else {
      throw refused("token expired", client)
    }
    return AMQPGrant(holder: .policy(policy, key), resource: token.resource, expiry: token.expiry)
  }

  /// Judges user name and password of mechanism PLAIN: the password is a token, or a policy's key as
  /// text.
  package func judge(userName: String, password: [UInt8]) async throws(RequestRefusal) -> AMQPGrant
  {
    guard let text = String(validating: password, as: UTF8.self) else {
      throw refused("password is no text", userName)
    }
    if text.utf8.count > 64 { return try await judge(text, audience: nil) }
    let name = userName.split(separator: "@").first.map(String.init) ?? userName
    let policy = try await policy(name)
    let key = policy.keys.first { key in
      ConstantTime.equals(Array(key.base64.utf8), password)
    }
    guard let key else { throw refused("another key", userName) }
    return AMQPGrant(
      holder: .policy(policy, key),
      resource: SASResource(host: backend.hostName),
      expiry: nil
    )
  }

  private func policy(_ name: String) async throws(RequestRefusal) -> AMQPPolicy {
    let found: AMQPPolicy?
    do throws(HubError) {
      found = try await backend.policy(name)
    } catch {
      throw RequestRefusal(503, "the registry can't be read")
    }
    guard let found else { throw refused("unknown policy", "policy \(name)") }
    return found
  }

  /// A token that a device or module signed for itself.
  private func identity(_ token: SharedAccessSignature) async throws(RequestRefusal) -> AMQPGrant {
    let segments = token.resource.segments
    guard segments.count >= 2, segments[0].lowercased() == "devices" else {
      throw refused("token of no policy", segments.joined(separator: "/"))
    }
    var key = IdentityKey(deviceID: segments[1])
    if segments.count >= 4, segments[2].lowercased() == "modules" {
      key = IdentityKey(deviceID: segments[1], moduleID: segments[3])
    }
    return try await identity(key, token: token, chain: PresentedChain([]))
  }

  /// Judges a device or module by its token, or by the certificate of its connection.
  func identity(
    _ key: IdentityKey,
    token: SharedAccessSignature?,
    chain: PresentedChain
  ) async throws(RequestRefusal) -> AMQPGrant {
    guard key.isValid else { throw refused("no identity", key.clientID) }
    do throws(DeviceAuthenticator.Refusal) {
      return try await judge(key, token, chain)
    } catch {
      guard await backend.refresh(key) else { throw refused(error, key) }
    }
    do throws(DeviceAuthenticator.Refusal) {
      return try await judge(key, token, chain)
    } catch {
      throw refused(error, key)
    }
  }

  private func judge(
    _ key: IdentityKey,
    _ token: SharedAccessSignature?,
    _ chain: PresentedChain
  ) async throws(DeviceAuthenticator.Refusal) -> AMQPGrant {
    let facts: DeviceAuthenticator.Facts
    do throws(HubError) {
      facts = try await backend.facts(of: key, policy: token?.policy)
    } catch {
      throw DeviceAuthenticator.Refusal.unavailable("the registry can't be read")
    }
    let host = token?.resource.host ?? backend.hostName
    let proof = try await backend.judge(
      key,
      host: host,
      token: token,
      chain: chain,
      facts: facts,
      now: backend.now
    )
    return AMQPGrant(
      holder: .identity(key, proof, facts),
      resource: SASResource(host: host, identity: key),
      expiry: proof.expiry
    )
  }

  private func refused(
    _ refusal: DeviceAuthenticator.Refusal,
    _ key: IdentityKey
  ) -> RequestRefusal {
    guard !refusal.isUnavailable else {
      return RequestRefusal(503, "the registry can't be read")
    }
    return refused(refusal.reason, key.clientID)
  }

  /// Decides whether a device or module may connect by one of `grants`, or by the connection's
  /// certificate: by what is its own, or the edge hub's that the wish says is acting for it.
  ///
  /// Nil if not; why stands in the log.
  func admit(
    _ wish: AdmissionWish,
    _ grants: [AMQPGrant],
    _ chain: PresentedChain
  ) async -> AdmittedDevice? {
    // Read before the registry: a change in between makes the admission look older than it is.
    let epoch = backend.epoch
    let key = wish.identity
    guard let authChain = wish.authChain, !grants.contains(where: { $0.admits(key) }) else {
      guard let (proof, facts) = await prove(key, grants, chain) else { return nil }
      return await device(wish, proof, facts, epoch)
    }
    let edge: IdentityKey
    let facts: DeviceAuthenticator.Facts
    do throws(HubError) {
      edge = try await backend.edgeHub(actingFor: key, authChain: authChain)
      facts = try await backend.facts(of: key, policy: nil)
    } catch {
      tell("auth-chain leads to no enabled edge device", of: key.clientID)
      return nil
    }
    guard key.moduleID == nil || facts.module != nil else {
      tell("unknown module", of: key.clientID)
      return nil
    }
    guard let (proof, _) = await prove(edge, grants, chain) else { return nil }
    let acting = DeviceAuthenticator.Proof(
      credential: .edgeHub(authChain: authChain, proof.credential),
      method: proof.method,
      expiry: proof.expiry
    )
    return await device(wish, acting, facts, epoch)
  }

  /// What proves the identity: one of `grants`, or its certificate.
  private func prove(
    _ key: IdentityKey,
    _ grants: [AMQPGrant],
    _ chain: PresentedChain
  ) async -> (DeviceAuthenticator.Proof, DeviceAuthenticator.Facts)? {
    for grant in grants where grant.admits(key) {
      let (credential, method): (DeviceCredential, ConnectionAuthMethod)
      var name: String?
      switch grant.holder {
      case .identity(_, let proof, _): (credential, method) = (proof.credential, proof.method)
      case .policy(let policy, let used):
        name = policy.name
        credential = .policy(policy.name, used)
        method = ConnectionAuthMethod(scope: .hub, type: .sas)
      }
      guard let facts = try? await backend.facts(of: key, policy: name),
        backend.stillHolds(credential, of: key, facts)
      else { continue }
      let proof = DeviceAuthenticator.Proof(
        credential: credential,
        method: method,
        expiry: grant.expiry
      )
      return (proof, facts)
    }
    guard !chain.certificates.isEmpty else {
      tell("no token and no certificate", of: key.clientID)
      return nil
    }
    guard let grant = try? await identity(key, token: nil, chain: chain),
      case .identity(_, let proof, let facts) = grant.holder
    else { return nil }
    return (proof, facts)
  }

  private func device(
    _ wish: AdmissionWish,
    _ proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    _ epoch: UInt64
  ) async -> AdmittedDevice? {
    do throws(DeviceAuthenticator.Refusal) {
      return try await backend.admit(wish, by: proof, facts, epoch: epoch)
    } catch {
      tell(error.reason, of: wish.identity.clientID)
      return nil
    }
  }

  /// Whether the policies that grants stand on still have the keys that were used.
  package func stillHold(_ grants: [AMQPGrant]) async -> [Bool] {
    var result: [Bool] = []
    for grant in grants {
      guard case .policy(let policy, let key) = grant.holder else {
        result.append(true)
        continue
      }
      let found = try? await backend.policy(policy.name)
      result.append(
        found.map { $0.keys.contains(key) && $0.rights == policy.rights } ?? false
      )
    }
    return result
  }

  /// Tells that a client which calls itself `client` was refused something, and why.
  package func tell(_ reason: String, of client: String?) {
    backend.refused(
      reason,
      client: client ?? "unknown",
      address: address,
      trackingID: trackingID
    )
  }

  private func refused(_ reason: String, _ client: String?) -> RequestRefusal {
    tell(reason, of: client)
    return RequestRefusal(401, "the token is not valid for this resource")
  }
}

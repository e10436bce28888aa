package import AMQP
import ByteIO
import Endpoints
package import HubContract
package import HubEngine
import Logging
import Platform

/// What a connection's tokens, or its certificate, give access to.
package struct AMQPGrant: Sendable {
  /// Who showed it.
  enum Holder: Sendable {
    /// A holder of this key of a policy.
    case policy(PolicyRecord, SymmetricKey)
    /// The identity itself.
    case identity(IdentityKey, DeviceAuthenticator.Proof, DeviceAuthenticator.Facts)
  }

  let holder: Holder
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
  let hub: Hub
  let policies: PolicyCache
  /// Where the client is, for the log.
  private var address = "unknown"
  /// What the client is told with each error, for the log.
  private var trackingID: String?

  /// Judges for `hub`.
  package init(hub: Hub) {
    self.hub = hub
    policies = PolicyCache(hub: hub)
  }

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
    guard hub.answers(to: token.resource.host) else {
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
    let key = [policy.primaryKey, policy.secondaryKey].first { key in
      // The event endpoint is reached with a policy's key, used as text or decoded.
      [token.resource.keyUse, token.resource.keyUse.other].contains { use in
        token.isSigned(by: key, use: use, hmacSHA256: Hashing.hmacSHA256)
      }
    }
    guard let key else { throw refused("token signed with another key", client) }
    guard !token.isExpired(now: hub.now, skewSeconds: Int64(hub.settings.skewSeconds)) else {
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
    let key = [policy.primaryKey, policy.secondaryKey].first { key in
      ConstantTime.equals(Array(key.base64.utf8), password)
    }
    guard let key else { throw refused("another key", userName) }
    let host = hub.settings.names.first ?? ""
    return AMQPGrant(
      holder: .policy(policy, key),
      resource: SASResource(host: host),
      expiry: nil
    )
  }

  private func policy(_ name: String) async throws(RequestRefusal) -> PolicyRecord {
    let found: PolicyRecord?
    do throws(HubError) {
      found = try await policies.policy(name)
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
    let facts: DeviceAuthenticator.Facts
    do throws(HubError) {
      facts = try await hub.facts(of: key, policy: token?.policy)
    } catch {
      throw RequestRefusal(503, "the registry can't be read")
    }
    let host = token?.resource.host ?? hub.settings.names.first ?? ""
    do throws(DeviceAuthenticator.Refusal) {
      let proof = try await hub.judge(
        key,
        host: host,
        token: token,
        chain: chain,
        facts: facts,
        now: hub.now
      )
      return AMQPGrant(
        holder: .identity(key, proof, facts),
        resource: SASResource(host: host, identity: key),
        expiry: proof.expiry
      )
    } catch {
      throw refused(error.reason, key.clientID)
    }
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
    let epoch = hub.directory.epoch
    let key = wish.identity
    guard let authChain = wish.authChain, !grants.contains(where: { $0.admits(key) }) else {
      guard let (proof, facts) = await prove(key, grants, chain) else { return nil }
      return await device(wish, proof.credential, proof, facts, epoch)
    }
    let edge: IdentityKey
    let facts: DeviceAuthenticator.Facts
    do throws(HubError) {
      edge = try await hub.store.read { view throws(HubError) in
        try view.actingEdgeDevice(for: key, authChain: authChain).edgeHub
      }
      facts = try await hub.facts(of: key, policy: nil)
    } catch {
      tell("auth-chain leads to no enabled edge device", of: key.clientID)
      return nil
    }
    guard key.moduleID == nil || facts.module != nil else {
      tell("unknown module", of: key.clientID)
      return nil
    }
    guard let (proof, _) = await prove(edge, grants, chain) else { return nil }
    let credential = DeviceCredential.edgeHub(authChain: authChain, proof.credential)
    return await device(wish, credential, proof, facts, epoch)
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
      guard let facts = try? await hub.facts(of: key, policy: name),
        hub.authenticator.stillHolds(credential, of: key, facts)
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
    _ credential: DeviceCredential,
    _ proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    _ epoch: UInt64
  ) async -> AdmittedDevice {
    let key = wish.identity
    if let model = wish.modelID {
      _ = try? await hub.store.write { engine throws(HubError) in
        try engine.setModelID(model, of: key)
      }
    }
    let generation = key.moduleID == nil ? facts.device?.generationID : facts.module?.generationID
    return AdmittedDevice(
      identity: key,
      credential: credential,
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

  /// Whether the policies that grants stand on still have the keys that were used.
  package func stillHold(_ grants: [AMQPGrant]) async -> [Bool] {
    var result: [Bool] = []
    for grant in grants {
      guard case .policy(let policy, let key) = grant.holder else {
        result.append(true)
        continue
      }
      let found = try? await policies.policy(policy.name)
      result.append(
        found.map {
          [$0.primaryKey, $0.secondaryKey].contains(key) && $0.rights == policy.rights
        } ?? false
      )
    }
    return result
  }

  /// Tells that a client which calls itself `client` was refused something, and why.
  func tell(_ reason: String, of client: String?) {
    hub.refusals.tell(
      .amqp,
      "credential refused",
      client: client ?? "unknown",
      address: address,
      reason: reason,
      trackingID: trackingID
    )
  }

  private func refused(_ reason: String, _ client: String?) -> RequestRefusal {
    tell(reason, of: client)
    return RequestRefusal(401, "the token is not valid for this resource")
  }
}

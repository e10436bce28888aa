import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import Platform
import Synchronization

/// The policies in memory, so that a request's token costs no read of the database.
final class PolicyCache: Sendable {
  private struct State {
    var epoch: UInt64?
    var policies: [String: PolicyRecord] = [:]
  }

  private let hub: Hub
  private let state = Mutex(State())

  init(hub: Hub) { self.hub = hub }

  /// The policy called `name` as of the last change of any, nil if there is none.
  func policy(_ name: String) async throws(HubError) -> PolicyRecord? {
    // Read before the policies: a change in between makes the copy look older than it is.
    let epoch = hub.policyChanges.load(ordering: .acquiring)
    let known = state.withLock { $0.epoch == epoch ? $0.policies : nil }
    if let known { return known[name] }
    let all = try await hub.store.read { view throws(HubError) in try view.policies() }
    return state.withLock { state in
      state.epoch = epoch
      state.policies = Dictionary(all.map { ($0.name, $0) }) { _, last in last }
      return state.policies[name]
    }
  }
}

/// Decides who a request comes from and whether its route is open to them (contract "Credentials").
struct RESTAuthenticator: Sendable {
  let hub: Hub
  let policies: PolicyCache

  /// The caller of a request to `route`.
  ///
  /// - Throws: 401001 for another hub's name, 401002 for a missing right, 401003 for everything that
  ///   is wrong with a credential; which it was stands in the log alone.
  func caller(
    of route: RESTRoute,
    authorization: String?,
    target: RequestTarget,
    parameters: [String: String],
    connection: RESTConnection,
    now: Timestamp
  ) async throws -> Caller {
    switch route.access {
    case .open, .registration: return .anyone
    case .policy(let rights):
      return try await policy(authorization, rights, target, now)
    case .policyOrOwnEdge(let rights):
      if Self.adminToken(in: authorization) != nil {
        return try await policy(authorization, rights, target, now)
      }
      let token = try token(authorization)
      if token?.policy != nil { return try await policy(authorization, rights, target, now) }
      let key = IdentityKey(deviceID: parameters["deviceId"] ?? "")
      let (caller, facts) = try await identity(key, token, connection, now)
      guard facts.device?.isEdge == true else { throw refused("no edge device") }
      return .identity(caller)
    case .edgeHub:
      let token = try token(authorization)
      // The answers hold the keys of others, which a right to connect devices does not cover.
      guard token?.policy == nil else { throw refused("token of a policy") }
      let key = IdentityKey(deviceID: parameters["deviceId"] ?? "", moduleID: ModuleID.edgeHub)
      let (caller, facts) = try await identity(key, token, connection, now)
      guard facts.device?.isEdge == true else { throw refused("no edge device") }
      return .identity(caller)
    case .identity:
      let key = IdentityKey(
        deviceID: parameters["deviceId"] ?? "",
        moduleID: parameters["moduleId"]
      )
      return .identity(try await identity(key, try token(authorization), connection, now).0)
    }
  }

  /// What is presented as the admin token, nil if the header is of another scheme.
  private static func adminToken(in authorization: String?) -> [UInt8]? {
    let scheme = "bearer "
    guard let authorization, authorization.prefix(scheme.count).lowercased() == scheme else {
      return nil
    }
    return [UInt8](authorization.dropFirst(scheme.count).utf8)
  }

  private func token(_ authorization: String?) throws(RESTRefusal) -> SharedAccessSignature? {
    guard let authorization, !authorization.isEmpty else { return nil }
    do throws(SASFault) {
      return try SharedAccessSignature(authorization)
    } catch {
      throw refused("token: \(error)")
    }
  }

  private func policy(
    _ authorization: String?,
    _ rights: AccessRights,
    _ target: RequestTarget,
    _ now: Timestamp
  ) async throws -> Caller {
    if let presented = Self.adminToken(in: authorization) {
      guard ConstantTime.equals(presented, [UInt8](hub.adminToken.utf8)) else {
        throw refused("another admin token")
      }
      return .administrator
    }
    guard let token = try token(authorization) else { throw refused("no token") }
    guard let name = token.policy else { throw refused("token of no policy") }
    guard hub.answers(to: token.resource.host) else {
      throw otherHub(token)
    }
    guard let policy = try await policies.policy(name) else { throw refused("unknown policy") }
    let isSigned = [policy.primaryKey, policy.secondaryKey].contains { key in
      token.isSigned(by: key, hmacSHA256: Hashing.hmacSHA256)
    }
    guard isSigned else { throw refused("token signed with another key") }
    let skew = Int64(hub.settings.skewSeconds)
    guard !token.isExpired(now: now, skewSeconds: skew) else { throw refused("token expired") }
    let accessed = SASResource(host: token.resource.host, segments: target.segments)
    guard token.resource.covers(accessed) else { throw refused("token for another resource") }
    try policy.authorize(rights)
    return .policy(policy)
  }

  private func identity(
    _ key: IdentityKey,
    _ token: SharedAccessSignature?,
    _ connection: RESTConnection,
    _ now: Timestamp
  ) async throws -> (DeviceCaller, DeviceAuthenticator.Facts) {
    guard key.isValid else { throw refused("no identity") }
    if let token, !hub.answers(to: token.resource.host) { throw otherHub(token) }
    let chain = token == nil ? await connection.presentedChain() : PresentedChain([])
    guard token != nil || !chain.certificates.isEmpty else {
      throw refused("no token and no certificate")
    }
    let facts = try await hub.facts(of: key, policy: token?.policy)
    do throws(DeviceAuthenticator.Refusal) {
      let proof = try await hub.judge(
        key,
        host: token?.resource.host ?? "",
        token: token,
        chain: chain,
        facts: facts,
        now: now
      )
      let caller = DeviceCaller(
        identity: key,
        method: proof.method,
        generationID: key.moduleID == nil
          ? facts.device?.generationID : facts.module?.generationID
      )
      return (caller, facts)
    } catch {
      throw refused(error.reason)
    }
  }

  private func otherHub(_ token: SharedAccessSignature) -> RESTRefusal {
    var refusal = RESTRefusal(
      HubError(.iotHubNotFound, "The token is for another hub; check its host name.")
    )
    refusal.credentialFault = "another hub's name: \(token.resource.host)"
    return refusal
  }

  private func refused(_ reason: String) -> RESTRefusal {
    var refusal = RESTRefusal.unauthorized
    refusal.credentialFault = reason
    return refusal
  }

  /// Who a request says it comes from, for the log; it may have written anything.
  static func claimedClient(
    of route: RESTRoute,
    authorization: String?,
    parameters: [String: String]
  ) -> String {
    if adminToken(in: authorization) != nil { return "administrator" }
    if let token = authorization.flatMap({ try? SharedAccessSignature($0) }),
      let name = token.policy
    {
      return "policy \(name)"
    }
    switch route.access {
    case .open, .policy: return "unknown"
    case .registration: return parameters["registrationId"] ?? "unknown"
    case .identity, .policyOrOwnEdge, .edgeHub:
      return IdentityKey(
        deviceID: parameters["deviceId"] ?? "",
        moduleID: parameters["moduleId"]
      ).clientID
    }
  }
}

import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import MQTT
import Platform

/// Who may connect, and for whom an edge hub below may act.
extension LocalHub {
  func admit(
    _ request: DeviceConnectRequest,
    reply: @escaping @Sendable (DeviceAdmission) -> Void
  ) {
    // Answers the connection, which has a deadline of its own.
    Task {
      do throws(DeviceAuthenticator.Refusal) {
        reply(.accepted(try await judge(request)))
      } catch {
        if let key = (try? DeviceClaim(request))?.identity {
          figures.turnedAway(key, isKnown: scope.isKnown(key), reason: "\(error.code)")
        }
        reply(.refused(error.code, reason: error.reason))
      }
    }
  }

  private func judge(
    _ request: DeviceConnectRequest
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice {
    typealias Refusal = DeviceAuthenticator.Refusal
    let claim = try DeviceClaim(request)
    let key = claim.identity
    guard answers(to: claim.name.host) else {
      throw Refusal("another hub's name: \(claim.name.host)")
    }
    guard directory[key] != nil || directory.count < options.variables.maxConnectedClients else {
      throw Refusal("MaxConnectedClients are connected", .serverUnavailable)
    }
    do throws(Refusal) {
      return try await admit(claim, request)
    } catch {
      // Its keys may be others by now, or it may be new: the hub above knows, if it is there.
      guard await scope.look(for: claim.prover) == .answered else { throw error }
      return try await admit(claim, request)
    }
  }

  private func admit(
    _ claim: DeviceClaim,
    _ request: DeviceConnectRequest
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice {
    let epoch = directory.epoch
    let key = claim.identity
    let facts = scope.facts(of: key)
    let now = store.calendar
    let host =
      claim.token.map(\.resource.host).flatMap { answers(to: $0) ? $0 : nil } ?? claim.name.host
    let proof = try await prove(claim, host, request.chain, facts, now)
    return admitted(
      key,
      by: proof,
      facts,
      modelID: claim.name.modelID,
      session: sessions[key],
      epoch: epoch
    )
  }

  /// A client that has proved who it is, as of the change `epoch`.
  func admitted(
    _ key: IdentityKey,
    by proof: DeviceAuthenticator.Proof,
    _ facts: DeviceAuthenticator.Facts,
    modelID: String?,
    session: [(filter: String, quality: UInt8)]?,
    epoch: UInt64
  ) -> AdmittedDevice {
    let now = store.calendar
    let generation = key.moduleID == nil ? facts.device?.generationID : facts.module?.generationID
    return AdmittedDevice(
      identity: key,
      credential: proof.credential,
      stamp: EventStamp(
        identity: key,
        authMethod: proof.method,
        generationID: generation,
        modelID: modelID
      ),
      partition: 0,
      session: session,
      expiry: proof.expiry.map { expiry in
        let left =
          expiry.adding(seconds: authenticator.skewSeconds).milliseconds - now.milliseconds
        return SystemClock.now().adding(milliseconds: UInt64(clamping: left))
      },
      epoch: epoch
    )
  }

  /// Whether a client that says `host` means this edge: by the name of the hub above, or its own.
  func answers(to host: String) -> Bool {
    let host = host.lowercased()
    return host == identity.hubHostName.lowercased()
      || options.names.contains { $0.lowercased() == host }
  }

  func judge(
    _ key: IdentityKey,
    host: String,
    token: SharedAccessSignature?,
    chain: PresentedChain,
    facts: DeviceAuthenticator.Facts,
    now: Timestamp
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof {
    guard key.moduleID == nil || token != nil else {
      throw DeviceAuthenticator.Refusal("modules connect by token")
    }
    let proof = try await authenticator.judge(
      key,
      host: host,
      token: token,
      chain: chain,
      facts: facts,
      now: now
    )
    if case .authority = proof.credential,
      let leaf = chain.certificates.first.flatMap({ PresentedCertificate($0) }),
      let reason = leaf.refusalAsLeafDevice
    {
      throw DeviceAuthenticator.Refusal(reason)
    }
    return proof
  }

  /// What the connection proves: the identity's own credential, or that of the edge hub below which the
  /// user name says is acting for it (edge contract section 9.3).
  private func prove(
    _ claim: DeviceClaim,
    _ host: String,
    _ chain: PresentedChain,
    _ facts: DeviceAuthenticator.Facts,
    _ now: Timestamp
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof {
    guard let authChain = claim.actingChain else {
      return try await judge(
        claim.identity,
        host: host,
        token: claim.token,
        chain: chain,
        facts: facts,
        now: now
      )
    }
    guard let edge = scope.actingEdge(for: claim.identity, authChain: authChain) else {
      throw DeviceAuthenticator.Refusal("auth-chain leads to no enabled edge below this one")
    }
    let edgeHub = IdentityKey(deviceID: edge, moduleID: ModuleID.edgeHub)
    let proof = try await judge(
      edgeHub,
      host: host,
      token: claim.token,
      chain: chain,
      facts: scope.facts(of: edgeHub),
      now: now
    )
    return DeviceAuthenticator.Proof(
      credential: .edgeHub(authChain: authChain, proof.credential),
      method: proof.method,
      expiry: proof.expiry
    )
  }

  /// Whether what a connection stands on is still so.
  func stillHolds(_ device: AdmittedDevice) -> Bool {
    let key = device.identity
    guard scope.isAllowed(key) else { return false }
    guard case .edgeHub(let chain, let proved) = device.credential else {
      return authenticator.stillHolds(device.credential, of: key, scope.facts(of: key))
    }
    guard let edge = scope.actingEdge(for: key, authChain: chain) else { return false }
    let edgeHub = IdentityKey(deviceID: edge, moduleID: ModuleID.edgeHub)
    return authenticator.stillHolds(proved, of: edgeHub, scope.facts(of: edgeHub))
  }

  // MARK: Edges below

  func sender(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<ChildSender>) -> Void
  ) {
    judge(child, device, reply) { [self] _ in
      ChildSender(
        stamp: stamp(child, by: device),
        partition: 0,
        end: SystemClock.now().adding(milliseconds: Self.childMilliseconds)
      )
    }
  }

  func admit(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<AdmittedDevice>) -> Void
  ) {
    // Read before the scope: a change in between makes the admission look older than it is.
    let epoch = directory.epoch
    judge(child, device, reply) { [self] chain in
      AdmittedDevice(
        identity: child,
        credential: .edgeHub(authChain: chain, device.credential),
        stamp: stamp(child, by: device),
        partition: 0,
        session: nil,
        expiry: nil,
        epoch: epoch
      )
    }
  }

  /// For how long an edge below may send for a child that has been moved or disabled.
  private static var childMilliseconds: UInt64 { 4_000 }

  /// Answers what `make` makes of the chain by which the edge hub that `device` is may act for `child`.
  private func judge<Standing>(
    _ child: IdentityKey,
    _ device: AdmittedDevice,
    _ reply: @escaping @Sendable (ChildAnswer<Standing>) -> Void,
    _ make: @escaping @Sendable ([String]) -> Standing
  ) {
    let edge = device.identity.deviceID
    if let chain = scope.standing(of: child, below: edge) { return reply(.accepted(make(chain))) }
    // Answers the connection, which waits for it and ends by itself.
    Task {
      // It may be new: what is refused is lost, so the hub above is asked first.
      await scope.look(for: child, isForEdge: true)
      let chain = scope.standing(of: child, below: edge)
      reply(chain.map { .accepted(make($0)) } ?? .refused)
    }
  }

  private func stamp(_ child: IdentityKey, by device: AdmittedDevice) -> EventStamp {
    let facts = scope.facts(of: child)
    return EventStamp(
      identity: child,
      authMethod: device.stamp.parts.authMethod,
      generationID: child.moduleID == nil
        ? facts.device?.generationID : facts.module?.generationID
    )
  }
}

extension DeviceClaim {
  /// The chain by which an edge hub connects for the identity; nil for who connects by itself.
  fileprivate var actingChain: [String]? {
    guard let chain = name.authChain,
      let token, !token.resource.covers(SASResource(host: token.resource.host, identity: identity))
    else { return nil }
    return chain
  }

  /// Whose keys prove the claim.
  fileprivate var prover: IdentityKey {
    guard let last = actingChain?.last.flatMap({ IdentityKey(clientID: $0) }) else {
      return identity
    }
    return IdentityKey(deviceID: last.deviceID, moduleID: ModuleID.edgeHub)
  }
}

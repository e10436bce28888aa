import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import Logging
import MQTT
import Platform
import Synchronization

extension LocalHub: DeviceBackend {
  func admit(
    _ request: DeviceConnectRequest,
    reply: @escaping @Sendable (DeviceAdmission) -> Void
  ) {
    // Answers the connection, which has a deadline of its own.
    Task {
      do throws(DeviceAuthenticator.Refusal) {
        reply(.accepted(try await judge(request)))
      } catch {
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
      guard await scope.refresh(key) else { throw error }
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
    guard key.moduleID == nil || claim.token != nil else {
      throw DeviceAuthenticator.Refusal("modules connect by token")
    }
    let now = store.calendar
    let host =
      claim.token.map(\.resource.host).flatMap { answers(to: $0) ? $0 : nil } ?? claim.name.host
    let proof = try await authenticator.judge(
      key,
      host: host,
      token: claim.token,
      chain: request.chain,
      facts: facts,
      now: now
    )
    let generation = key.moduleID == nil ? facts.device?.generationID : facts.module?.generationID
    return AdmittedDevice(
      identity: key,
      credential: proof.credential,
      stamp: EventStamp(
        identity: key,
        authMethod: proof.method,
        generationID: generation,
        modelID: claim.name.modelID
      ),
      partition: 0,
      session: sessions[key],
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

  func established(_ handle: DeviceHandle, _ device: AdmittedDevice) -> Bool {
    let now = store.calendar
    guard case .entered(let old) = directory.enter(handle, device, now: now) else { return false }
    let key = device.identity
    if let old {
      old.drop(.takenOver)
      methods.connectionLost(key)
    }
    clients.withLock { $0.connected(key, now: now) }
    twins.connected(key, handle)
    return true
  }

  func sender(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<ChildSender>) -> Void
  ) {
    guard chain(from: child, through: device) != nil else { return reply(.refused) }
    reply(
      .accepted(
        ChildSender(
          stamp: stamp(child, by: device),
          partition: 0,
          end: SystemClock.now().adding(milliseconds: Self.childMilliseconds)
        )
      )
    )
  }

  func admit(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<AdmittedDevice>) -> Void
  ) {
    let epoch = directory.epoch
    guard let chain = chain(from: child, through: device) else { return reply(.refused) }
    reply(
      .accepted(
        AdmittedDevice(
          identity: child,
          credential: .edgeHub(authChain: chain, device.credential),
          stamp: stamp(child, by: device),
          partition: 0,
          session: nil,
          expiry: nil,
          epoch: epoch
        )
      )
    )
  }

  /// For how long an edge below may send for a child that has been moved or disabled.
  private static var childMilliseconds: UInt64 { 4_000 }

  /// The way from `child` up to the edge below that `device` is; nil if it is not below that one, or
  /// may not connect.
  private func chain(from child: IdentityKey, through device: AdmittedDevice) -> [String]? {
    guard let chain = scope.chain(from: child), scope.isAllowed(child),
      let index = chain.firstIndex(of: device.identity.deviceID)
    else { return nil }
    return Array(chain[...index])
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

  func ended(_ handle: DeviceHandle, _ device: AdmittedDevice) {
    let key = device.identity
    guard directory.leave(handle, key) else { return }
    methods.connectionLost(key)
    clients.withLock { $0.disconnected(key, now: store.calendar) }
    twins.disconnected(key)
    commands.disconnected(key)
  }

  func remember(
    _ subscriptions: [(filter: String, quality: UInt8)]?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  ) {
    sessions.set(subscriptions, of: identity, reply: reply)
  }

  func desiredSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    twins.desiredWanted(identity)
  }

  func methodsSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.subscribed(identity, handle)
    commands.methodsWanted(identity)
  }

  func methodsUnsubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.unsubscribed(identity, handle)
    commands.methodsUnwanted(identity)
  }

  func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void) {
    twins.twin(of: identity, reply: reply)
  }

  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    onVersion: Int64?,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {
    twins.patchReported(body, of: identity, reply: reply)
  }

  func methodAnswered(
    requestID: [UInt8],
    status: Int?,
    body: [UInt8],
    by identity: IdentityKey
  ) {
    methods.answered(requestID: requestID, status: status, body: body, by: identity)
  }

  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  ) {
    commands.takeCloudToDevice(handle, of: identity, limit: limit, reply: reply)
  }

  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    commands.returnCloudToDevice(token: token, of: identity)
  }

  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    commands.completeCloudToDevice(token: token, of: identity)
  }

  func openInputs(_ handle: DeviceHandle, of identity: IdentityKey) -> (any InputFeed)? {
    guard identity.moduleID != nil else { return nil }
    return ModuleFeed(identity, store: store) { [weak handle] in handle?.inputsWait() }
  }
}

import ByteIO
package import Endpoints
package import HubContract
import HubEngine
import JSONTree
package import Logging
import MQTT
package import NIOCore
import Platform

extension Hub: DeviceBackend {
  /// For how long an edge hub may send for a child that has been moved or disabled (contract §3.2).
  private static var childMilliseconds: UInt64 { 4_000 }

  package func admit(
    _ request: DeviceConnectRequest,
    reply: @escaping @Sendable (DeviceAdmission) -> Void
  ) {
    if faults.strike(.refuseConnections, deviceID: request.deviceID) != nil {
      return reply(.refused(.serverUnavailable, reason: "injected fault"))
    }
    guard !events.isSuspended else {
      return reply(.refused(.serverUnavailable, reason: "the message log takes no events"))
    }
    guard request.isJudgedAgain || throttles.allows(.connections) else {
      return reply(.refused(.serverUnavailable, reason: "throttle.connects_per_second"))
    }
    // Answers the connection, which has a deadline of its own.
    Task {
      do throws(DeviceAuthenticator.Refusal) {
        if let name = request.userName.flatMap({ ProvisioningUserName($0) }) {
          return reply(.provisioning(try await client(name, request)))
        }
        reply(.accepted(try await judge(request)))
      } catch {
        if error.code != .serverUnavailable { refusals.count(.mqtt) }
        reply(.refused(error.code, reason: error.reason))
      }
    }
  }

  /// The device of a connection to the provisioning service (contract "Device Provisioning Service").
  private func client(
    _ name: ProvisioningUserName,
    _ request: DeviceConnectRequest
  ) async throws(DeviceAuthenticator.Refusal) -> any ProvisioningClient {
    guard request.clientID.elementsEqual(name.registrationID.utf8) else {
      throw DeviceAuthenticator.Refusal(
        "client ID is not the registration ID",
        .identifierRejected
      )
    }
    return try await registrant(name, token: request.password, chain: request.chain)
  }

  /// The device that may register as `name`, by a token or else its certificate.
  ///
  /// - Throws: Why it may not.
  func registrant(
    _ name: ProvisioningUserName,
    token: [UInt8]?,
    chain: PresentedChain
  ) async throws(DeviceAuthenticator.Refusal) -> ProvisioningSession {
    typealias Refusal = DeviceAuthenticator.Refusal
    guard let provisioning, name.scope.lowercased() == provisioning.scope.lowercased() else {
      throw Refusal("another ID scope")
    }
    let now = now
    do throws(HubError) {
      let credential = try await provisioning.credential(token: token, chain: chain, now: now)
      try await provisioning.admit(name.registrationID, credential, now: now)
      return ProvisioningSession(provisioning, name.registrationID, credential)
    } catch {
      guard error.code.httpStatus == 401 else {
        throw Refusal("\(error)", .serverUnavailable)
      }
      throw Refusal("registration: unknown, disabled or not proved")
    }
  }

  private func judge(
    _ request: DeviceConnectRequest
  ) async throws(DeviceAuthenticator.Refusal) -> AdmittedDevice {
    typealias Refusal = DeviceAuthenticator.Refusal
    let epoch = directory.epoch
    let claim = try DeviceClaim(request)
    let (key, name, token) = (claim.identity, claim.name, claim.token)
    guard answers(to: name.host) else { throw Refusal("another hub's name: \(name.host)") }
    let facts: DeviceAuthenticator.Facts
    do throws(HubError) {
      facts = try await self.facts(of: key, policy: token?.policy)
    } catch {
      throw Refusal("the registry cannot be read", .serverUnavailable)
    }
    let proof = try await prove(key, name, token, request.chain, facts)
    if let model = name.modelID {
      _ = try? await store.write { engine throws(HubError) in
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
        modelID: name.modelID
      ),
      partition: events.partition(of: key.deviceID),
      session: facts.session,
      expiry: proof.expiry.map(deadline),
      epoch: epoch
    )
  }

  /// What the connection proves: the identity's own credential, or that of the edge hub which the
  /// user name says is acting for it.
  private func prove(
    _ key: IdentityKey,
    _ name: UserName,
    _ token: SharedAccessSignature?,
    _ presented: PresentedChain,
    _ facts: DeviceAuthenticator.Facts
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof {
    typealias Refusal = DeviceAuthenticator.Refusal
    let own = SASResource(host: name.host, identity: key)
    let isOwn = token?.resource.covers(own) ?? false
    guard let authChain = name.authChain, !isOwn else {
      return try await judge(
        key,
        host: name.host,
        token: token,
        chain: presented,
        facts: facts,
        now: now
      )
    }
    guard key.moduleID == nil || facts.module != nil else { throw Refusal("unknown module") }
    let edge: IdentityKey
    let edgeFacts: DeviceAuthenticator.Facts
    do throws(HubError) {
      edge = try await store.read { view throws(HubError) in
        try view.actingEdgeDevice(for: key, authChain: authChain).edgeHub
      }
      edgeFacts = try await self.facts(of: edge, policy: nil)
    } catch {
      guard error.code == .invalidDeviceScope else {
        throw Refusal("the registry cannot be read", .serverUnavailable)
      }
      throw Refusal("auth-chain leads to no enabled edge device")
    }
    let proof = try await judge(
      edge,
      host: name.host,
      token: token,
      chain: presented,
      facts: edgeFacts,
      now: now
    )
    return DeviceAuthenticator.Proof(
      credential: .edgeHub(authChain: authChain, proof.credential),
      method: proof.method,
      expiry: proof.expiry
    )
  }

  /// Judges what a device presents, unless a tester has it delayed or refused.
  func judge(
    _ key: IdentityKey,
    host: String,
    token: SharedAccessSignature?,
    chain: PresentedChain,
    facts: DeviceAuthenticator.Facts,
    now: Timestamp
  ) async throws(DeviceAuthenticator.Refusal) -> DeviceAuthenticator.Proof {
    await faults.delay(.delayConnections, deviceID: key.deviceID)
    if faults.strike(.rejectCredentials, deviceID: key.deviceID) != nil {
      throw DeviceAuthenticator.Refusal("injected fault: expired")
    }
    return try await authenticator.judge(
      key,
      host: host,
      token: token,
      chain: chain,
      facts: facts,
      now: now
    )
  }

  /// Whether `host`, as a device or service wrote it, names this hub.
  func answers(to host: String) -> Bool {
    let host = host.lowercased()
    return settings.names.contains { $0.lowercased() == host }
  }

  /// The monotonic reading at which a token that ends at `expiry` is no longer taken.
  func deadline(_ expiry: Timestamp) -> Instant {
    let left = expiry.adding(seconds: authenticator.skewSeconds).milliseconds - now.milliseconds
    return SystemClock.now().adding(milliseconds: UInt64(clamping: left))
  }

  package func established(_ handle: DeviceHandle, _ device: AdmittedDevice) -> Bool {
    let now = now
    guard case .entered(let old) = directory.enter(handle, device, now: now) else { return false }
    if let old {
      old.drop(.takenOver)
      methods.connectionLost(device.identity)
    }
    store.submit { engine throws(HubError) in
      try engine.connected(device.identity, now: now)
    } completion: { _ in
    }
    return true
  }

  package func sender(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<ChildSender>) -> Void
  ) {
    judge(child, device, reply) { [self] standing in
      ChildSender(
        stamp: stamp(child, standing, by: device),
        partition: events.partition(of: child.deviceID),
        end: SystemClock.now().adding(milliseconds: Self.childMilliseconds)
      )
    }
  }

  package func admit(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<AdmittedDevice>) -> Void
  ) {
    // Read before the registry: a change in between makes the admission look older than it is.
    let epoch = directory.epoch
    judge(child, device, reply) { [self] standing in
      AdmittedDevice(
        identity: child,
        credential: .edgeHub(authChain: standing.authChain, device.credential),
        stamp: stamp(child, standing, by: device),
        partition: events.partition(of: child.deviceID),
        session: nil,
        expiry: nil,
        epoch: epoch
      )
    }
  }

  /// Answers what `make` makes of the standing of `child`, if it is below the edge device of `device`.
  private func judge<Standing>(
    _ child: IdentityKey,
    _ device: AdmittedDevice,
    _ reply: @escaping @Sendable (ChildAnswer<Standing>) -> Void,
    _ make: @escaping @Sendable (ChildStanding) -> Standing
  ) {
    // The connection waits for the answer, and ends by itself.
    Task {
      do throws(HubError) {
        let standing = try await store.read { view throws(HubError) in
          try view.standing(of: child, below: device.identity.deviceID)
        }
        reply(.accepted(make(standing)))
      } catch {
        reply(error.code == .invalidDeviceScope ? .refused : .unavailable)
      }
    }
  }

  private func stamp(
    _ child: IdentityKey,
    _ standing: ChildStanding,
    by device: AdmittedDevice
  ) -> EventStamp {
    EventStamp(
      identity: child,
      authMethod: device.stamp.parts.authMethod,
      generationID: standing.generationID
    )
  }

  package func ended(_ handle: DeviceHandle, _ device: AdmittedDevice) {
    let now = now
    let isLast = directory.leave(handle, device.identity)
    if isLast { methods.connectionLost(device.identity) }
    store.submitOwed { engine throws(HubError) in
      if device.identity.moduleID == nil {
        try engine.releaseCloudToDevice(
          of: device.identity.deviceID,
          holder: ConnectionID(handle.id),
          now: now
        )
      }
      if isLast { try engine.disconnected(device.identity, lastActivity: now, now: now) }
    }
  }

  package func remember(
    _ subscriptions: [(filter: String, quality: UInt8)]?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  ) {
    let list = subscriptions?.map { SessionSubscription(filter: $0.filter, quality: $0.quality) }
    store.submit { engine throws(HubError) in
      try engine.setSubscriptions(list, of: identity)
    } completion: { result in
      if case .success = result { reply(true) } else { reply(false) }
    }
  }

  package func methodsSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.subscribed(identity, handle)
  }

  package func methodsUnsubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.unsubscribed(identity, handle)
  }

  package func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void) {
    guard throttles.allows(.twinReads) else { return reply(throttled) }
    patches.inOrder(of: identity, byteCount: 0) { [self] in
      // Through the writer, so that it shows the patches which the device sent before.
      store.submit { engine throws(HubError) in
        try engine.view.twinForClient(identity)
      } completion: { [self] result in
        switch result {
        case .success(let body): reply(TwinReply(status: 200, body: body))
        case .failure(let error): reply(refusal(error))
        }
      }
    }
  }

  package func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    onVersion: Int64?,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {
    guard throttles.allows(.twinUpdates) else { return reply(throttled) }
    let now = now
    patches.inOrder(of: identity, byteCount: body.count) { [self] in
      let patch: JSONValue
      do throws(JSONFault) {
        patch = try JSON.parse(body)
      } catch {
        return reply(refusal(HubError(.iotHubFormatError, "The body is not JSON: \(error)")))
      }
      store.submit { engine throws(HubError) in
        try engine.patchReported(
          identity,
          patch,
          ifVersion: onVersion.map { UInt64(clamping: $0) },
          now: now
        )
      } completion: { [self] result in
        switch result {
        case .success(let version):
          reply(TwinReply(status: 204, version: Int64(clamping: version)))
        case .failure(let error): reply(refusal(error))
        }
      }
    }
  }

  private var throttled: TwinReply {
    refusal(HubError(.throttlingException, "Too many twin requests; try again later."))
  }

  private func refusal(_ error: HubError) -> TwinReply {
    let tracking = Hex.encode(Entropy.bytes(16))
    return TwinReply(
      status: error.code.httpStatus,
      body: JSON.bytes(error.body(.module, trackingID: tracking, time: now))
    )
  }

  package func methodAnswered(
    requestID: [UInt8],
    status: Int?,
    body: [UInt8],
    by identity: IdentityKey
  ) {
    methods.answered(requestID: requestID, status: status, body: body, by: identity)
  }

  package func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    isTimed: Bool,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  ) {
    let now = now
    store.submit { engine throws(HubError) in
      try engine.takeCloudToDevice(
        of: identity.deviceID,
        limit: limit,
        holder: ConnectionID(handle.id),
        hold: isTimed ? .timed : .connection,
        now: now
      )
    } completion: { result in
      guard let messages = try? result.get() else {
        reply([])
        // The messages are still there; asks again when the storage may have recovered.
        Task {
          try? await Pause.sleep(for: .seconds(1))
          handle.cloudToDeviceWaits()
        }
        return
      }
      reply(
        messages.compactMap { message in
          message.lock.map {
            CloudToDeviceDelivery(
              sequence: message.sequence,
              token: $0.token.bytes,
              bag: message.properties,
              body: message.body,
              enqueuedTime: message.enqueuedTime,
              deliveryCount: message.deliveryCount
            )
          }
        }
      )
    }
  }

  package func returnCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    guard let token = LockToken(bytes: token) else { return }
    let now = now
    store.submitOwed { engine throws(HubError) in
      try engine.abandonCloudToDevice(of: identity.deviceID, token: token, now: now)
    }
  }

  package func completeCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    guard let token = LockToken(bytes: token) else { return }
    let now = now
    store.submitOwed { engine throws(HubError) in
      try engine.completeCloudToDevice(of: identity.deviceID, token: token, now: now)
    }
  }

  package func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    guard let token = LockToken(bytes: token) else { return }
    let now = now
    store.submitOwed { engine throws(HubError) in
      try engine.rejectCloudToDevice(of: identity.deviceID, token: token, now: now)
    }
  }
}

extension DeviceConnectRequest {
  /// The device that the client ID names, whether it exists or not.
  fileprivate var deviceID: String {
    String(decoding: clientID.prefix { $0 != UInt8(ascii: "/") }, as: UTF8.self)
  }
}

extension Hub {
  /// The shared state of the loops of `group`, on which devices of this hub will connect.
  package func loops(of group: any EventLoopGroup, logger: Logger) async throws -> DeviceLoops {
    let rate = settings.throttles["d2c_per_second"] ?? 0
    return try await DeviceLoops(
      group: group,
      backend: self,
      log: settings.isLogEnabled ? events : nil,
      router: routing,
      limits: DeviceLimits(quotas: settings.quotas, connectSeconds: settings.connectSeconds),
      messagesPerSecond: rate > 0 ? rate : nil,
      unauthenticated: settings.unauthenticatedConnections,
      logger: logger
    )
  }
}

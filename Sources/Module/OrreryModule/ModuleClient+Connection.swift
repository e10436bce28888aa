import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
import Logging
import MQTT
import NIOCore
import NIOPosix
import Platform

extension ModuleClient {
  /// How long tokens are valid, and after how much of that another connection shows another one.
  private static let tokenSeconds: Int64 = 3_600
  private static let renewalSeconds: Int64 = 2_880
  /// How long a connection is kept for what is under way, when another is to replace it.
  private static let drainMilliseconds: UInt64 = 10_000
  /// How long a connection has to stand before the waits between attempts are short again.
  private static let soundMilliseconds: UInt64 = 10_000
  private static let port = 8883

  /// Whether the connection was left on purpose, for one with another token.
  private enum End: Equatable {
    case renewal
    case lost(String)
  }

  /// Connects, and connects again, until it is cancelled.
  func stayConnected() async {
    let workload: WorkloadClient? =
      switch environment.signer {
      case .workload(let address, _, let version):
        WorkloadClient(address, moduleID: moduleID, version: version)
      case .key: nil
      }
    var delay = ReconnectDelay(milliseconds: 500...30_000)
    var random = SystemRandomNumberGenerator()
    while !Task.isCancelled {
      do {
        let link = try await open(workload)
        let since = SystemClock.now()
        logger.info("connected", metadata: ["host": "\(environment.gatewayHostName)"])
        let end = await serve(link)
        await link.close()
        if SystemClock.now().milliseconds(since: since) >= Self.soundMilliseconds { delay.reset() }
        if end == .renewal { continue }
        if case .lost(let reason) = end, !Task.isCancelled {
          logger.info("disconnected", metadata: ["reason": "\(reason)"])
        }
      } catch {
        if Task.isCancelled { break }
        logger.warning("cannot connect", metadata: ["error": "\(error)"])
      }
      try? await Pause.sleep(for: .milliseconds(delay.take(using: &random)))
    }
    await workload?.close()
  }

  private func open(_ workload: WorkloadClient?) async throws -> ClientLink {
    let identity = environment.identity
    let unsigned = UnsignedToken(
      resource: SASResource(host: environment.hubName, identity: identity).description,
      expirySeconds: SystemClock.wallMilliseconds() / 1_000 + Self.tokenSeconds
    )
    let signature: [UInt8]
    var authorities: [UInt8]?
    switch environment.signer {
    case .workload(_, let generationID, _):
      guard let workload else { throw ModuleFault(.environment, "there is no workload API") }
      signature = try await workload.sign(unsigned.signedBytes, generationID: generationID)
      authorities = Array(try await workload.trustBundle().utf8)
    case .key(let key, let path):
      signature = Hashing.hmacSHA256(key: key.bytes, message: unsigned.signedBytes)
      if let path { authorities = try PrivateFile.read(path, limit: 1 << 20) }
    }
    let request = ConnectRequest(
      clientIdentifier: Array(identity.clientID.utf8),
      cleanSession: true,
      keepAliveSeconds: 60,
      userName: Array(
        "\(environment.hubName)/\(identity.clientID)/?api-version=2021-04-12&DeviceClientType=orrery-module"
          .utf8
      ),
      password: Array(unsigned.signed(signature).utf8)
    )
    return try await ClientLink.open(
      host: environment.gatewayHostName,
      port: Self.port,
      tls: ClientTLS(trustAnchorsPEM: authorities),
      request: request,
      on: MultiThreadedEventLoopGroup.singleton.any()
    )
  }

  /// Does everything that there is to do on one connection, and says how it ended.
  private func serve(_ link: ClientLink) async -> End {
    let requests = TwinRequests(link)
    lastConnection += 1
    let number = lastConnection
    let end = await withTaskCancellationHandler {
      await withTaskGroup(of: End?.self) { group in
        group.addTask { await self.receive(link, requests, number) }
        group.addTask { await self.talk(link, requests, number) }
        group.addTask { .lost((await link.ended()).description) }
        group.addTask {
          await requests.run()
          return nil
        }
        group.addTask { await self.untilRenewal() }
        group.addTask {
          while (try? await Pause.sleep(for: .seconds(1))) != nil { await self.changed() }
          return nil
        }
        var first: End?
        while first == nil, let next = await group.next() { first = next }
        group.cancelAll()
        link.disconnect()
        // Before those who wait are told: they look whether it stands.
        connection = nil
        await requests.close()
        return first ?? .lost("stopped")
      }
    } onCancel: {
      link.disconnect()
    }
    // They come again: nobody has acknowledged them.
    inbox = []
    source.linkLost()
    changed()
    return end
  }

  /// Waits until another token is due and what is under way has arrived, or took too long.
  private func untilRenewal() async -> End? {
    try? await Pause.sleep(for: .seconds(Self.renewalSeconds))
    guard !Task.isCancelled else { return nil }
    connection?.isDraining = true
    let deadline = SystemClock.now().adding(milliseconds: Self.drainMilliseconds)
    while sendsUnderWay > 0 || callsUnderWay > 0, SystemClock.now() < deadline {
      guard (try? await Pause.sleep(for: .milliseconds(50))) != nil else { return nil }
    }
    return .renewal
  }

  /// Subscribes to what is wanted as it is wanted, and keeps the desired properties up to date.
  private func talk(_ link: ClientLink, _ requests: TwinRequests, _ number: UInt64) async -> End? {
    do {
      try await link.subscribe([Array("$iothub/twin/res/#".utf8)])
      guard !Task.isCancelled else { return nil }
      connection = Connection(number: number, link: link, requests: requests)
      changed()
      while !Task.isCancelled {
        let missing = wanted.subtracting(connection?.granted ?? [])
        if !missing.isEmpty {
          try await link.subscribe(filters(missing))
          connection?.granted.formUnion(missing)
          if missing.contains(.desired) { source.connected(now: SystemClock.now()) }
        }
        if wanted.contains(.desired), await followDesired(requests) {
          return .lost("the twin could not be read")
        }
        // More may have been wanted meanwhile.
        if wanted.subtracting(connection?.granted ?? []).isEmpty { await change() }
      }
    } catch {
      return Task.isCancelled ? nil : .lost("\(error)")
    }
    return nil
  }

  private func filters(_ topics: Topics) -> [[UInt8]] {
    var filters: [[UInt8]] = []
    if topics.contains(.inputs) { filters.append(self.topics.inputFilter) }
    if topics.contains(.desired) {
      filters.append(Array("$iothub/twin/PATCH/properties/desired/#".utf8))
    }
    if topics.contains(.methods) { filters.append(Array("$iothub/methods/POST/#".utf8)) }
    return filters
  }

  private func receive(
    _ link: ClientLink,
    _ requests: TwinRequests,
    _ number: UInt64
  ) async -> End? {
    for await received in link.messages {
      if let message = topics.message(received.topic, received.payload) {
        inbox.append(
          InputDelivery(message: message, received: received, link: link, connection: number)
        )
        changed()
        continue
      }
      switch ReceivedTopic(received.topic, deviceID: deviceID) {
      case .twinResponse(let status, let requestID, _):
        await requests.answered(
          requestID,
          TwinRequests.Answer(status: status, payload: received.payload)
        )
      case .desired(let version): patched(received.payload, version: version)
      case .method(let name, let requestID):
        let body = received.payload
        let payload: JSONValue = body.isEmpty ? .null : (try? JSON.parse(body)) ?? .null
        let call = MethodCall(name: name, payload: payload)
        incoming.yield(IncomingCall(call: call, requestID: requestID, link: link))
      case .cloudToDevice, .unknown: break
      }
      link.acknowledge(received)
    }
    return nil
  }

  /// Answers direct methods until it is cancelled.
  ///
  /// Not as part of a connection: a handler that takes its time does not hold up the next one.
  func answerMethods() async {
    await withDiscardingTaskGroup { group in
      for await call in calls { group.addTask { await self.answer(call) } }
    }
  }

  private func answer(_ incoming: IncomingCall) async {
    var answer = MethodAnswer(status: 429, payload: ["message": "too many methods at once"])
    if let handler, callsUnderWay < Self.methodLimit {
      callsUnderWay += 1
      answer = await handler(incoming.call)
      callsUnderWay -= 1
    }
    try? await incoming.link.publish(
      topic: DeviceSideTopics.methodResponse(status: answer.status, requestID: incoming.requestID),
      payload: JSON.bytes(answer.payload)
    )
  }
}

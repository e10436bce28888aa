import ByteIO
import EdgeEngine
package import Endpoints
import HubContract
package import JSONTree
package import Logging
import MQTT
package import NIOCore
import Platform

/// The agent's own connection to the hub above: the twin of `$edgeAgent`, and its direct methods.
package actor AgentUpstream {
  /// Where the hub above is.
  package struct Address: Sendable {
    package let host: String
    package let port: Int
    package let tls: ClientTLS

    package init(host: String, port: Int, tls: ClientTLS) {
      (self.host, self.port, self.tls) = (host, port, tls)
    }
  }

  /// What comes from above, for who acts on it.
  package struct Events: Sendable {
    /// There is a connection again.
    package var connected: @Sendable () async -> Void
    /// The desired properties are these.
    package var desired: @Sendable (JSONObject, _ version: Int64) async -> Void
    /// A direct method is called; gives status and payload.
    package var method: @Sendable (String, JSONValue) async -> (Int, JSONValue)

    package init(
      connected: @escaping @Sendable () async -> Void,
      desired: @escaping @Sendable (JSONObject, _ version: Int64) async -> Void,
      method: @escaping @Sendable (String, JSONValue) async -> (Int, JSONValue)
    ) {
      (self.connected, self.desired, self.method) = (connected, desired, method)
    }
  }

  private let identity: EdgeIdentity
  private let address: Address
  private let keys: any AgentKeys
  private let events: Events
  private let metrics: AgentMetrics
  private let logger: Logger
  private let eventLoop: any EventLoop

  private var source: AgentTwinSource
  /// What the hub holds of our report; nil before the twin was read on this connection.
  private var reported: ReportedProperties?
  /// The newest report.
  private var report: JSONObject?
  private var isReporting = false
  /// Those of the connection that stands.
  private var requests: TwinRequests?
  private var lastReprovisioning: Instant?

  /// How long tokens are valid; the connection is made anew before.
  private static let tokenSeconds: Int64 = 3600
  /// Seconds from one request for other credentials to the next.
  private static let reprovisioningSeconds: UInt64 = 300
  /// The first and the longest pause between attempts, in seconds.
  private static let pauses = 1.0...60.0

  package init(
    identity: EdgeIdentity,
    address: Address,
    keys: any AgentKeys,
    refreshSeconds: UInt64,
    events: Events,
    metrics: AgentMetrics,
    logger: Logger,
    on eventLoop: any EventLoop
  ) {
    self.identity = identity
    self.address = address
    self.keys = keys
    self.events = events
    self.metrics = metrics
    self.logger = logger
    self.eventLoop = eventLoop
    source = AgentTwinSource(refreshSeconds: refreshSeconds)
  }

  private nonisolated var module: IdentityKey {
    IdentityKey(deviceID: identity.deviceID, moduleID: ModuleID.edgeAgent)
  }

  /// Keeps the connection until it is cancelled.
  package func run() async {
    var pause = Self.pauses.lowerBound
    while !Task.isCancelled {
      do {
        let link = try await open()
        pause = Self.pauses.lowerBound
        logger.info("connected to the hub", metadata: ["host": "\(address.host)"])
        let reason = await serve(link)
        source.linkLost()
        await link.close()
        logger.info("disconnected from the hub", metadata: ["reason": "\(reason)"])
      } catch {
        if Task.isCancelled { return }
        logger.warning("cannot connect to the hub", metadata: ["error": "\(error)"])
        if let fault = error as? ClientFault, !fault.mayMend { await reprovision() }
      }
      try? await Pause.sleep(for: .seconds(Double.random(in: pause / 2...pause)))
      pause = min(pause * 2, Self.pauses.upperBound)
    }
  }

  private func reprovision() async {
    let now = SystemClock.now()
    if let last = lastReprovisioning,
      now < last.adding(milliseconds: Self.reprovisioningSeconds * 1000)
    {
      return
    }
    lastReprovisioning = now
    do {
      try await keys.reprovision()
    } catch {
      logger.warning("cannot ask for provisioning", metadata: ["error": "\(error)"])
    }
  }

  private func open() async throws -> ClientLink {
    var request = ConnectRequest(
      clientIdentifier: Array(module.clientID.utf8),
      cleanSession: true,
      keepAliveSeconds: 60,
      userName: Array(
        "\(identity.hubName)/\(module.clientID)/?api-version=2021-04-12&DeviceClientType=orrery-edge"
          .utf8
      )
    )
    let resource = SASResource(host: identity.hubName, identity: module).description
    let expiry = ModuleAgent.now().seconds + Self.tokenSeconds
    let unsigned = UnsignedToken(resource: resource, expirySeconds: expiry)
    request.password = Array(unsigned.signed(try await keys.sign(unsigned.signedBytes)).utf8)
    return try await ClientLink.open(
      host: address.host,
      port: address.port,
      tls: address.tls,
      request: request,
      on: eventLoop
    )
  }

  /// Does everything that there is to do on one connection, and says why it ended.
  private func serve(_ link: ClientLink) async -> String {
    let requests = TwinRequests(link)
    self.requests = requests
    reported = nil
    return await withTaskCancellationHandler {
      await withTaskGroup(of: String?.self) { group in
        group.addTask { await self.receive(link, requests) }
        group.addTask { await self.talk(link, requests) }
        group.addTask { (await link.ended()).description }
        group.addTask {
          await requests.run()
          return nil
        }
        group.addTask {
          try? await Pause.sleep(for: .seconds(Double(Self.tokenSeconds) * 0.9))
          return Task.isCancelled ? nil : "renews its token"
        }
        var end: String?
        while end == nil, let next = await group.next() { end = next }
        group.cancelAll()
        link.disconnect()
        self.requests = nil
        await requests.close()
        return end ?? "stopped"
      }
    } onCancel: {
      link.disconnect()
    }
  }

  private func receive(_ link: ClientLink, _ requests: TwinRequests) async -> String? {
    await withDiscardingTaskGroup { group in
      for await message in link.messages {
        switch ReceivedTopic(message.topic, deviceID: identity.deviceID) {
        case .twinResponse(let status, let requestID, _):
          await requests.answered(
            requestID,
            TwinRequests.Answer(status: status, payload: message.payload)
          )
        case .desired(let version):
          guard let patch = (try? JSON.parse(message.payload))?.objectValue,
            let version = version ?? patch["$version"]?.int64Value
          else { break }
          if source.patched(Self.own(patch), version: version, now: SystemClock.now()) {
            await events.desired(source.desired, version)
          }
        case .method(let name, let requestID):
          group.addTask { await self.answer(name, requestID, message.payload, link) }
        case .cloudToDevice, .unknown: break
        }
        link.acknowledge(message)
      }
    }
    return nil
  }

  /// Desired properties without what the hub adds.
  private static func own(_ properties: JSONObject) -> JSONObject {
    var own = properties
    own["$version"] = nil
    own["$metadata"] = nil
    return own
  }

  private func answer(
    _ name: String,
    _ requestID: String,
    _ body: [UInt8],
    _ link: ClientLink
  ) async {
    let payload: JSONValue = body.isEmpty ? .null : (try? JSON.parse(body)) ?? .null
    let (status, answer) = await events.method(name, payload)
    try? await link.publish(
      topic: DeviceSideTopics.methodResponse(status: status, requestID: requestID),
      payload: JSON.bytes(answer)
    )
  }

  /// Subscribes, and then does what is due, until the connection ends.
  private func talk(_ link: ClientLink, _ requests: TwinRequests) async -> String? {
    do {
      try await link.subscribe([
        Array("$iothub/twin/res/#".utf8),
        Array("$iothub/twin/PATCH/properties/desired/#".utf8),
        Array("$iothub/methods/POST/#".utf8),
      ])
    } catch {
      return Task.isCancelled ? nil : "\(error)"
    }
    source.connected(now: SystemClock.now())
    await events.connected()
    while !Task.isCancelled {
      switch source.timeout(now: SystemClock.now()) {
      case .none: break
      case .rebuild: return "the twin could not be read"
      case .read: await readTwin(requests)
      }
      await sendReport(requests)
      try? await Pause.sleep(for: .milliseconds(500))
    }
    return nil
  }

  // MARK: Requests

  private func readTwin(_ requests: TwinRequests) async {
    do {
      let answer = try await requests.ask(payload: []) { DeviceSideTopics.twinGet(requestID: $0) }
      guard answer.status == 200 else { throw TwinRequests.Fault.refused(answer.status) }
      guard let twin = try? JSON.parse(answer.payload), let desired = twin["desired"]?.objectValue
      else { throw TwinRequests.Fault.unreadable }
      metrics.synchronised(true)
      let version = desired["$version"]?.int64Value ?? 0
      let held = twin["reported"]?.objectValue ?? [:]
      reported = ReportedProperties(
        last: JSONObject(held.filter { ReportedProperties.agentKeys.contains($0.key) }),
        keys: ReportedProperties.agentKeys
      )
      let isNew = source.received(Self.own(desired), version: version, now: SystemClock.now())
      if isNew { await events.desired(source.desired, version) }
    } catch {
      metrics.synchronised(false)
      logger.warning("the twin cannot be read", metadata: ["error": "\(error)"])
      source.readingFailed(now: SystemClock.now())
    }
  }

  /// Takes a report; it is sent when there is a connection and the twin was read (edge contract
  /// section 2.7, rule 3).
  package func offer(_ report: JSONObject) {
    // A partial report leaves the rest as it was reported.
    if report["modules"] == nil, let last = self.report {
      var whole = last
      for (key, value) in report { whole[key] = value }
      self.report = whole
    } else {
      self.report = report
    }
  }

  /// Sends the last report, and waits for it for a few seconds.
  package func finish(with report: JSONObject) async {
    self.report = report
    guard let requests else { return }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.sendReport(requests) }
      group.addTask { try? await Pause.sleep(for: .seconds(5)) }
      await group.next()
      group.cancelAll()
    }
  }

  private func sendReport(_ requests: TwinRequests) async {
    while isReporting {
      // Who waits no longer must not turn in circles.
      guard (try? await Pause.sleep(for: .milliseconds(50))) != nil else { return }
    }
    guard let report, let held = reported else { return }
    isReporting = true
    defer { isReporting = false }
    do {
      for patch in held.patches(for: report) {
        let answer = try await requests.ask(payload: JSON.bytes(.object(patch))) {
          DeviceSideTopics.reportedPatch(requestID: $0)
        }
        guard (200..<300).contains(answer.status) else {
          throw TwinRequests.Fault.refused(answer.status)
        }
      }
      reported?.sent(report)
    } catch {
      logger.warning("the report is not taken", metadata: ["error": "\(error)"])
      // What the hub holds now is not known: it is read again.
      reported = nil
      source.connected(now: SystemClock.now())
    }
  }
}

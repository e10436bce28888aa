import ByteIO
import Endpoints
import HubContract
import JSONTree
import MQTT
import NIOCore
import Platform

/// How a simulated device proves who it is.
enum SimulatedCredential: Sendable {
  /// Tokens that it signs with its key, each for so many seconds.
  case key(SymmetricKey, lifetimeSeconds: Int64)
  /// A certificate, which the TLS side presents.
  case certificate
}

/// Keeps a simulated device connected and carries its messages, until it has sent enough.
///
/// It behaves as the stock clients do: a persistent session, tokens renewed by reconnecting before they
/// expire, and after a loss another attempt, later and later, at random moments so that a fleet does
/// not come back all at once.
actor SimulatedConnection {
  private let host: String
  private let port: Int
  private let tls: ClientTLS
  private let credential: SimulatedCredential
  private let eventLoop: any EventLoop
  private let report: SimulationReport
  private let messageLimit: Int64?
  private let firstPause: Double
  private var device: SimulatedDevice
  private var requests: UInt64 = 0
  private var sent: Int64 = 0
  /// A message that the hub has not acknowledged: it goes first on the next connection.
  private var unacknowledged: SimulatedDevice.Telemetry?
  private var reboot: Double?

  private static let keepAliveSeconds: UInt16 = 60
  /// The first and the longest pause between attempts, in seconds.
  private static let pauses = 0.5...30.0

  init(
    _ device: SimulatedDevice,
    host: String,
    port: Int,
    tls: ClientTLS,
    credential: SimulatedCredential,
    on eventLoop: any EventLoop,
    messageLimit: Int64?,
    firstPause: Double,
    report: SimulationReport
  ) {
    self.device = device
    self.host = host
    self.port = port
    self.tls = tls
    self.credential = credential
    self.eventLoop = eventLoop
    self.messageLimit = messageLimit
    self.firstPause = firstPause
    self.report = report
  }

  private nonisolated var now: Timestamp { Timestamp(ticks: SystemClock.wallTicks()) }

  /// Why one connection came to its end.
  private enum LinkEnd: Sendable {
    case enough
    case renewal
    case reboot(Double)
    case lost(String)
  }

  /// Runs the device until it has sent enough or the task is cancelled.
  ///
  /// - Throws: `CommandFailure` when the hub will not have it at the first attempt; later it goes on
  ///   trying, as a device in the field does.
  func run() async throws {
    var pause = Self.pauses.lowerBound
    var wasConnected = false
    while !Task.isCancelled {
      let link: ClientLink
      do {
        link = try await open()
      } catch {
        try Task.checkCancellation()
        let fault = error as? ClientFault
        if !wasConnected, let fault, !fault.mayMend { throw failure(fault) }
        report.tell(device.deviceID, "cannot connect", fault?.description ?? "\(error)")
        try await Pause.sleep(for: .seconds(Double.random(in: pause / 2...pause)))
        pause = min(pause * 2, Self.pauses.upperBound)
        continue
      }
      wasConnected = true
      pause = Self.pauses.lowerBound
      report.connected(device.deviceID)
      let end = await serve(link)
      await link.close()
      switch end {
      case .enough:
        report.disconnected(device.deviceID, "sent all")
        return
      case .renewal: report.disconnected(device.deviceID, "renewing its token")
      case .reboot(let delay):
        report.disconnected(device.deviceID, "rebooting")
        try await Pause.sleep(for: .seconds(delay))
        device.reboot(now: now)
      case .lost(let reason):
        report.disconnected(device.deviceID, reason)
        try await Pause.sleep(for: .seconds(Double.random(in: 0...pause)))
      }
    }
    throw CancellationError()
  }

  private nonisolated func failure(_ fault: ClientFault) -> CommandFailure {
    CommandFailure(
      .unauthorized,
      "the device cannot connect: \(fault)",
      remedy: "Look at it with 'orrery device show'; is it enabled?"
    )
  }

  private func open() async throws -> ClientLink {
    let identity = IdentityKey(deviceID: device.deviceID)
    var request = ConnectRequest(
      clientIdentifier: Array(identity.clientID.utf8),
      cleanSession: false,
      keepAliveSeconds: Self.keepAliveSeconds,
      userName: Array(
        "\(host)/\(identity.clientID)/?api-version=2021-04-12&DeviceClientType=orrery-simulator"
          .utf8
      )
    )
    if case .key(let key, let lifetime) = credential {
      let token = SharedAccessSignature.make(
        resource: SASResource(host: host, identity: identity).description,
        key: key,
        expirySeconds: now.seconds + lifetime,
        hmacSHA256: Hashing.hmacSHA256
      )
      request.password = Array(token.utf8)
    }
    return try await ClientLink.open(
      host: host,
      port: port,
      tls: tls,
      request: request,
      on: eventLoop
    )
  }

  /// Does everything that there is to do on one connection.
  private func serve(_ link: ClientLink) async -> LinkEnd {
    await withTaskCancellationHandler {
      await withTaskGroup(of: LinkEnd?.self) { group in
        group.addTask { await self.receive(link) }
        group.addTask { await self.talk(link) }
        group.addTask { .lost((await link.ended()).description) }
        if case .key(_, let lifetime) = credential {
          group.addTask {
            // Early enough that a slow reconnection still has a token that is valid.
            try? await Pause.sleep(for: .seconds(Double(lifetime) * 0.9))
            return Task.isCancelled ? nil : .renewal
          }
        }
        var end: LinkEnd?
        while end == nil, let next = await group.next() { end = next }
        group.cancelAll()
        link.disconnect()
        return end ?? .lost("stopped")
      }
    } onCancel: {
      // Waiting for the end of a connection does not end by being cancelled, but by that end.
      link.disconnect()
    }
  }

  // MARK: What the hub sends

  private func receive(_ link: ClientLink) async -> LinkEnd? {
    for await message in link.messages {
      do {
        try await handle(message, link)
      } catch {
        return nil
      }
      link.acknowledge(message)
      if let delay = reboot {
        reboot = nil
        return .reboot(delay)
      }
    }
    return nil
  }

  private func handle(_ message: ClientMessage, _ link: ClientLink) async throws {
    let deviceID = device.deviceID
    switch ReceivedTopic(message.topic, deviceID: deviceID) {
    case .method(let name, let requestID):
      let payload = try? JSON.parse(message.payload)
      let answer = device.answer(method: name, payload: payload, now: now)
      try await link.publish(
        topic: DeviceSideTopics.methodResponse(status: answer.status, requestID: requestID),
        payload: JSON.bytes(answer.payload)
      )
      report.tell(deviceID, "method \(name)", "answered \(answer.status)")
      reboot = answer.rebootDelay
    case .desired(let version):
      guard let patch = (try? JSON.parse(message.payload))?.objectValue else { return }
      report.tell(deviceID, "desired", JSON.text(.object(patch)))
      try await report(device.obey(desired: patch, version: version), link)
    case .twinResponse(let status, _, _):
      guard status == 200, let twin = try? JSON.parse(message.payload),
        let desired = twin["desired"]?.objectValue
      else {
        if status >= 300 { report.tell(deviceID, "twin request failed", "status \(status)") }
        return
      }
      try await report(device.obey(desired: desired, version: nil), link)
    case .cloudToDevice(let properties):
      let shown = properties.filter { !$0.name.hasPrefix("$.") && $0.name != "iothub-ack" }
        .map { "\($0.name)=\($0.value ?? "")" }
      let body = String(decoding: message.payload.prefix(400), as: UTF8.self)
      report.tell(deviceID, "message", ([body] + shown).joined(separator: "  "))
    case .unknown:
      report.tell(deviceID, "unknown topic", String(decoding: message.topic, as: UTF8.self))
    }
  }

  private func report(_ properties: JSONObject, _ link: ClientLink) async throws {
    guard !properties.isEmpty else { return }
    requests += 1
    try await link.publish(
      topic: DeviceSideTopics.reportedPatch(requestID: String(requests)),
      payload: JSON.bytes(.object(properties))
    )
    report.tell(device.deviceID, "reported", JSON.text(.object(properties)))
  }

  // MARK: What the device sends

  private func talk(_ link: ClientLink) async -> LinkEnd? {
    do {
      try await link.subscribe(DeviceSideTopics.filters(device.deviceID))
      requests += 1
      try await link.publish(
        topic: DeviceSideTopics.twinGet(requestID: String(requests)),
        payload: []
      )
      try await report(device.selfReport, link)
      if sent == 0, firstPause > 0 { try await Pause.sleep(for: .seconds(firstPause)) }
      while true {
        let message = unacknowledged ?? device.telemetry(now: now)
        unacknowledged = message
        try await link.publish(
          topic: DeviceSideTopics.telemetry(device.deviceID, bag: message.bag),
          payload: message.body
        )
        unacknowledged = nil
        sent += 1
        report.sent(device.deviceID, message.body)
        if let messageLimit, sent >= messageLimit { return .enough }
        try await Pause.sleep(for: .seconds(device.pause()))
      }
    } catch let fault as ClientFault where !fault.mayMend {
      return .lost(fault.description)
    } catch {
      // The end of the connection is told by the task that waits for it.
      return nil
    }
  }
}

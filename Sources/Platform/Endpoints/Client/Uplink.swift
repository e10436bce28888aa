import ByteIO
import HubContract
package import Logging
import MQTT
package import NIOCore
import Platform

/// An edge hub's connection to the hub above it, on which it speaks for itself and for all below it.
///
///     stopped ── start ──▶ asking ── credential ──▶ opening ── CONNACK, SUBACK ──▶ standing
///                            ▲                          │                             │
///                            └───────── waiting ◀── fails ──────────────── lost ──────┘
///
/// It connects again by itself, later and later, and whoever is followed is followed again; a
/// credential that ends is renewed by another connection, for which the messages under way are waited
/// for. Messages are not kept here: those that were not acknowledged when a connection ended are sent
/// again by the owner, in its order. Confined to its event loop; nothing is awaited for a message.
package final class Uplink {
  enum Phase {
    case stopped
    case waiting
    case asking
    case opening
    case standing
  }

  /// Until the credential must be there.
  private static let credentialMilliseconds: UInt64 = 30_000
  /// Until a connection must stand.
  private static let openingMilliseconds: UInt64 = 60_000
  /// How long a connection is kept for what is under way, when another is to replace it.
  private static let drainMilliseconds: UInt64 = 10_000
  /// How long a connection has to stand before the waits between attempts are short again.
  private static let soundMilliseconds: UInt64 = 30_000
  /// The delivery number of the first SUBSCRIBE.
  private static let greeting: UInt64 = 0
  /// Packet identifiers beyond the window, for SUBSCRIBE and UNSUBSCRIBE.
  static let requestLimit = 64

  package let eventLoop: any EventLoop
  /// The ways to the server may change; the next connection takes them.
  package var settings: UplinkSettings
  package weak var delegate: (any UplinkDelegate)?
  private let credential: @Sendable () async throws -> UplinkCredential
  private var random: any RandomNumberGenerator
  let logger: Logger
  private var bound: NIOLoopBound<Uplink>?

  private(set) var phase = Phase.stopped
  /// Whether the server answers for children, too.
  package private(set) var isMultiplexing = false
  var handler: ClientHandler?
  private var opening: OpeningChannels?
  /// Numbers the attempts, so that what belongs to an earlier one is known as late.
  private(set) var attempt: UInt64 = 0
  private var way = 0
  private var failures = 0
  private var deadline: Instant?
  private var standingSince: Instant?
  private var ticks: RepeatedTask?
  /// When the next credential is asked for; nil while it is, and for those that do not end.
  private var renewal: Instant?
  private var isRenewing = false
  /// The credential of the connection for which this one is being emptied.
  private var successor: UplinkCredential?

  // Telemetry
  var acknowledgedNow: [UInt64] = []
  var inFlight = 0
  var lastProgress = Instant(nanoseconds: 0)
  let stem: [UInt8]
  var suffixes: [IdentityKey: [UInt8]] = [:]
  var lastChild: IdentityKey?
  var lastSuffix: [UInt8] = []
  var tail: [UInt8] = []

  // Requests
  var lastRequest: UInt64 = 0
  var requests: [UInt64: TwinRequest] = [:]

  // Whom it follows
  var followings: [IdentityKey: Following] = [:]
  var unsettled: [IdentityKey] = []
  var lastSubscription: UInt64 = 0
  var subscriptions: [UInt64: (identity: IdentityKey, topics: [UplinkTopics])] = [:]

  /// An uplink that does nothing before `start`.
  ///
  /// - Parameters:
  ///   - settings: Where it leads.
  ///   - eventLoop: Where it lives, and its delegate.
  ///   - random: For the waits between attempts.
  ///   - logger: For what an operator wants to know.
  ///   - credential: Asked before each connection, and before the last one ends.
  package init(
    _ settings: UplinkSettings,
    on eventLoop: any EventLoop,
    random: any RandomNumberGenerator = SystemRandomNumberGenerator(),
    logger: Logger,
    credential: @escaping @Sendable () async throws -> UplinkCredential
  ) {
    self.settings = settings
    self.eventLoop = eventLoop
    self.random = random
    self.logger = logger
    self.credential = credential
    stem = Array(
      "devices/\(settings.edgeID)/modules/\(ModuleID.edgeHub)/messages/events/".utf8
    )
    bound = NIOLoopBound(self, eventLoop: eventLoop)
  }

  /// Whether messages can be sent, and requests.
  package var isConnected: Bool { phase == .standing }

  // MARK: Life

  /// Connects, and stays connected until `stop`.
  package func start() {
    guard phase == .stopped else { return }
    let bound = bound
    ticks = eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
      bound?.value.tick(SystemClock.now())
    }
    ask()
  }

  /// Leaves in good order, for good: the uplink can't be started again.
  package func stop() {
    ticks?.cancel()
    ticks = nil
    opening?.cancel()
    let handler = handler
    lost(nil)
    phase = .stopped
    attempt += 1
    handler?.disconnect()
    bound = nil
  }

  /// Asks for a credential, and then connects.
  private func ask() {
    phase = .asking
    attempt += 1
    deadline = SystemClock.now().adding(milliseconds: Self.credentialMilliseconds)
    provide(attempt)
  }

  private func provide(_ mine: UInt64) {
    guard let bound else { return }
    let (credential, eventLoop) = (credential, eventLoop)
    // Ends with its answer, for which nobody waits longer than the deadline.
    Task {
      let result: Result<UplinkCredential, any Error>
      do {
        result = .success(try await credential())
      } catch {
        result = .failure(error)
      }
      eventLoop.execute { bound.value.provided(result, mine) }
    }
  }

  private func provided(_ result: Result<UplinkCredential, any Error>, _ mine: UInt64) {
    guard mine == attempt else { return }
    switch (phase, result) {
    case (.asking, .success(let credential)): open(credential)
    case (.asking, .failure(let error)): failed(.failed("no credential: \(error)"))
    case (.standing, .success(let credential)) where isRenewing:
      successor = credential
      deadline = SystemClock.now().adding(milliseconds: Self.drainMilliseconds)
      replaceIfIdle(SystemClock.now())
    case (.standing, .failure(let error)) where isRenewing:
      isRenewing = false
      renewal = SystemClock.now().adding(milliseconds: Self.credentialMilliseconds)
      logger.warning("uplink credential not renewed", metadata: ["error": "\(error)"])
    default: break
    }
  }

  private func open(_ credential: UplinkCredential) {
    guard let bound, !settings.ways.isEmpty else { return failed(.failed("no way to the server")) }
    phase = .opening
    let now = SystemClock.now()
    deadline = now.adding(milliseconds: Self.openingMilliseconds)
    renewal = credential.renewal(now: now)
    let client = settings.identity.clientID
    let product = PercentCoding.encode(settings.productInfo)
    let request = ConnectRequest(
      clientIdentifier: Array(client.utf8),
      cleanSession: true,
      keepAliveSeconds: settings.keepAliveSeconds,
      userName: Array(
        "\(settings.hubName)/\(client)/?api-version=2021-04-12&DeviceClientType=\(product)".utf8
      ),
      password: credential.token
    )
    var limits = ClientLimits()
    limits.maximumOutbound = UInt16(clamping: settings.window + Self.requestLimit)
    let (mine, limited) = (attempt, limits)
    let opening = OpeningChannels()
    self.opening = opening
    let eventLoop = eventLoop
    let begun = settings.ways[way % settings.ways.count].connect(on: eventLoop, opening) {
      channel in
      guard bound.value.attempt == mine else { throw CancellationError() }
      let handler = try ClientHandler(request, limits: limited, events: bound.value)
      bound.value.handler = handler
      try channel.pipeline.syncOperations.addHandler(handler)
    }
    begun.whenFailure { error in
      let uplink = bound.value
      guard uplink.attempt == mine, uplink.handler == nil else { return }
      uplink.failed(ClientFault(error))
    }
  }

  /// An attempt came to nothing.
  private func failed(_ fault: ClientFault) {
    handler = nil
    opening = nil
    logger.log(
      level: failures == 0 ? .warning : .debug,
      "uplink cannot connect",
      metadata: ["reason": "\(fault)"]
    )
    failures += 1
    // Another way may lead there, if this one does not lead to a server at all.
    if case .refused = fault {} else { way += 1 }
    let isTried = way % max(1, settings.ways.count) == 0
    if case .refused = fault { wait() } else if isTried { wait() } else { ask() }
  }

  private func wait() {
    phase = .waiting
    deadline = nil
    attempt += 1
    let milliseconds = settings.delay.take(using: &random)
    let (mine, bound) = (attempt, bound)
    eventLoop.scheduleTask(in: .milliseconds(Int64(clamping: milliseconds))) {
      guard let uplink = bound?.value, uplink.attempt == mine else { return }
      uplink.ask()
    }
  }

  /// Nobody reaches the server by the connection any more; says so to all who count on it.
  private func lost(_ fault: ClientFault?) {
    let wasStanding = phase == .standing
    handler = nil
    opening = nil
    renewal = nil
    isRenewing = false
    deadline = nil
    if let since = standingSince {
      let isSound = SystemClock.now().milliseconds(since: since) >= Self.soundMilliseconds
      if isSound { settings.delay.reset() }
    }
    standingSince = nil
    phase = .waiting
    forgetTelemetry()
    unfollowAll()
    failRequests()
    guard wasStanding else { return }
    logger.info(
      "uplink lost",
      metadata: ["reason": "\(fault.map { "\($0)" } ?? "as intended")"]
    )
    delegate?.uplinkLost(fault)
  }

  private func replaceIfIdle(_ now: Instant) {
    guard successor != nil else { return }
    let isIdle = inFlight == 0 && requests.isEmpty
    guard isIdle || deadline.map({ now >= $0 }) ?? true else { return }
    handler?.disconnect()
  }

  private func tick(_ now: Instant) {
    switch phase {
    case .stopped, .waiting: break
    case .opening:
      guard let deadline, now >= deadline else { return }
      self.deadline = nil
      opening?.cancel()
      failed(.failed("no connection within \(Self.openingMilliseconds / 1_000) s"))
    case .asking:
      guard let deadline, now >= deadline else { return }
      self.deadline = nil
      failed(.failed("no credential within \(Self.credentialMilliseconds / 1_000) s"))
    case .standing:
      expireRequests(now)
      if inFlight > 0, now.milliseconds(since: lastProgress) >= settings.stallMilliseconds {
        handler?.drop(.stalled)
        return
      }
      if let renewal, now >= renewal {
        self.renewal = nil
        isRenewing = true
        provide(attempt)
      }
      replaceIfIdle(now)
    }
  }

  /// Whether the connection takes nothing new, because another is about to replace it.
  var isDraining: Bool { successor != nil }
}

// MARK: - What the connection tells

extension Uplink: ClientEvents {
  func connected(isSessionPresent: Bool) {
    let filters = ["$iothub/twin/res/#", ChildTopics.answers].map { Array($0.utf8) }
    lastSubscription = Self.greeting
    do throws(MQTTFault) {
      _ = try handler?.subscribe(filters, .atMostOnce, delivery: Self.greeting)
    } catch {
      handler?.drop(.unencodable)
    }
  }

  func received(_ publish: PublishLayout, in packet: Span<UInt8>) {
    receive(
      packet.extracting(publish.topic),
      packet.extracting(publish.payload)
    )
    handler?.acknowledge(publish.packetIdentifier)
  }

  func acknowledged(_ delivery: UInt64) {
    inFlight -= 1
    acknowledgedNow.append(delivery)
  }

  func subscribed(_ delivery: UInt64, _ codes: [SubscribeReturnCode]) {
    guard delivery == Self.greeting else { return answered(delivery, codes) }
    isMultiplexing = codes.last?.granted != nil
    phase = .standing
    failures = 0
    let now = SystemClock.now()
    (standingSince, lastProgress) = (now, now)
    logger.info("uplink connected", metadata: ["multiplexing": "\(isMultiplexing)"])
    followAll()
    delegate?.uplinkConnected(isMultiplexing: isMultiplexing)
    if room > 0 { delegate?.uplinkHasRoom() }
  }

  func unsubscribed(_ delivery: UInt64) { answered(delivery, []) }

  func readCompleted() {
    guard phase == .standing else { return }
    if !acknowledgedNow.isEmpty { tellAcknowledged() }
    if successor != nil { return replaceIfIdle(SystemClock.now()) }
    if room > 0 { delegate?.uplinkHasRoom() }
  }

  func becameWritable() {
    if room > 0 { delegate?.uplinkHasRoom() }
  }

  func ended(_ fault: ClientFault) {
    if !acknowledgedNow.isEmpty { tellAcknowledged() }
    if phase == .opening { return failed(fault) }
    guard phase == .standing else { return }
    if let successor {
      self.successor = nil
      lost(nil)
      attempt += 1
      return open(successor)
    }
    lost(fault)
    wait()
  }
}

import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
import Logging
import MessageLog
import NIOCore
import Platform
import Synchronization

/// The local hub's side of the uplink: brings what waits in the store upstream, and to clients what
/// comes from there.
///
/// Confined to the uplink's event loop; others reach it through `UpstreamHandle`.
final class UpstreamService {
  /// A message of the store that is on its way.
  private struct Delivery {
    let sequence: UInt64
    let priority: PriorityClass
    let sent: DeliveryFigures.Sent
  }

  /// What depends on a message's head alone.
  ///
  /// A class, so that what is kept is taken with one count of references.
  private final class Head {
    let sender: IdentityKey
    /// Where the figures are.
    let place: Int

    init(sender: IdentityKey, place: Int) {
      self.sender = sender
      self.place = place
    }
  }

  /// A message that was read when the connection had just become full.
  private struct Held {
    let sender: IdentityKey
    let bag: [UInt8]
    let body: [UInt8]
    let id: Endpoints.EdgeMessageID
    let delivery: UInt64
  }

  /// Messages that are read from the store at once.
  private static let batch = 64
  /// The pause before the reported properties are sent, so that many clients make one patch.
  private static let reportDelay = TimeAmount.seconds(1)
  /// Nil while the hub above is reached, and before it was for the first time.
  private var lostAt: Instant?

  let hub: LocalHub
  let uplink: Uplink
  private let handle: UpstreamHandle
  private let configuration: ConfigurationService
  private let budget: UpstreamBudget?
  private let logger: Logger
  private let own: IdentityKey

  private var reader: QueueReader<LinuxDisk>?
  private var endpoint: UInt16?
  private var generation = -1
  private var watcher: UInt64 = 0
  private var deliveries: [UInt64: Delivery] = [:]
  private var lastDelivery: UInt64 = 0
  private var heads = HeadCache<Head>()
  private var isPumping = false
  /// What was read and not sent: a part of one batch, which goes before everything else.
  private var held: [Held] = []

  private var reported = ReportedProperties(last: nil, keys: ReportedProperties.hubKeys)
  private var isReportDue = false
  private var isReporting = false
  private var clock = ClockWitness()

  init(
    hub: LocalHub,
    uplink: Uplink,
    handle: UpstreamHandle,
    configuration: ConfigurationService,
    budget: UpstreamBudget?
  ) {
    self.hub = hub
    self.uplink = uplink
    self.handle = handle
    self.configuration = configuration
    self.budget = budget
    logger = hub.logger
    own = hub.identity.edgeHub
  }

  /// Begins to connect, and stays connected until `stop`.
  func start() {
    let handle = handle
    watcher = hub.store.watch([]) { handle.tell { $0.pump() } }
    uplink.delegate = self
    uplink.follow(own, [.desired, .methods])
    uplink.start()
  }

  /// Leaves in good order.
  func stop() {
    hub.store.unwatch(watcher)
    tellStore()
    budget?.keep(age: hub.store.now.age, isLast: true)
    uplink.stop()
  }

  // MARK: Messages

  /// Begins to send: which messages are over their time is known.
  private func timeIsSaved(for connection: UInt64) {
    clock.stored(for: connection)
    pump()
  }

  /// Sends what waits, as far as there is room.
  func pump() {
    guard uplink.isConnected, clock.isStored, !isPumping else { return }
    isPumping = true
    defer { isPumping = false }
    refresh()
    guard let endpoint, reader != nil, sendHeld() else { return }
    while uplink.room > 0, held.isEmpty {
      guard let view = hub.store.endpoint(endpoint)?.view, send(from: view) else { return }
    }
  }

  /// Sends one batch; false if there was nothing to send.
  private func send(from view: QueueView) -> Bool {
    let (time, start) = (hub.store.now, SystemClock.now())
    do throws(LogFault) {
      let limit = min(uplink.room, Self.batch)
      let reading = try reader?.read(
        in: view,
        age: time.savedAge,
        maxMessages: limit,
        allowance: { [budget] in budget?.allowance($0, age: time.age) ?? .max }
      ) { message in
        lastDelivery += 1
        let head: Head
        if let known = heads.value(of: message) {
          head = known
        } else {
          let place = hub.figures.upstream.place(of: message, to: HubFigures.upstreamName)
          head = Head(sender: message.event.identity, place: place)
          heads.keep(head, of: message)
        }
        let delivery = Delivery(
          sequence: message.sequence,
          priority: message.priority,
          sent: hub.figures.upstream.sending(
            message,
            at: head.place,
            start: start,
            now: time.calendar
          )
        )
        deliveries[lastDelivery] = delivery
        let event = message.event
        let sender = head.sender
        let id = Endpoints.EdgeMessageID(store: message.id.high, number: message.id.low)
        // Nothing overtakes what is held.
        let sending =
          held.isEmpty
          ? uplink.send(
            for: sender,
            bag: event.bag.bytes,
            body: event.body,
            id: id,
            delivery: lastDelivery
          ) : .full
        switch sending {
        case .taken: break
        case .full:
          // The socket takes no more; what the batch still brings waits here.
          held.append(
            Held(
              sender: sender,
              bag: event.bag.bytes.array(),
              body: event.body.array(),
              id: id,
              delivery: lastDelivery
            )
          )
        case .unencodable: unsendable.append((lastDelivery, sender))
        }
      }
      for (delivery, sender) in unsendable { giveUp(delivery, of: sender) }
      unsendable = []
      guard let reading else { return false }
      if let budget {
        if let priority = reading.priority {
          budget.sent(reading.byteCount, priority, age: time.age)
        } else {
          waitForBudget(budget, view)
        }
      }
      for damage in reading.damage {
        logger.error("stored messages are damaged", metadata: ["place": "\(damage)"])
      }
      if reading.expiredCount > 0 {
        hub.store.expired(reading.expiredSenders)
        tellStore()
      }
      return reading.messageCount > 0
    } catch .viewOutdated {
      // Space was given back meanwhile: the next view is there already.
      return true
    } catch {
      logger.error("stored messages cannot be read", metadata: ["fault": "\(error)"])
      return false
    }
  }

  /// Comes back when the budget lets something pass that waits.
  private func waitForBudget(_ budget: UpstreamBudget, _ view: QueueView) {
    let waiting = PriorityClass.all.filter { view.length($0) > 0 }
    guard !isBudgetAwaited, let wait = budget.wait(of: waiting, age: hub.store.now.age) else {
      return
    }
    isBudgetAwaited = true
    let handle = handle
    // Not for long at once: what is in flight may be all that waits.
    let delay = TimeAmount.milliseconds(Int64(clamping: min(max(wait, 10), 60_000)))
    uplink.eventLoop.scheduleTask(in: delay) {
      handle.tell { service in
        service.isBudgetAwaited = false
        service.pump()
      }
    }
  }

  private var isBudgetAwaited = false
  private var unsendable: [(delivery: UInt64, sender: IdentityKey)] = []

  /// Sends what was held; false if some of it still is.
  private func sendHeld() -> Bool {
    var sent = 0
    defer { held.removeFirst(sent) }
    for message in held {
      let sending = uplink.send(
        for: message.sender,
        bag: message.bag.span,
        body: message.body.span,
        id: message.id,
        delivery: message.delivery
      )
      switch sending {
      case .taken: break
      case .full: return false
      case .unencodable: giveUp(message.delivery, of: message.sender)
      }
      sent += 1
    }
    return true
  }

  /// A message can never be sent: it is dropped, so that it does not hold up the others.
  private func giveUp(_ delivery: UInt64, of sender: IdentityKey) {
    logger.error(
      "a message that no topic can carry was dropped",
      metadata: ["sender": "\(sender)"]
    )
    if let delivery = deliveries.removeValue(forKey: delivery) { settle(delivery) }
  }

  private func settle(_ delivery: Delivery) {
    reader?.settle(delivery.sequence, delivery.priority)
  }

  private func tellStore() {
    guard let endpoint, let news = reader?.takeSettlements() else { return }
    hub.store.settle(endpoint, news)
  }

  /// Takes over the queue upstream, if it is another one now.
  private func refresh() {
    let current = hub.store.generation
    guard current != generation else { return }
    generation = current
    let found = hub.store.endpoints(prefix: StoreService.Store.upstream).first {
      $0.endpoint.name == StoreService.Store.upstream
    }
    guard found?.number != endpoint || reader == nil else { return }
    endpoint = found?.number
    reader = found.map { QueueReader(disk: $0.endpoint.disk, windowByteCount: 256 << 10) }
    deliveries = [:]
    held = []
    hub.store.watch(Set(endpoint.map { [$0] } ?? []), as: watcher)
  }

  // MARK: Reported properties of the local hub

  /// Something that is reported has changed.
  func reportSoon() {
    guard !isReportDue else { return }
    isReportDue = true
    let handle = handle
    uplink.eventLoop.scheduleTask(in: Self.reportDelay) {
      handle.tell { service in
        service.isReportDue = false
        service.report()
      }
    }
  }

  private func report() {
    guard uplink.isConnected, !isReporting else { return }
    let report = hub.clients.withLock {
      $0.report(lastDesired: configuration.last, version: EdgeVersion.runtime)
    }
    send(reported.patches(for: report)[...], of: report)
  }

  private func send(_ patches: ArraySlice<JSONObject>, of report: JSONObject) {
    guard let patch = patches.first else {
      reported.sent(report)
      isReporting = false
      return
    }
    isReporting = true
    let handle = handle
    uplink.patchReported(JSON.bytes(.object(patch)), of: own) { result in
      handle.tell { service in
        if case .success = result {
          service.send(patches.dropFirst(), of: report)
        } else {
          service.isReporting = false
        }
      }
    }
  }

  /// Asks for the whole configuration.
  func readConfiguration() {
    uplink.readTwin(of: own) { [self] result in
      guard case .success(let reply) = result, reply.status == 200,
        let twin = try? JSON.parse(reply.body), let desired = twin["desired"]?.objectValue
      else { return }
      configuration.use(desired)
      reportSoon()
    }
  }
}

// MARK: - What comes from upstream

extension UpstreamService: UplinkDelegate {
  func uplinkConnected(isMultiplexing: Bool) {
    logger.notice("connected upstream", metadata: ["children": "\(isMultiplexing)"])
    if let lost = lostAt.take() {
      hub.figures.time(.offlineTime, own.clientID, since: lost)
    }
    deliveries = [:]
    held = []
    reader?.rewind()
    reported = ReportedProperties(last: nil, keys: ReportedProperties.hubKeys)
    let (handle, connection) = (handle, clock.connected())
    hub.store.confirmTime { handle.tell { $0.timeIsSaved(for: connection) } }
    readConfiguration()
    handle.connected(true)
  }

  func uplinkLost(_ fault: ClientFault?) {
    logger.notice(
      "the hub above is not reached; messages wait here",
      metadata: ["reason": "\(fault.map { "\($0)" } ?? "stopped")"]
    )
    if handle.isConnected {
      lostAt = SystemClock.now()
      hub.figures.count(.offlineCount, own.clientID)
    }
    // What was on its way is sent again.
    if !deliveries.isEmpty {
      hub.figures.count(.retries, own.clientID, "send_message", by: deliveries.count)
    }
    deliveries = [:]
    held = []
    tellStore()
    handle.connected(false)
  }

  func uplinkAcknowledged(_ acknowledged: Span<UInt64>) {
    let now = SystemClock.now()
    for index in acknowledged.indices {
      guard let delivery = deliveries.removeValue(forKey: acknowledged[index]) else { continue }
      hub.figures.upstream.confirmed(delivery.sent, now: now)
      settle(delivery)
    }
    tellStore()
    pump()
  }

  func uplinkHasRoom() { pump() }

  func uplinkDropped(for child: IdentityKey) {
    logger.warning(
      "the hub above takes no messages of this identity: it is not below this edge there",
      metadata: ["identity": "\(child)"]
    )
  }

  func uplinkUnfollowed(_ identity: IdentityKey, reason: String) {
    logger.info(
      "the hub above does not let this edge act for an identity",
      metadata: ["identity": "\(identity)", "reason": "\(reason)"]
    )
  }

  func uplinkDesired(of identity: IdentityKey, version: Int64?, patch: [UInt8]) {
    guard identity == own else {
      return handle.desired(of: identity, version: version, patch: patch)
    }
    // Routes are few and rarely changed: they are read as a whole.
    readConfiguration()
  }

  func uplinkMethod(_ method: UplinkMethod) {
    if method.identity == own { return answerOwn(method) }
    let (hub, handle) = (hub, handle)
    var wish = DirectMethodRequest(methodName: method.name)
    // What the hub above waits for is its own business; here it may take as long as methods can.
    wish.responseTimeoutSeconds = DirectMethodRequest.responseTimeouts.upperBound
    if !method.payload.isEmpty { wish.payload = try? JSON.parse(method.payload) }
    let request = wish
    // Answers the hub above, which has a time limit of its own.
    Task {
      let start = SystemClock.now()
      let called = try? await hub.methods.invoke(method.identity, request)
      let to = method.identity.clientID
      hub.figures.count(.methods, HubFigures.upstreamName, to)
      hub.figures.time(.methodTime, HubFigures.upstreamName, to, since: start)
      guard let answer = called else { return }
      handle.tell {
        $0.uplink.answer(
          method,
          status: answer.status,
          body: answer.payload.map { JSON.bytes($0) } ?? []
        )
      }
    }
  }

  /// The local hub's own methods (edge contract section 8.3).
  private func answerOwn(_ method: UplinkMethod) {
    guard method.name.lowercased() == "refreshdevicescopeidentitycache" else {
      let message: JSONValue = [
        "message": .string(
          "$edgeHub has no method \(method.name); it has RefreshDeviceScopeIdentityCache."
        )
      ]
      return uplink.answer(method, status: 404, body: JSON.bytes(message))
    }
    let ids = (try? JSON.parse(method.payload))?["deviceIds"]?.arrayValue ?? []
    let keys = ids.compactMap { $0.stringValue.flatMap { IdentityKey(clientID: $0) } }
    let (hub, handle) = (hub, handle)
    // Answers the hub above, which has a time limit of its own.
    Task {
      var failure: String?
      if keys.isEmpty {
        do { try await hub.scope.refresh() } catch { failure = "\(error)" }
      } else {
        for key in keys { await hub.scope.look(for: key) }
      }
      let body: JSONValue = failure.map { ["message": .string($0)] } ?? .null
      let (status, bytes) = (failure == nil ? 200 : 500, JSON.bytes(body))
      handle.tell { $0.uplink.answer(method, status: status, body: bytes) }
    }
  }

  func uplinkMessage(_ message: UplinkMessage) { handle.message(message) }
}

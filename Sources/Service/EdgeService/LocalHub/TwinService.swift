import ByteIO
@preconcurrency import Dispatch
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
import Logging
import MessageLog
import Platform
import Synchronization

/// The twins of those who connect here: drives `TwinCache`, keeps what it says durable, and talks to the
/// hub above for it.
///
/// All events are handled on one queue. Those that wait when it gets to them share one sync of the
/// disk, before any of them is answered.
final class TwinService: TwinsBelow, Sendable {
  private typealias Event = @Sendable (inout TwinCache, inout Requests, Instant) -> [TwinAction]

  /// Clients' requests by their number.
  struct Requests: Sendable {
    /// The most that wait; beyond, clients are asked to come again.
    ///
    /// They pile up only while the disk takes nothing, or the hub above does not answer.
    private static let limit = 2_048

    private var waiting: [UInt64: (of: IdentityKey, reply: @Sendable (TwinReply) -> Void)] = [:]
    private var last: UInt64 = 0

    /// The number of a new one; nil, and it is refused, if too many wait.
    mutating func add(
      of identity: IdentityKey,
      _ reply: @escaping @Sendable (TwinReply) -> Void
    ) -> UInt64? {
      guard waiting.count < Self.limit else {
        let error = HubError(.serviceUnavailable, "Too many requests for twins wait here.")
        reply(TwinReply(status: error.code.httpStatus, body: TwinService.body(error)))
        return nil
      }
      last += 1
      waiting[last] = (identity, reply)
      return last
    }

    mutating func take(_ number: UInt64) -> (@Sendable (TwinReply) -> Void)? {
      waiting.removeValue(forKey: number)?.reply
    }

    /// Whether somebody waits for the answer to a request.
    func has(_ number: UInt64) -> Bool { waiting[number] != nil }

    /// Forgets those of a client that has left: nobody waits for the answers.
    mutating func drop(of identity: IdentityKey) {
      waiting = waiting.filter { $0.value.of != identity }
    }
  }

  private struct State {
    var cache: TwinCache
    /// Nil once it is closed.
    var log: TwinLog?
    var requests = Requests()
    /// What waits until the disk has taken what is stored before it.
    var owed = OwedTwinActions()
    /// Actions beyond which it is looked what can be left out of them.
    var mostOwed = TwinService.mostOwed
    var isFailing = false
  }

  private static let mostOwed = 8_192

  private let state: Mutex<State>
  private let events = Mutex<(waiting: [Event], isRunning: Bool)>(([], false))
  private let queue = DispatchQueue(label: "orrery.edge.twins")
  private let timer: any DispatchSourceTimer
  private let handle: UpstreamHandle
  private let seal: StateSeal
  private let figures: HubFigures
  private let logger: Logger
  private let hub = Mutex<LocalHub?>(nil)

  /// Takes up what is kept in `directory`.
  ///
  /// - Throws: `SettingsFault` for what can't be opened.
  init(
    directory: String,
    isDurable: Bool,
    configuration: TwinCacheConfiguration,
    seal: StateSeal,
    handle: UpstreamHandle,
    figures: HubFigures,
    logger: Logger
  ) throws {
    self.handle = handle
    self.figures = figures
    self.seal = seal
    self.logger = logger
    try PrivateFile.makeDirectory(directory)
    let log = try TwinLog(directory: directory, isDurable: isDurable)
    var cache = TwinCache(configuration)
    let unreadable = log.restore(into: &cache, seal)
    for key in unreadable {
      logger.error("a stored twin cannot be read", metadata: ["key": "\(key)"])
    }
    state = Mutex(State(cache: cache, log: log))
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.setEventHandler { [weak self] in self?.submit { $0.timePassed(now: $2) } }
    timer.activate()
    handle.onConnection { [weak self] isConnected in
      self?.submit { cache, _, now in
        isConnected ? cache.linkUp(now: now) : cache.linkDown(now: now)
      }
    }
    handle.onDesired { [weak self] identity, version, patch in
      self?.submit { cache, _, now in
        cache.desiredChanged(
          identity,
          patch.span,
          version: UInt64(clamping: version ?? 0),
          now: now
        )
      }
    }
  }

  /// Serves the clients of `hub`.
  func attach(_ hub: LocalHub) { self.hub.withLock { $0 = hub } }

  // MARK: From clients

  func twin(
    of identity: IdentityKey,
    isForEdge: Bool,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {
    let (start, figures) = (SystemClock.now(), figures)
    submit { [self] cache, requests, now in
      let request = requests.add(of: identity) { [self] answer in
        figures.count(.getTwins, HubFigures.ownName, identity.clientID)
        figures.time(.getTwinTime, HubFigures.ownName, identity.clientID, since: start)
        // Refusals come at once, while the state is locked, and are told as they are.
        let isKnown =
          !isForEdge || answer.status != 200 || state.withLock { $0.cache.isKnown(identity) }
        reply(isKnown ? answer : Self.unknown)
      }
      return request.map { cache.clientReads(identity, request: $0, now: now) } ?? []
    }
  }

  private static let unknown: TwinReply = {
    let error = HubError(
      .serviceUnavailable,
      "This twin is not known here, and the hub above cannot be reached."
    )
    return TwinReply(status: error.code.httpStatus, body: body(error))
  }()

  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {
    let (start, figures) = (SystemClock.now(), figures)
    submit { cache, requests, now in
      let request = requests.add(of: identity) { answer in
        figures.count(.reportedUpdates, HubFigures.ownName, identity.clientID)
        figures.time(.reportedTime, HubFigures.ownName, identity.clientID, since: start)
        reply(answer)
      }
      return request.map { cache.clientReports(identity, body.span, request: $0, now: now) } ?? []
    }
  }

  func connected(_ identity: IdentityKey, _ device: DeviceHandle) { handle.reportSoon() }

  func desiredWanted(_ identity: IdentityKey) {
    handle.desiredWanted(identity)
    submit { cache, _, now in cache.clientSubscribed(identity, now: now) }
  }

  func disconnected(_ identity: IdentityKey) {
    handle.reportSoon()
    submit { cache, requests, now in
      requests.drop(of: identity)
      return cache.clientLeft(identity, now: now)
    }
  }

  /// Forgets the twins of identities that are gone.
  func removed(_ identities: [IdentityKey]) {
    submit { cache, requests, now in
      for identity in identities { requests.drop(of: identity) }
      return identities.flatMap { cache.removed($0, now: now) }
    }
  }

  // MARK: Turns

  private func submit(_ event: @escaping Event) {
    let starts = events.withLock { events in
      events.waiting.append(event)
      defer { events.isRunning = true }
      return !events.isRunning
    }
    if starts { queue.async { self.run() } }
  }

  private func run() {
    while true {
      let waiting = events.withLock { events -> [Event] in
        defer { events.waiting = [] }
        if events.waiting.isEmpty { events.isRunning = false }
        return events.waiting
      }
      if waiting.isEmpty { return }
      turn(waiting)
    }
  }

  private func turn(_ waiting: [Event]) {
    let now = SystemClock.now()
    let (done, deadline) = state.withLock { state -> ([TwinAction], Instant?) in
      for event in waiting {
        state.owed.append(event(&state.cache, &state.requests, now))
        // Not all at once: a flood of them must not become one of actions first.
        if state.isFailing, state.owed.actions.count > state.mostOwed { compact(&state) }
      }
      return (take(&state), state.cache.nextDeadline)
    }
    for action in done { perform(action) }
    setTimer(deadline, now)
  }

  /// Makes what is owed durable, and takes it; nothing if the disk does not take it now.
  private func take(_ state: inout State) -> [TwinAction] {
    guard commit(&state) else { return [] }
    let (done, undelivered) = state.owed.take()
    guard !undelivered.isEmpty else { return done }
    for identity in undelivered { state.owed.append(state.cache.deliverAgain(identity)) }
    return commit(&state) ? done + state.owed.take().actions : done
  }

  /// Makes what is owed durable; false if the disk does not take it now.
  private func commit(_ state: inout State) -> Bool {
    guard let log = state.log else { return false }
    do {
      try log.keep(state.owed.actions, seal)
      if state.isFailing { logger.notice("twins are kept again") }
      state.isFailing = false
      return true
    } catch {
      if !state.isFailing {
        logger.error(
          "twins cannot be kept, so their clients get no answers; free space or mend the disk",
          metadata: ["fault": "\(error)"]
        )
      }
      state.isFailing = true
      compact(&state)
      return false
    }
  }

  private func compact(_ state: inout State) {
    let requests = state.requests
    let dropped = state.owed.compact { requests.has($0) }
    state.mostOwed = max(Self.mostOwed, 2 * state.owed.actions.count)
    guard dropped > 0 else { return }
    logger.warning("notices of changed twins are dropped", metadata: ["count": "\(dropped)"])
  }

  private func setTimer(_ deadline: Instant?, _ now: Instant) {
    let isFailing = state.withLock { $0.isFailing }
    guard let deadline = isFailing ? now.adding(milliseconds: 1_000) : deadline else { return }
    let left = deadline > now ? deadline.nanoseconds - now.nanoseconds : 0
    timer.schedule(deadline: .now() + .nanoseconds(Int(clamping: left)), leeway: .milliseconds(5))
  }

  private func reply(_ request: UInt64, _ answer: TwinReply) {
    state.withLock { $0.requests.take(request) }?(answer)
  }

  private func perform(_ action: TwinAction) {
    switch action {
    case .store, .forget: break
    case .readTwin(let identity, let exchange): read(identity, exchange)
    case .sendReported(let identity, let exchange, let patch): send(identity, exchange, patch)
    case .deliverDesired(let identity, let version, let body):
      hub.withLock { $0 }?.directory[identity]?.handle
        .deliverDesired(version: Int64(clamping: version), body: body)
      // A client that did not get it asks for its twin when it is back, as with the hub above.
      submit { cache, _, _ in
        cache.desiredConfirmed(identity, version: version)
        return []
      }
    case .answerTwin(_, let request, let body): reply(request, TwinReply(status: 200, body: body))
    case .answerReported(_, let request, let version):
      reply(request, TwinReply(status: 204, version: Int64(clamping: version)))
    case .refuse(_, let request, let error):
      reply(request, TwinReply(status: error.code.httpStatus, body: Self.body(error)))
    case .routeChange(let identity, let body): hub.withLock { $0 }?.routeChange(identity, body)
    case .note(let identity, let text):
      logger.warning("twin", metadata: ["identity": "\(identity)", "note": "\(text)"])
    }
  }

  fileprivate static func body(_ error: HubError) -> [UInt8] {
    JSON.bytes(["errorCode": .int(Int64(error.code.rawValue)), "message": .string(error.message)])
  }

  // MARK: To the hub above

  private func read(_ identity: IdentityKey, _ exchange: UInt64) {
    let start = SystemClock.now()
    handle.tell { [self] service in
      service.uplink.readTwin(of: identity) { [self] result in
        let reply = try? result.get()
        figures.count(.getTwins, HubFigures.upstreamName, identity.clientID)
        figures.time(.getTwinTime, HubFigures.upstreamName, identity.clientID, since: start)
        // It is read again.
        if reply?.status != 200 { figures.count(.retries, identity.clientID, "get_twin") }
        submit { cache, _, now in
          guard let reply, reply.status == 200 else {
            return cache.twinReadFailed(identity, exchange: exchange, now: now)
          }
          return cache.twinRead(identity, exchange: exchange, reply.body.span, now: now)
        }
      }
    }
  }

  private func send(_ identity: IdentityKey, _ exchange: UInt64, _ patch: [UInt8]) {
    let start = SystemClock.now()
    handle.tell { [self] service in
      service.uplink.patchReported(patch, of: identity) { [self] result in
        figures.count(.reportedUpdates, HubFigures.upstreamName, identity.clientID)
        figures.time(.reportedTime, HubFigures.upstreamName, identity.clientID, since: start)
        submit { cache, _, now in
          switch result {
          case .success(let reply):
            return cache.reportedAccepted(
              identity,
              exchange: exchange,
              version: UInt64(clamping: reply.version ?? 0),
              now: now
            )
          case .failure(.refused(let status, let body)) where (400..<500).contains(status):
            let text = (try? JSON.parse(body))?["message"]?.stringValue ?? "status \(status)"
            return cache.reportedRefused(
              identity,
              exchange: exchange,
              HubError(.argumentInvalid, text),
              now: now
            )
          case .failure:
            self.figures.count(.retries, identity.clientID, "update_reported_properties")
            return cache.reportedFailed(identity, exchange: exchange, now: now)
          }
        }
      }
    }
  }

  /// Keeps what has to be kept, and ends.
  func close() {
    timer.cancel()
    queue.sync {
      run()
      state.withLock { state in
        _ = commit(&state)
        state.log = nil
      }
    }
  }
}

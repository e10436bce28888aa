import ByteIO
import Endpoints
import HubContract
import HubEngine
import JSONTree
import Logging
import MessageLog
import Platform
import Synchronization

/// The hub's routes: keeps their configuration, decides for every event, and brings events to the
/// endpoints.
final class RoutingService: TelemetryRouter, Sendable {
  private struct State {
    var configuration: RoutingConfiguration
    var table: RoutingTable
    var lastSlot: Int
  }

  private let state: Mutex<State>
  /// Whether all telemetry goes to the built-in stream as it came: nearly every hub, and one load a
  /// message.
  private let isBuiltIn = Atomic<Bool>(true)
  /// Counts changes, so that who delivers sees them.
  private let changes = Atomic<UInt64>(0)
  /// Who delivers, while it waits for a change.
  private let waiter = Mutex<CheckedContinuation<Void, Never>?>(nil)
  /// Held from a decision until its event is submitted to the log, by those who are on no event loop.
  let deciding = Mutex<Void>(())
  /// By slot: an endpoint that drains may have the name of another.
  private let tallies = Mutex<[Int: EndpointTally]>([:])
  let directory: String
  let log: EventLog
  let rules: EndpointRules
  let builtInNames: Set<String>
  private let logger: Logger
  private let quotas: Quotas
  /// What conditions and enrichments ask of the senders.
  let twins = SenderTwins()
  let hubName: String

  /// Reads the configuration in `directory`, if there is one.
  ///
  /// - Throws: `SettingsFault` for a file that can't be used.
  init(
    directory: String,
    hubNames: [String],
    quotas: Quotas,
    rules: EndpointRules,
    log: EventLog,
    logger: Logger
  ) throws {
    self.directory = directory
    self.rules = rules
    let hubName = hubNames.first ?? "hub"
    self.hubName = hubName
    builtInNames = Self.builtInNames(of: hubNames)
    self.quotas = quotas
    self.log = log
    self.logger = logger
    var stored = RoutingConfiguration()
    var lastSlot = 0
    let path = Self.configurationPath(directory)
    if PrivateFile.exists(path) {
      do {
        let json = try JSON.parse(try PrivateFile.read(path))
        stored = try RoutingConfiguration(json: json, quotas: quotas, asStored: true)
        lastSlot = Int(clamping: json["lastSlot"]?.int64Value ?? 0)
      } catch {
        throw SettingsFault(
          "the routes in \(path) cannot be read: \(error)",
          remedy: "Mend the file, or move it away: then everything goes to the built-in stream."
        )
      }
    }
    let table: RoutingTable
    do throws(RouteFault) {
      table = try RoutingTable(stored, hubName: hubName, quotas: quotas)
    } catch {
      throw SettingsFault("the routes in \(path) cannot be used: \(error.error.message)")
    }
    state = Mutex(State(configuration: stored, table: table, lastSlot: lastSlot))
    note(table)
  }

  private static func configurationPath(_ directory: String) -> String {
    directory + "/routing.json"
  }

  private func note(_ table: RoutingTable) {
    twins.reset(for: table.twinProjection)
    isBuiltIn.store(table.constant(.telemetry) == .builtIn, ordering: .releasing)
    changes.add(1, ordering: .releasing)
    wake()
  }

  /// The routes as they are now.
  var table: RoutingTable { state.withLock { $0.table } }

  /// The configuration.
  var configuration: RoutingConfiguration { state.withLock { $0.configuration } }

  func route(
    _ stamp: EventStamp,
    flags: EventFlags,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) -> EventRouting {
    if isBuiltIn.load(ordering: .acquiring) { return .builtIn }
    let table = table
    if let constant = table.constant(.telemetry) { return constant }
    let sender = RoutedEvent.Sender(stamp)
    let event = RoutedEvent(
      sender: sender,
      flags: flags,
      enqueuedTime: Timestamp(ticks: SystemClock.wallTicks()),
      bag: bag,
      body: body,
      twin: table.needsTwin ? twins.twin(of: sender.identity, for: table.twinProjection) : nil
    )
    return table.decide(.telemetry, event, byteCount: bag.count + body.count)
  }

  /// Puts `wanted` in the place of the configuration, durably.
  ///
  /// - Throws: 412001 if it is not the one of `condition`, 400004 for what can't be used; then everything is as
  ///   before.
  func replace(
    _ wanted: RoutingConfiguration,
    ifMatch condition: ETagCondition
  ) throws(HubError) {
    try refuseUnserved(wanted)
    try state.withLock { state throws(HubError) in
      guard condition.allows(state.configuration.etag) else {
        throw HubError(
          .preconditionFailed,
          "The ETag in If-Match is not that of the routing, which was changed meanwhile; read it again."
        )
      }
      var next = wanted
      let lastSlot = next.assignSlots(keeping: state.configuration, after: state.lastSlot)
      guard next.endpoints.allSatisfy({ $0.slot > 0 }) else {
        throw HubError(
          .serviceUnavailable,
          "\(next.draining.count) endpoints that were removed still get what was sent to them;"
            + " try again when GET /routing shows fewer of them."
        )
      }
      let table: RoutingTable
      do throws(RouteFault) {
        table = try RoutingTable(next, hubName: hubName, quotas: quotas)
      } catch {
        throw error.error
      }
      do throws(FileFault) {
        // A new endpoint begins here: nothing older is marked for it.
        for endpoint in next.endpoints
        where !state.configuration.endpoints.contains(where: { $0.slot == endpoint.slot }) {
          let view = log.view
          let positions = (0..<UInt16(log.partitionCount)).map { view[$0].nextSequence }
          try checkpoint(endpoint).write(positions)
        }
        try store(next, lastSlot: lastSlot)
      } catch {
        throw HubError(.serverError, "The routes cannot be kept: \(error)")
      }
      state = State(configuration: next, table: table, lastSlot: lastSlot)
      note(table)
    }
  }

  private func store(_ configuration: RoutingConfiguration, lastSlot: Int) throws(FileFault) {
    var object = configuration.json(asStored: true).objectValue ?? [:]
    object["lastSlot"] = .int(Int64(lastSlot))
    try PrivateFile.replace(Self.configurationPath(directory), with: JSON.bytes(.object(object)))
  }

  /// Forgets an endpoint that has drained; false if that can't be made durable now.
  func forget(_ endpoint: RoutingEndpoint) -> Bool {
    do throws(FileFault) {
      try state.withLock { state throws(FileFault) in
        var next = state.configuration
        next.draining.removeAll { $0.slot == endpoint.slot }
        try store(next, lastSlot: state.lastSlot)
        state.configuration = next
        // Before somebody else gets the slot.
        checkpoint(endpoint).remove()
        tallies.withLock { $0[endpoint.slot] = nil }
      }
    } catch {
      logger.warning("a removed endpoint is not forgotten", metadata: ["fault": "\(error)"])
      return false
    }
    logger.notice(
      "a removed endpoint has got all that was sent to it",
      metadata: ["endpoint": "\(endpoint.name)"]
    )
    return true
  }

  /// Refuses what nothing would serve.
  private func refuseUnserved(_ wanted: RoutingConfiguration) throws(HubError) {
    for endpoint in wanted.endpoints {
      switch endpoint.kind {
      case .storage: continue
      case .webhook(let settings): try check(settings, of: endpoint.name)
      case .eventStream: try checkStream(endpoint.name)
      case .mqttTopic(let settings): try check(settings, of: endpoint.name)
      }
    }
    for route in wanted.routes
    where route.source != .telemetry && !HubEvent.sources.contains(route.source) {
      throw HubError(
        .argumentInvalid,
        "Route \(route.name): this hub makes no \(route.source.routeName) yet."
      )
    }
  }

  /// Copies the configuration, and where each of its endpoints stands, into `target`.
  ///
  /// Answers the names of the copied files.
  func backUp(to target: String) throws(FileFault) -> [String] {
    let endpoints = try state.withLock { state throws(FileFault) -> [RoutingEndpoint] in
      guard PrivateFile.exists(Self.configurationPath(directory)) else { return [] }
      try Backup.copy(Self.configurationPath(directory), to: Self.configurationPath(target))
      return state.configuration.endpoints + state.configuration.draining
    }
    var names = PrivateFile.exists(Self.configurationPath(target)) ? ["routing.json"] : []
    for endpoint in endpoints {
      let name = Self.checkpointName(endpoint)
      try Backup.copy("\(directory)/\(name)", to: "\(target)/\(name)")
      names.append(name)
    }
    return names
  }

  private static func checkpointName(_ endpoint: RoutingEndpoint) -> String {
    "routing-\(endpoint.slot).json"
  }

  func checkpoint(_ endpoint: RoutingEndpoint) -> EndpointCheckpoint {
    EndpointCheckpoint(path: "\(directory)/\(Self.checkpointName(endpoint))")
  }

  // MARK: Health

  /// The health of all endpoints, in their order, then of those that drain.
  func healthJSON(now: Timestamp) -> JSONValue {
    let known = tallies.withLock { $0 }
    func rows(_ endpoints: [RoutingEndpoint], isDraining: Bool) -> [JSONValue] {
      endpoints.map { endpoint in
        let health = (known[endpoint.slot]?.health ?? EndpointHealth())
          .json(endpoint: endpoint.name, isDraining: isDraining, now: now)
        guard endpoint.kind == .eventStream, !log.isSuspended, var object = health.objectValue
        else { return health }
        // It is the log itself: what the hub has acknowledged is in it.
        object["healthStatus"] = .string(EndpointHealth.Status.healthy.rawValue)
        return .object(object)
      }
    }
    let configuration = configuration
    return .array(
      rows(configuration.endpoints, isDraining: false)
        + rows(configuration.draining, isDraining: true)
    )
  }

  /// The metrics of all endpoints; of several that have one name, those of the first.
  var samples: [PrometheusMetrics.Sample] {
    let known = tallies.withLock { $0 }
    let configuration = configuration
    var names: Set<String> = []
    return (configuration.endpoints + configuration.draining)
      .filter { names.insert($0.name).inserted }
      .flatMap {
        (known[$0.slot] ?? EndpointTally()).samples(endpoint: $0.name)
      }
  }

  // MARK: Delivery

  /// Brings events to the endpoints until cancelled; then closes what is open.
  ///
  /// `sourcesSettled` returns when the hub's own events of before are in the log, and those of
  /// connections on their way.
  func deliver(sourcesSettled: @escaping @Sendable () async -> Void) async {
    while !Task.isCancelled {
      let seen = changes.load(ordering: .acquiring)
      let configuration = configuration
      var client: WebhookClient?
      await withTaskGroup(of: Void.self) { group in
        for endpoint in configuration.endpoints + configuration.draining {
          if case .webhook = endpoint.kind, client == nil {
            // Made only where it is needed: it brings threads.
            client = WebhookClient(trusting: rules.authorities)
          }
          let isDraining = configuration.draining.contains(endpoint)
          let shared = client
          group.addTask {
            let ends = isDraining ? await self.settledEnds(sourcesSettled) : nil
            if !Task.isCancelled { await self.serve(endpoint, shared, until: ends) }
          }
        }
        // A change of the routes ends all of them and begins anew, from their checkpoints.
        await waitForChange(after: seen)
        group.cancelAll()
      }
      await client?.close()
    }
  }

  /// Returns when the routes have changed since change `seen`, or the task is cancelled; for one task
  /// at a time.
  private func waitForChange(after seen: UInt64) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = waiter.withLock { waiter in
          if Task.isCancelled || changes.load(ordering: .acquiring) != seen { return true }
          waiter = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      wake()
    }
  }

  private func wake() { waiter.withLock { $0.take() }?.resume() }

  /// Brings events to an endpoint until cancelled, to one that drains, until `ends`.
  private func serve(
    _ endpoint: RoutingEndpoint,
    _ client: WebhookClient?,
    until ends: [UInt64]?
  ) async {
    switch endpoint.kind {
    case .storage(let settings): await fill(endpoint, settings, until: ends)
    case .webhook(let settings):
      if let client { await post(endpoint, settings, client, until: ends) }
    case .mqttTopic(let settings): await publish(endpoint, settings, until: ends)
    case .eventStream: return
    }
  }

  /// Where the log ends, by partition, once everything that former routes decided is in it.
  private func settledEnds(_ sourcesSettled: () async -> Void) async -> [UInt64] {
    // Who was deciding meanwhile has submitted it when the lock is free.
    deciding.withLock { _ in }
    await sourcesSettled()
    await log.settle()
    let view = log.view
    return (0..<UInt16(log.partitionCount)).map { view[$0].nextSequence }
  }

  private func fill(
    _ endpoint: RoutingEndpoint,
    _ settings: StorageEndpoint,
    until ends: [UInt64]?
  ) async {
    var writer = StorageWriter(
      endpoint,
      settings,
      root: directory + "/storage",
      hubName: hubName,
      log: log,
      checkpoint: checkpoint(endpoint)
    )
    repeat {
      let end = log.view.committedEnd
      for outcome in writer.turn() { report(endpoint, outcome) }
      if let ends {
        for outcome in writer.drain() { report(endpoint, outcome) }
        if writer.hasReached(ends), forget(endpoint) { return }
      }
      await log.waitForMore(than: end, timeout: .milliseconds(500))
    } while !Task.isCancelled
    for outcome in writer.drain() { report(endpoint, outcome) }
  }

  func report(_ endpoint: RoutingEndpoint, _ outcome: EndpointOutcome) {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    let name = endpoint.name
    let (isNews, deadLetters) = tallies.withLock { tallies in
      let isNews = tallies[endpoint.slot, default: EndpointTally()].note(outcome, now: now)
      return (isNews, tallies[endpoint.slot]?.deadLetterCount ?? 0)
    }
    guard isNews else { return }
    switch outcome {
    case .took: break
    case .failed(let reason):
      logger.warning("endpoint failed", metadata: ["endpoint": "\(name)", "reason": "\(reason)"])
    case .deadLettered(_, let reason):
      logger.warning(
        "events given up",
        metadata: [
          "endpoint": "\(name)", "reason": "\(reason.rawValue)",
          "events": "\(deadLetters) since the start", "file": "\(deadLetterPath(of: name))",
        ]
      )
    case .lost(let count, let partition):
      logger.error(
        "events were gone before an endpoint took them",
        metadata: [
          "endpoint": "\(name)", "partition": "\(partition)", "events": "at most \(count)",
          "remedy": "keep events longer (log.retention_hours, log.retention_bytes)",
        ]
      )
    }
  }
}

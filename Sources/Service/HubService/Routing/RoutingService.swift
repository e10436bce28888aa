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
  private let tallies = Mutex<[String: EndpointTally]>([:])
  let directory: String
  let log: EventLog
  let webhooks: WebhookRules
  private let logger: Logger
  private let quotas: Quotas
  let hubName: String

  /// Reads the configuration in `directory`, if there is one.
  ///
  /// - Throws: `SettingsFault` for a file that can't be used.
  init(
    directory: String,
    hubName: String,
    quotas: Quotas,
    webhooks: WebhookRules,
    log: EventLog,
    logger: Logger
  ) throws {
    self.directory = directory
    self.webhooks = webhooks
    self.hubName = hubName
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
    isBuiltIn.store(table.constant(.telemetry) == .builtIn, ordering: .releasing)
    changes.add(1, ordering: .releasing)
    wake()
  }

  /// The configuration.
  var configuration: RoutingConfiguration { state.withLock { $0.configuration } }

  func route(
    _ stamp: EventStamp,
    flags: EventFlags,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) -> EventRouting {
    if isBuiltIn.load(ordering: .acquiring) { return .builtIn }
    let table = state.withLock { $0.table }
    if let constant = table.constant(.telemetry) { return constant }
    let event = RoutedEvent(
      sender: RoutedEvent.Sender(stamp),
      flags: flags,
      enqueuedTime: Timestamp(ticks: SystemClock.wallTicks()),
      bag: bag,
      body: body
    )
    return table.decide(.telemetry, event, byteCount: bag.count + body.count)
  }

  /// Puts `wanted` in the place of the configuration, durably.
  ///
  /// - Throws: 400004 for what can't be used; then everything is as before.
  func replace(_ wanted: RoutingConfiguration) throws(HubError) {
    try refuseUnserved(wanted)
    try state.withLock { state throws(HubError) in
      var next = wanted
      let lastSlot = next.assignSlots(keeping: state.configuration, after: state.lastSlot)
      let table: RoutingTable
      do throws(RouteFault) {
        table = try RoutingTable(next, hubName: hubName, quotas: quotas)
      } catch {
        throw error.error
      }
      guard !table.needsTwin else {
        throw HubError(
          .argumentInvalid,
          "Conditions and enrichments of this hub cannot ask for $twin yet."
        )
      }
      do throws(FileFault) {
        // A new endpoint begins here: nothing older is marked for it.
        for endpoint in next.endpoints
        where !state.configuration.endpoints.contains(where: { $0.slot == endpoint.slot }) {
          let view = log.view
          let positions = (0..<UInt16(log.partitionCount)).map { view[$0].nextSequence }
          try checkpoint(endpoint).write(positions)
        }
        var object = next.json(asStored: true).objectValue ?? [:]
        object["lastSlot"] = .int(Int64(lastSlot))
        try PrivateFile.replace(
          Self.configurationPath(directory),
          with: JSON.bytes(.object(object))
        )
      } catch {
        throw HubError(.serverError, "The routes cannot be kept: \(error)")
      }
      state = State(configuration: next, table: table, lastSlot: lastSlot)
      note(table)
    }
  }

  /// Refuses what nothing would serve.
  private func refuseUnserved(_ wanted: RoutingConfiguration) throws(HubError) {
    for endpoint in wanted.endpoints {
      switch endpoint.kind {
      case .storage: continue
      case .webhook(let settings): try check(settings, of: endpoint.name)
      case .eventStream, .mqttTopic:
        throw HubError(
          .argumentInvalid,
          "Endpoint \(endpoint.name): this hub serves storage endpoints and webhooks, for now."
        )
      }
    }
    for route in wanted.routes where route.source != .telemetry {
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
      return state.configuration.endpoints
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

  /// The health of all endpoints, in their order.
  func healthJSON(now: Timestamp) -> JSONValue {
    let known = tallies.withLock { $0 }
    return .array(
      configuration.endpoints.map {
        (known[$0.name]?.health ?? EndpointHealth()).json(endpoint: $0.name, now: now)
      }
    )
  }

  /// The metrics of all endpoints.
  var samples: [PrometheusMetrics.Sample] {
    let known = tallies.withLock { $0 }
    return configuration.endpoints.flatMap {
      (known[$0.name] ?? EndpointTally()).samples(endpoint: $0.name)
    }
  }

  // MARK: Delivery

  /// Brings events to the endpoints until cancelled; then closes what is open.
  func deliver() async {
    while !Task.isCancelled {
      let seen = changes.load(ordering: .acquiring)
      let endpoints = configuration.endpoints
      var client: WebhookClient?
      await withTaskGroup(of: Void.self) { group in
        for endpoint in endpoints {
          switch endpoint.kind {
          case .storage(let settings):
            group.addTask { await self.fill(endpoint, settings, since: seen) }
          case .webhook(let settings):
            // Made only where it is needed: it brings threads.
            let shared = client ?? WebhookClient(trusting: webhooks.authorities)
            client = shared
            group.addTask { await self.post(endpoint, settings, shared) }
          case .eventStream, .mqttTopic: break
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

  private func fill(
    _ endpoint: RoutingEndpoint,
    _ settings: StorageEndpoint,
    since seen: UInt64
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
      for outcome in writer.turn() { report(endpoint.name, outcome) }
      await log.waitForMore(than: end, timeout: .milliseconds(500))
    } while !Task.isCancelled
    // It may be gone from the new routes: what was sent to it until then is still its.
    if changes.load(ordering: .acquiring) != seen {
      for outcome in writer.turn() { report(endpoint.name, outcome) }
    }
    for outcome in writer.drain() { report(endpoint.name, outcome) }
  }

  func report(_ name: String, _ outcome: EndpointOutcome) {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    let (isNews, deadLetters) = tallies.withLock { tallies in
      let isNews = tallies[name, default: EndpointTally()].note(outcome, now: now)
      return (isNews, tallies[name]?.deadLetterCount ?? 0)
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

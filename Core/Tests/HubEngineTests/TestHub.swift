import ByteIO
import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

/// A hub over memory with a clock that the test moves, and no randomness.
struct TestHub {
  var engine: HubEngine<SimHubStorage>
  var now = Timestamp(seconds: 1_800_000_000)

  /// A hub whose own events of `sources` go to the built-in stream.
  init(
    quotas: Quotas = Quotas(),
    rules: CloudToDeviceRules = CloudToDeviceRules(),
    sources: Set<EventSource> = HubEvent.sources
  ) {
    var configuration = RoutingConfiguration()
    configuration.routes = sources.map {
      Route(name: $0.routeName, source: $0, endpointNames: ["events"])
    }
    self.init(quotas: quotas, rules: rules, routing: configuration)
  }

  init(
    quotas: Quotas = Quotas(),
    rules: CloudToDeviceRules = CloudToDeviceRules(),
    routing: RoutingConfiguration
  ) {
    let counter = Counter()
    let routes = try? RoutingTable(routing, hubName: "hub1")
    engine = HubEngine(
      storage: SimHubStorage(),
      quotas: quotas,
      cloudToDeviceRules: rules,
      routes: { routes ?? .builtIn },
      entropy: counter.bytes
    )
  }

  mutating func device(
    _ id: String,
    isEdge: Bool = false,
    scope: String? = nil
  ) throws(HubError) -> DeviceIdentity {
    try engine.putDevice(
      DeviceIdentityRequest(deviceID: id, isEdge: isEdge, deviceScope: scope),
      ifMatch: .absent,
      now: now
    )
  }

  mutating func module(_ device: String, _ id: String) throws(HubError) -> ModuleIdentity {
    try engine.putModule(
      ModuleIdentityRequest(deviceID: device, moduleID: id),
      ifMatch: .absent,
      now: now
    )
  }

  /// The twin as the service sees it.
  func twin(
    _ key: IdentityKey,
    facts: ConnectionFacts = ConnectionFacts()
  ) throws -> JSONValue {
    try JSON.parse(engine.view.twin(key, facts: facts).body)
  }

  /// The effects since the last call, events left out.
  mutating func effects() -> [HubEffect] {
    engine.takeEffects().filter { $0 != .eventsWaiting }
  }

  /// The events since the last call, as a reader of the built-in stream gets them.
  mutating func events() throws -> [SeenEvent] {
    let outgoing = try engine.view.outgoingEvents(after: 0, limit: .max)
    let isTold = engine.takeEffects().contains(.eventsWaiting)
    #expect(isTold == !outgoing.isEmpty)
    if let last = outgoing.last { try engine.eventsAppended(through: last.sequence) }
    return try outgoing.map { event in
      let record = event.record
      let view = try EventView(record.span)
      #expect(view.identity.deviceID == event.deviceID)
      return SeenEvent(
        key: view.identity,
        source: view.source,
        properties: view.properties(),
        body: view.body.array()
      )
    }
  }
}

/// An event of the hub's own.
struct SeenEvent {
  var key: IdentityKey
  var source: EventSource
  var properties: EventProperties
  var body: [UInt8]

  var operation: String? { self["opType"] }

  /// An application property.
  subscript(name: String) -> String? {
    properties.application.first { $0.name == name }?.value
  }
}

/// Bytes that never repeat, in place of entropy.
private final class Counter {
  private var count: UInt64 = 0

  func bytes(_ wanted: Int) -> [UInt8] {
    count += 1
    var bytes = [UInt8](repeating: 0, count: wanted)
    for index in 0..<min(8, wanted) {
      bytes[index] = UInt8(truncatingIfNeeded: count >> (8 * index))
    }
    return bytes
  }
}

/// The refusal's code, nil if there was none.
func code(_ body: () throws(HubError) -> Void) -> HubErrorCode? {
  do {
    try body()
    return nil
  } catch {
    return error.code
  }
}

/// JSON from a literal text.
func json(_ text: String) throws -> JSONValue { try JSON.parse(text) }

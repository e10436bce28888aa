import ByteIO
import HubContract
import HubEngine
import JSONTree
import QueryLanguage
import Testing

@Suite("Where a message goes (contract §9.1)")
struct RoutingTableTests {
  private static let a = EventDestinations(slot: 1)
  private static let b = EventDestinations(slot: 2)

  private static func table(
    _ routes: [Route],
    fallback: Bool = true,
    enrichments: [Enrichment] = [],
    messageBytes: Int = 262_144
  ) throws -> RoutingTable {
    var configuration = RoutingConfiguration()
    configuration.endpoints = ["a", "b"].map { RoutingEndpoint(name: $0, kind: .eventStream) }
    _ = configuration.assignSlots(keeping: RoutingConfiguration(), after: 0)
    configuration.routes = routes
    configuration.fallback.isEnabled = fallback
    configuration.enrichments = enrichments
    var quotas = Quotas()
    quotas.deviceToCloudMessageBytes = messageBytes
    return try RoutingTable(configuration, hubName: "hub1", quotas: quotas)
  }

  private static func route(
    _ condition: String,
    _ endpoints: String...,
    source: EventSource = .telemetry,
    isEnabled: Bool = true
  ) -> Route {
    Route(
      name: "r",
      source: source,
      condition: condition,
      endpointNames: endpoints,
      isEnabled: isEnabled
    )
  }

  private static func decide(
    _ table: RoutingTable,
    _ source: EventSource = .telemetry,
    bag: String = "level=hot&%24.ct=application%2Fjson&%24.ce=utf-8",
    body: String = #"{"t":21}"#,
    twin: JSONValue? = nil
  ) -> EventRouting {
    let bag = [UInt8](bag.utf8)
    let body = [UInt8](body.utf8)
    let event = RoutedEvent(
      source: source,
      sender: RoutedEvent.Sender(identity: IdentityKey(deviceID: "d1")),
      enqueuedTime: .epoch,
      bag: bag.span,
      body: body.span,
      twin: twin
    )
    return table.decide(source, event, byteCount: body.count)
  }

  @Test("without routes telemetry goes to the built-in stream, everything else nowhere, unseen")
  func builtIn() throws {
    for table in [RoutingTable.builtIn, try Self.table([])] {
      #expect(table.constant(.telemetry) == .builtIn)
      #expect(!table.needsBody && !table.needsTwin)
      for source in EventSource.allCases where source != .telemetry {
        #expect(!table.wants(source))
        #expect(Self.decide(table, source).destinations.isEmpty)
      }
    }
  }

  @Test("unconditional routes need no look at the message")
  func constant() throws {
    let table = try Self.table([
      Self.route("true", "a"), Self.route("", "b", "a"),
      Self.route("true", "events", source: .twinChange),
    ])
    #expect(table.constant(.telemetry) == EventRouting([Self.a, Self.b]))
    #expect(table.constant(.twinChange) == .builtIn)
    #expect(table.wants(.twinChange) && !table.wants(.deviceLifecycle))
  }

  private static let decisions:
    [(routes: [Route], fallback: Bool, destinations: EventDestinations)] = [
      ([route("level = 'hot'", "a")], true, a),
      ([route("level = 'cold'", "a")], true, .events),
      ([route("level = 'cold'", "a")], false, []),
      ([route("level = 'hot'", "a"), route("true", "events")], true, [a, .events]),
      ([route("level = 'hot'", "a"), route("$body.t > 20", "b")], true, [a, b]),
      ([route("level = 'hot'", "a"), route("$body.t > 20", "A")], true, a),
      ([route("level = 'hot'", "a", isEnabled: false)], true, .events),
      // Undefined is not true: a missing property, a body value of another type.
      ([route("missing = 'x'", "a")], true, .events),
      ([route("NOT (missing = 'x')", "a")], true, .events),
      ([route("$body.t = 'x'", "a")], true, .events),
      ([route("missing = 'x' OR level = 'hot'", "a")], true, a),
      // A route of another source is not asked.
      ([route("true", "a", source: .twinChange)], true, .events),
      // A route that adds nothing still keeps the fallback from matching.
      ([route("level = 'hot'", "a"), route("level != 'cold'", "a")], true, a),
    ]

  @Test(
    "every matching route counts, the fallback only if there is none",
    arguments: decisions.indices
  )
  func decision(_ index: Int) throws {
    let row = Self.decisions[index]
    let table = try Self.table(row.routes, fallback: row.fallback)
    #expect(Self.decide(table) == EventRouting(row.destinations))
  }

  @Test("other sources have no fallback")
  func noFallback() throws {
    let table = try Self.table([Self.route("opType = 'x'", "a", source: .twinChange)])
    #expect(Self.decide(table, .twinChange).destinations.isEmpty)
    #expect(table.wants(.twinChange))
  }

  /// The values among the enrichments' that ask for the twin.
  private static let paths: Set<String> = [
    "$twin.tags.site", "$twin.properties.desired.n", "$twin.properties.reported.o.x",
    "$twin.properties.reported.o", "$twin.tags.none", "$twin.tags.z",
  ]

  @Test("enrichments: literal, hub name, twin; the text itself where there is no such path")
  func enrichments() throws {
    let twin: JSONValue = [
      "tags": ["site": "north", "z": nil],
      "properties": ["desired": ["n": 7], "reported": ["o": ["x": true]]],
    ]
    let rows: [(value: String, result: String)] = [
      ("plain", "plain"), ("$iothubname", "hub1"), ("$iothubnames", "$iothubnames"),
      ("$twin.tags.site", "north"), ("$twin.properties.desired.n", "7"),
      ("$twin.properties.reported.o.x", "true"),
      ("$twin.properties.reported.o", #"{"x":true}"#),
      ("$twin.tags.none", "$twin.tags.none"), ("$twin.tags.z", "$twin.tags.z"),
      ("$twin.tags", "$twin.tags"), ("$twin.tags.", "$twin.tags."), ("", ""),
    ]
    for row in rows {
      let table = try Self.table(
        [Self.route("true", "a")],
        enrichments: [Enrichment(key: "k", value: row.value, endpointNames: ["a", "b"])]
      )
      var expected = EventRouting(Self.a)
      expected.enrich("k", row.result, at: Self.a)
      #expect(Self.decide(table, twin: twin) == expected, "\(row.value)")
      #expect(table.needsTwin == Self.paths.contains(row.value), "\(row.value)")
    }
  }

  @Test("an enrichment for other endpoints leaves the built-in stream as it is")
  func foreignEnrichment() throws {
    let table = try Self.table(
      [],
      enrichments: [Enrichment(key: "k", value: "v", endpointNames: ["a"])]
    )
    #expect(table.constant(.telemetry) == .builtIn)
  }

  @Test("where enrichments take a message above its limit, it does not go")
  func growth() throws {
    let enrichments = [Enrichment(key: "key", value: "value", endpointNames: ["a"])]
    let routes = [Self.route("true", "a", "events")]
    // The body has 8 bytes, the enrichment takes 8 more.
    let fits = try Self.table(routes, enrichments: enrichments, messageBytes: 16)
    #expect(Self.decide(fits).destinations == [Self.a, .events])
    let small = try Self.table(routes, enrichments: enrichments, messageBytes: 15)
    #expect(Self.decide(small).destinations == .events)
  }

  @Test("routes that can't be used are refused with their name and place")
  func refusals() throws {
    do {
      _ = try Self.table([Self.route("level = ", "a", isEnabled: false)])
      Issue.record("accepted")
    } catch RouteFault.condition(let route, let fault) {
      #expect(route == "r" && fault.line == 1 && fault.column == 9)
    }
    #expect(throws: RouteFault.twinChangeElsewhere(route: "r")) {
      _ = try Self.table([Self.route("twin_change_includes(tags.a)", "a")])
    }
    #expect(throws: Never.self) {
      _ = try Self.table([Self.route("twin_change_includes(tags.a)", "a", source: .twinChange)])
    }
    #expect(throws: RouteFault.unknownEndpoint("c")) { _ = try Self.table([Self.route("", "c")]) }
  }
}

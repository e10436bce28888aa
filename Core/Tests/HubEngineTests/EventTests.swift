import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Events of the hub (contract §9.3)")
struct EventTests {
  @Test("creation and deletion are told with the twin")
  func lifecycle() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try hub.module("d", "m")
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    let events = try hub.events()
    #expect(
      events.map { "\($0.operation ?? "-") \($0.key)" } == [
        "createDeviceIdentity d", "createDeviceIdentity d/m", "deleteDeviceIdentity d/m",
        "deleteDeviceIdentity d",
      ]
    )
    for event in events {
      let body = try JSON.parse(event.body)
      #expect(body["deviceId"] == "d")
      #expect(body["moduleId"]?.stringValue == event.key.moduleID)
      #expect(body["version"] == 2)
      #expect(body["properties"]?["desired"]?["$version"] == 1)
      #expect(event.source == .deviceLifecycle)
      #expect(event["iothub-message-schema"] == "deviceLifecycleNotification")
    }
  }

  @Test("connecting and disconnecting are numbered, also across a restart")
  func connectionState() throws {
    var hub = TestHub()
    let key = try hub.device("d").key
    _ = try hub.events()
    try hub.engine.connected(key, now: hub.now)
    hub.now = hub.now.adding(seconds: 5)
    try hub.engine.disconnected(key, lastActivity: hub.now.adding(seconds: -1), now: hub.now)
    let events = try hub.events()
    #expect(events.map(\.operation) == ["deviceConnected", "deviceDisconnected"])
    let numbers = try events.map { try JSON.parse($0.body)["sequenceNumber"]?.stringValue ?? "" }
    #expect(numbers.allSatisfy { $0.utf8.count == 64 })
    #expect(numbers[0] < numbers[1])
    let row = try hub.engine.view.device("d")
    #expect(row.connection.sequenceNumber == 2)
    #expect(row.activity(ConnectionFacts()).lastActivityTime == hub.now.adding(seconds: -1))
    #expect(row.activity(ConnectionFacts()).connectionStateUpdatedTime == hub.now)
    #expect(row.activity(ConnectionFacts(isConnected: true)).isConnected)
  }

  @Test("a client that goes after its identity was deleted leaves no trace")
  func goneIdentity() throws {
    var hub = TestHub()
    try hub.engine.disconnected(IdentityKey(deviceID: "d"), lastActivity: .epoch, now: .epoch)
    #expect(hub.engine.storage.tables == HubTables())
    #expect(hub.engine.takeEffects().isEmpty)
  }

  @Test("events that nobody wants are not made")
  func unwanted() throws {
    var hub = TestHub(sources: [])
    let key = try hub.device("d").key
    _ = try hub.engine.patchReported(key, ["a": 1], now: hub.now)
    try hub.engine.connected(key, now: hub.now)
    #expect(try hub.events().isEmpty)
    #expect(hub.engine.storage.tables.outgoingEvents.isEmpty)
  }

  @Test("only the events that a route takes are made, and they know where they go")
  func conditions() throws {
    var routing = RoutingConfiguration()
    routing.endpoints = [RoutingEndpoint(name: "cold", kind: .eventStream)]
    _ = routing.assignSlots(keeping: RoutingConfiguration(), after: 0)
    routing.routes = [
      Route(
        name: "site",
        source: .twinChange,
        condition: "twin_change_includes(tags.site) AND opType = 'updateTwin'",
        endpointNames: ["cold"]
      ),
      Route(name: "all", source: .deviceLifecycle, endpointNames: ["events", "cold"]),
    ]
    routing.enrichments = [Enrichment(key: "from", value: "$iothubname", endpointNames: ["cold"])]
    var hub = TestHub(routing: routing)
    let key = try hub.device("d").key
    func patch(_ tags: JSONObject) throws {
      _ = try hub.engine.updateTwin(
        key,
        TwinUpdate(tags: .set(tags)),
        replacing: false,
        ifMatch: .absent,
        now: hub.now
      )
    }
    try patch(["site": "a"])
    try patch(["floor": 1])
    try patch(["site": .null])
    let records = hub.engine.storage.tables.outgoingEvents.map(\.record)
    let cold = EventDestinations(slot: 1)
    #expect(
      records.map { EventView.destinations(of: $0.span) } == [[.events, cold], cold, cold]
    )
    let record = records[1]
    let view = try EventView(record.span)
    #expect(view.properties(at: cold).application.last == MessageProperty("from", "hub1"))
  }

  @Test("conditions and enrichments of events see the twin, also that of an identity that goes")
  func twin() throws {
    var routing = RoutingConfiguration()
    routing.routes = HubEvent.sources.map { source in
      Route(
        name: source.routeName,
        source: source,
        condition: "$twin.tags.site = 'a'",
        endpointNames: ["events"]
      )
    }
    routing.enrichments = [
      Enrichment(key: "n", value: "$twin.properties.reported.n", endpointNames: ["events"])
    ]
    var hub = TestHub(routing: routing)
    let key = try hub.device("d").key
    _ = try hub.engine.patchReported(key, ["n": 1], now: hub.now)
    for site in ["a", "b", "a"] as [JSONValue] {
      _ = try hub.engine.updateTwin(
        key,
        TwinUpdate(tags: .set(["site": site])),
        replacing: false,
        ifMatch: .absent,
        now: hub.now
      )
    }
    try hub.engine.connected(key, now: hub.now)
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    // Neither creation nor the change to another site.
    let events = try hub.events()
    #expect(
      events.map(\.operation)
        == ["updateTwin", "updateTwin", "deviceConnected", "deleteDeviceIdentity"]
    )
    #expect(events.allSatisfy { $0["n"] == "1" })
  }

  @Test("changes of twins are told if routes ask for twins, new ones too")
  func twinEffects() throws {
    var routing = RoutingConfiguration()
    routing.enrichments = [Enrichment(key: "a", value: "$twin.tags.a", endpointNames: ["events"])]
    for isAsked in [false, true] {
      var hub = isAsked ? TestHub(routing: routing) : TestHub()
      let key = try hub.device("d").key
      _ = try hub.module("d", "m")
      _ = try hub.engine.patchReported(key, ["n": 1], now: hub.now)
      let told = hub.effects().compactMap { effect -> String? in
        guard case .twinChanged(let twin) = effect else { return nil }
        return "\(twin.key) \(twin.version)"
      }
      #expect(told == (isAsked ? ["d 2", "d/m 2", "d 3"] : []))
    }
  }

  @Test("an event carries what the contract says, and nothing of how somebody authenticated")
  func properties() throws {
    var hub = TestHub()
    _ = try hub.device("d#1")
    _ = try hub.module("d#1", "m")
    let events = try hub.events()
    let module = try #require(events.last)
    #expect(module.properties.contentType == "application/json")
    #expect(module.properties.contentEncoding == "utf-8")
    #expect(module.properties.userID == "hub1")
    #expect(module.properties.to == nil && module.properties.messageID == nil)
    #expect(
      module.properties.annotations == [
        MessageProperty("iothub-connection-device-id", "d#1"),
        MessageProperty("iothub-connection-module-id", "m"),
        MessageProperty("iothub-message-source", "deviceLifecycleEvents"),
      ]
    )
    #expect(
      module.properties.application == [
        MessageProperty("hubName", "hub1"), MessageProperty("deviceId", "d#1"),
        MessageProperty("moduleId", "m"), MessageProperty("opType", "createDeviceIdentity"),
        MessageProperty("iothub-message-schema", "deviceLifecycleNotification"),
        MessageProperty("operationTimestamp", hub.now.iso8601),
      ]
    )
    #expect(events.first?["moduleId"] == nil)
    let correlations = Set(events.compactMap(\.properties.correlationID))
    #expect(correlations.count == events.count)
  }

  @Test("an event is part of its cause's transaction")
  func transaction() throws {
    var hub = TestHub()
    let key = try hub.device("d").key
    try hub.engine.storage.commit()
    _ = try hub.events()
    try hub.engine.storage.commit()
    hub.engine.storage.begin()
    _ = try hub.engine.patchReported(key, ["a": 1], now: hub.now)
    #expect(hub.engine.storage.tables.outgoingEvents.count == 1)
    hub.engine.storage.rollback()
    hub.engine.transactionUndone()
    #expect(hub.engine.storage.tables.outgoingEvents.isEmpty)
    // One that can't be kept fails its cause: the twin's write is the first, the event the second.
    hub.engine.storage.begin()
    hub.engine.storage.accessesUntilFault = 1
    #expect(throws: HubError.self) {
      _ = try hub.engine.patchReported(key, ["a": 1], now: hub.now)
    }
    #expect(hub.engine.fault != nil)
  }
}

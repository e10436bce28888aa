import EdgeEngine
import HubContract
import JSONTree
import Simulation
import Testing

@Suite("Rehearsal of an edge's routes (edge contract §6, §7)")
struct EdgeRehearsalTests {
  private static let hour: UInt64 = 3_600_000
  private static let day = 24 * hour

  private static func configuration(
    _ routes: JSONObject,
    lifetime: Int64 = -1,
    limit: Int64? = nil
  ) throws -> HubConfiguration {
    var store: JSONObject = ["timeToLiveSecs": .int(lifetime)]
    if let limit { store["storeLimits"] = ["maxSizeBytes": .int(limit)] }
    return try HubConfiguration(desired: [
      "schemaVersion": "1.1", "routes": .object(routes),
      "storeAndForwardConfiguration": .object(store),
    ])
  }

  private static func leaf(
    _ name: String = "leaf",
    bytes: Int = 100,
    every seconds: UInt64,
    _ properties: [(String, String)] = []
  ) -> RehearsedTraffic.Generator {
    var bag = PropertyBagWriter()
    for (name, value) in properties { bag.append(MessageProperty(name, value)) }
    return RehearsedTraffic.Generator(
      RehearsedTraffic.Message(
        sender: IdentityKey(deviceID: name),
        source: .device,
        bag: bag.bytes,
        body: [UInt8](repeating: 0x20, count: bytes)
      ),
      intervalMicroseconds: seconds * 1_000_000
    )
  }

  private static func outage(_ milliseconds: UInt64) -> LinkSchedule {
    LinkSchedule([
      .init(isUp: true, milliseconds: hour), .init(isUp: false, milliseconds: milliseconds),
      .init(isUp: true, milliseconds: nil),
    ])
  }

  private static let up: JSONObject = ["up": "FROM /messages/* INTO $upstream"]

  @Test("a month without a link: everything waits, and arrives in the end")
  func month() throws {
    var plan = EdgeRehearsal.Plan(
      try Self.configuration(Self.up),
      RehearsedTraffic(generators: [Self.leaf(every: 300)]),
      durationMilliseconds: 31 * Self.day
    )
    plan.link = Self.outage(30 * Self.day)
    var rehearsal = try EdgeRehearsal(plan)
    let report = rehearsal.run()
    let hub = report.endpoints[0]
    #expect(report.sentCount == 31 * 288)
    #expect(hub.name == "iothub" && hub.acceptedCount == 31 * 288)
    #expect(hub.deliveredCount == 31 * 288 && hub.waitingCount == 0)
    #expect(hub.longestDelayMilliseconds > 29 * Self.day)
    #expect(hub.longestDelayMilliseconds <= 30 * Self.day + report.stepMilliseconds)
    let back = Self.hour + 30 * Self.day
    #expect(hub.drainedAt.map { $0 > back && $0 < back + Self.hour } == true)
    #expect(hub.peakBytes > 30 * 288 * 100)
    #expect(report.routes[0].messageCount == 31 * 288)
  }

  @Test("a slow link takes as long as its rate says")
  func slow() throws {
    var plan = EdgeRehearsal.Plan(
      try Self.configuration(Self.up),
      RehearsedTraffic(generators: [Self.leaf(every: 10)]),
      durationMilliseconds: 2 * Self.hour
    )
    plan.link = LinkSchedule([
      .init(isUp: false, milliseconds: 2 * Self.hour), .init(isUp: true, milliseconds: nil),
    ])
    plan.bytesPerSecond = 200
    var rehearsal = try EdgeRehearsal(plan)
    let hub = rehearsal.run().endpoints[0]
    // 720 messages of 100 bytes, two a second.
    #expect(hub.deliveredCount == 720)
    #expect((355_000...365_000).contains(hub.longestDrainMilliseconds))
  }

  @Test("lifetimes end, and what is over its time is counted once")
  func expiry() throws {
    var plan = EdgeRehearsal.Plan(
      try Self.configuration(Self.up, lifetime: 7200),
      RehearsedTraffic(generators: [Self.leaf(every: 60)]),
      durationMilliseconds: 11 * Self.hour
    )
    plan.link = Self.outage(9 * Self.hour)
    var rehearsal = try EdgeRehearsal(plan)
    let report = rehearsal.run()
    let hub = report.endpoints[0]
    #expect((416...424).contains(hub.expiredCount))
    #expect(hub.acceptedCount == 660)
    #expect(hub.deliveredCount + hub.expiredCount == 660)
    #expect(hub.longestDelayMilliseconds <= 2 * Self.hour + 2 * report.stepMilliseconds)
  }

  @Test("a full store refuses, or lets the oldest give way, as the route says")
  func full() throws {
    for drops in [false, true] {
      let route: JSONValue = [
        "route": "FROM /messages/* INTO $upstream", "whenFull": drops ? "dropOldest" : "refuse",
      ]
      var plan = EdgeRehearsal.Plan(
        try Self.configuration(["up": route], limit: 1 << 20),
        RehearsedTraffic(generators: [Self.leaf(bytes: 1000, every: 10)]),
        durationMilliseconds: 10 * Self.hour
      )
      plan.link = LinkSchedule([.init(isUp: false, milliseconds: nil)])
      var rehearsal = try EdgeRehearsal(plan)
      let report = rehearsal.run()
      let hub = report.endpoints[0]
      #expect(report.sentCount == 3600)
      #expect(report.peakBytes <= 1 << 20)
      #expect((drops ? hub.refusedCount : hub.droppedCount) == 0)
      #expect((drops ? hub.droppedCount : hub.refusedCount) > 2000)
      #expect(hub.waitingCount > 700 && hub.deliveredCount == 0)
      #expect(hub.acceptedCount == hub.waitingCount + hub.droppedCount)
      #expect(hub.acceptedCount + hub.refusedCount == 3600)
      #expect(hub.drainedAt == nil)
    }
  }

  @Test(
    "conditions decide, a module that is away gets what waited, and what no route takes is told"
  )
  func routes() throws {
    var plan = EdgeRehearsal.Plan(
      try Self.configuration([
        "hot":
          "FROM /messages/* WHERE level = 'hot' INTO BrokeredEndpoint(\"/modules/f/inputs/i\")",
        "up": "FROM /messages/modules/f/outputs/o INTO $upstream",
        "never": "FROM /messages/modules/g/* INTO $upstream",
      ]),
      RehearsedTraffic(
        recorded: [
          (
            5000,
            .init(
              sender: IdentityKey(deviceID: "edge", moduleID: "f"),
              source: .output("o", module: "f"),
              bag: [],
              body: [1]
            )
          )
        ],
        generators: [
          Self.leaf("one", every: 60, [("level", "hot")]),
          Self.leaf("two", every: 60, [("level", "cold")]),
        ]
      ),
      durationMilliseconds: Self.hour
    )
    plan.modules["f"] = LinkSchedule([
      .init(isUp: false, milliseconds: 2 * Self.hour), .init(isUp: true, milliseconds: nil),
    ])
    var rehearsal = try EdgeRehearsal(plan)
    let report = rehearsal.run()
    #expect(report.unroutedCount == 60 && report.sentCount == 121)
    let ends = Dictionary(uniqueKeysWithValues: report.endpoints.map { ($0.name, $0) })
    #expect(ends["iothub"]?.deliveredCount == 1)
    #expect(ends["edge/f/i"]?.deliveredCount == 60)
    #expect(ends["edge/f/i"]?.longestDelayMilliseconds ?? 0 > Self.hour)
    let counts = Dictionary(uniqueKeysWithValues: report.routes.map { ($0.name, $0.messageCount) })
    #expect(counts == ["hot": 60, "up": 1, "never": 0])
  }

  @Test("a link that breaks repeats what was not confirmed, one seed always tells the same")
  func repeats() throws {
    func report(_ seed: UInt64) throws -> EdgeRehearsal.Report {
      var plan = EdgeRehearsal.Plan(
        try Self.configuration(Self.up),
        RehearsedTraffic(generators: [Self.leaf(every: 1)]),
        durationMilliseconds: Self.hour
      )
      plan.link = LinkSchedule(
        [.init(isUp: true, milliseconds: 60_000), .init(isUp: false, milliseconds: 60_000)],
        isRepeated: true
      )
      plan.messagesPerSecond = 2
      plan.seed = seed
      var rehearsal = try EdgeRehearsal(plan)
      return rehearsal.run()
    }
    let first = try report(1)
    #expect(first.endpoints[0].repeatedCount > 10)
    #expect(first.endpoints[0].deliveredCount == 3600)
    #expect(try report(1) == first)
    #expect(try report(2) != first)
  }

  @Test("schedules: phases, repetition, what never comes back")
  func schedules() {
    let link = Self.outage(Self.day)
    #expect(link.state(at: 0) == (true, Self.hour))
    #expect(link.state(at: Self.hour) == (false, Self.hour + Self.day))
    #expect(link.state(at: 40 * Self.day) == (true, nil))
    let turns = LinkSchedule(
      [.init(isUp: true, milliseconds: 10), .init(isUp: false, milliseconds: 5)],
      isRepeated: true
    )
    #expect(turns.state(at: 25) == (false, 30))
    #expect(turns.isEverUp(from: 25))
    let over = LinkSchedule([
      .init(isUp: true, milliseconds: 10), .init(isUp: false, milliseconds: nil),
    ])
    #expect(over.isEverUp(from: 9) && !over.isEverUp(from: 10))
  }
}

import ByteIO
import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Plans of configurations and jobs")
struct PlanTests {
  private static func facts(_: IdentityKey) -> ConnectionFacts { ConnectionFacts() }

  /// What a twin has of what plans are about.
  private struct Shown: Equatable {
    var desired: JSONValue
    var statuses: JSONValue
  }

  private static let contents = [
    #"{"deviceContent":{"properties.desired.a":1}}"#,
    #"{"deviceContent":{"properties.desired.a":2,"properties.desired.b.c":true}}"#,
    #"{"deviceContent":{"properties.desired.b":{"c":false,"d":1}}}"#,
    #"{"deviceContent":{"properties.desired.a.big":"\#(String(repeating: "x", count: 4000))"}}"#,
    #"{"moduleContent":{"properties.desired.level":3}}"#,
    #"""
    {"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{"m":{"image":"m:1"}}}},
    "m":{"properties.desired":{"speed":1}},"n":{"properties.desired":{}}}}
    """#,
    #"""
    {"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{"m":{"image":"m:2"}}}}}}
    """#,
    #"""
    {"modulesContent":{"$edgeAgent":{"properties.desired.modules.f":{"image":"f:1"}},
    "$edgeHub":{"properties.desired.routes.up":"r1"}}}
    """#,
  ]
  private static let targets = [
    "*", "", "tags.site = 'n'", "tags.site = 's'", "NOT tags.site = 'n'", "tags.floor > 1",
    "deviceId = 'd3'",
  ]
  private static let moduleTargets = [
    "FROM devices.modules WHERE moduleId = 'm'", "FROM devices.modules WHERE tags.site = 's'", "",
    "FROM devices.modules WHERE NOT moduleId = '$edgeHub'",
  ]

  private func shown(_ hub: TestHub) throws -> [IdentityKey: Shown] {
    var all: [IdentityKey: Shown] = [:]
    for key in hub.engine.storage.tables.twins.keys {
      all[key] = Shown(
        desired: try hub.desired(key.deviceID, key.moduleID) ?? .null,
        statuses: try hub.configurations(key.deviceID, key.moduleID)
      )
    }
    return all
  }

  private func fleet(_ random: inout SeededGenerator) throws -> TestHub {
    var quotas = Quotas()
    quotas.modulesPerDevice = 4
    var hub = TestHub(quotas: quotas)
    for index in 0..<6 {
      _ = try hub.device("d\(index)", isEdge: index % 3 == 0)
      for module in ["m", "x"].prefix(Int.random(in: 0...2, using: &random)) {
        _ = try hub.module("d\(index)", module)
      }
    }
    _ = hub.engine.takeEffects()
    return hub
  }

  private func touch(_ hub: inout TestHub, _ random: inout SeededGenerator) throws {
    let keys = hub.engine.storage.tables.twins.keys.sorted()
    let key = keys[Int.random(in: 0..<keys.count, using: &random)]
    let filler = String(repeating: "f", count: Int.random(in: 0...4000, using: &random))
    let body =
      switch Int.random(in: 0..<3, using: &random) {
      case 0: #"{"tags":{"site":"n","floor":\#(Int.random(in: 0...3, using: &random))}}"#
      case 1: #"{"tags":{"site":"s"}}"#
      default:
        #"{"properties":{"desired":{"a":7,"own\#(Int.random(in: 0...8, using: &random))":"\#(filler)"}}}"#
      }
    try hub.patch(key, body)
  }

  private func intent(
    _ hub: TestHub,
    _ random: inout SeededGenerator
  ) throws -> ConfigurationIntent {
    let id = "c\(Int.random(in: 0..<4, using: &random))"
    let exists = hub.engine.storage.tables.configurations[id] != nil
    if exists, Int.random(in: 0..<3, using: &random) == 0 { return .delete(id) }
    let content =
      try hub.engine.storage.tables.configurations[id]?.content.json
      ?? json(Self.contents[Int.random(in: 0..<Self.contents.count, using: &random)])
    let isForModules = content["moduleContent"] != nil
    let targets = isForModules ? Self.moduleTargets : Self.targets
    return .put(
      try ConfigurationRequest(
        id: id,
        body: [
          "content": content,
          "targetCondition": .string(targets[Int.random(in: 0..<targets.count, using: &random)]),
          "priority": .int(Int64.random(in: 0...2, using: &random)),
        ]
      )
    )
  }

  private func plan(
    _ hub: TestHub,
    _ intent: ConfigurationIntent,
    pageSize: Int
  ) throws -> [ConfigurationPlan.Change] {
    var changes: [ConfigurationPlan.Change] = []
    var continuation: String?
    repeat {
      let page = try hub.engine.view.plan(
        intent,
        pageSize: pageSize,
        continuation: continuation,
        facts: Self.facts,
        now: hub.now
      )
      changes += page.changes
      continuation = page.continuation
    } while continuation != nil
    return changes
  }

  @Test("what a plan tells of each twin is what then happens, and of no other twin anything")
  func agreesWithWhatHappens() throws {
    var changeCount = 0
    var refusalCount = 0
    for seed in 0..<60 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      var hub = try fleet(&random)
      for step in 0..<12 {
        for _ in 0..<3 { try touch(&hub, &random) }
        let intent = try intent(hub, &random)
        let before = try shown(hub)
        let untouched = hub.engine.storage.tables
        let changes = try plan(hub, intent, pageSize: Int.random(in: 1...3, using: &random))
        #expect(hub.engine.storage.tables == untouched)
        switch intent {
        case .delete(let id): try hub.engine.deleteConfiguration(id, ifMatch: .any)
        case .put(let request):
          let exists = hub.engine.storage.tables.configurations[request.id] != nil
          _ = try hub.engine.putConfiguration(
            request,
            ifMatch: exists ? .any : .absent,
            now: hub.now
          )
        }
        try hub.sweep()
        hub.now = hub.now.adding(seconds: 1)
        let after = try shown(hub)
        #expect(Set(changes.map(\.key)).count == changes.count)
        var expected = before
        for change in changes {
          let place: Comment = "seed \(seed), step \(step), \(change.key)"
          refusalCount += change.refusal == nil ? 0 : 1
          if change.refusal != nil, before[change.key] == nil, !change.isCreated { continue }
          #expect(change.isCreated == (before[change.key] == nil), place)
          var shown = before[change.key] ?? Shown(desired: [:], statuses: [:])
          var desired = shown.desired.objectValue ?? [:]
          desired.merge(patch: change.desired)
          shown.desired = .object(desired)
          var statuses = shown.statuses.objectValue ?? [:]
          for status in change.statuses {
            #expect(
              statuses[status.configurationID]?.stringValue == status.before?.rawValue,
              place
            )
            statuses[status.configurationID] = status.after.map { .string($0.rawValue) }
          }
          shown.statuses = .object(statuses)
          expected[change.key] = shown
        }
        for key in Set(expected.keys).union(after.keys) where expected[key] != after[key] {
          Issue.record("seed \(seed), step \(step), \(intent.configurationID): \(key)")
        }
        changeCount += changes.count
      }
    }
    #expect(changeCount > 500)
    #expect(refusalCount > 5)
  }

  @Test("a plan of a deployment names the modules that start, start again and stop")
  func modules() throws {
    var hub = TestHub()
    _ = try hub.device("e", isEdge: true)
    try hub.configure("base", Self.contents[5], priority: 1)
    let second = try ConfigurationRequest(
      id: "next",
      body: [
        "content": json(
          #"""
          {"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{
          "m":{"image":"m:9"},"f":{"image":"f:1"}}}}}}
          """#
        ),
        "targetCondition": "*", "priority": 5,
      ]
    )
    let changes = try plan(hub, .put(second), pageSize: 100)
    let agent = try #require(changes.first { $0.key.moduleID == ModuleID.edgeAgent })
    #expect(agent.starts == ["f"])
    #expect(agent.restarts == ["m"])
    #expect(agent.stops == [])
    try hub.configure("next", JSON.text(second.content?.json ?? .null), priority: 5)
    let back = try plan(hub, .delete("next"), pageSize: 100)
    let stopped = try #require(back.first { $0.key.moduleID == ModuleID.edgeAgent })
    #expect(stopped.stops == ["f"])
  }

  @Test("a plan refuses what the change would be refused with, and foreign continuations")
  func refusals() throws {
    var hub = TestHub()
    for index in 0..<3 { _ = try hub.device("d\(index)") }
    func refusal(_ body: JSONValue, _ continuation: String? = nil) -> HubErrorCode? {
      code { () throws(HubError) in
        _ = try hub.engine.view.plan(
          .put(ConfigurationRequest(id: "a", body: body)),
          pageSize: 1,
          continuation: continuation,
          facts: Self.facts,
          now: hub.now
        )
      }
    }
    let content = try json(#"{"deviceContent":{"properties.desired.a":1}}"#)
    let good: JSONValue = ["content": content, "targetCondition": "*"]
    #expect(refusal(good) == nil)
    #expect(refusal(["targetCondition": "*"]) == .invalidConfigurationContent)
    #expect(
      refusal(["content": content, "targetCondition": "a ="])
        == .invalidConfigurationTargetCondition
    )
    #expect(refusal(good, "foreign") == .argumentInvalid)
    #expect(
      code { () throws(HubError) in
        _ = try hub.engine.view.plan(
          .delete("a"),
          pageSize: 1,
          continuation: nil,
          facts: Self.facts,
          now: hub.now
        )
      } == .configurationNotFound
    )
  }

  @Test("what a job's plan tells of each device is what the job then does")
  func jobs() throws {
    var hub = TestHub()
    for index in 0..<7 {
      _ = try hub.device("d\(index)")
      try hub.patch(
        IdentityKey(deviceID: "d\(index)"),
        #"{"tags":{"m":\#(index % 2),"old":1},"properties":{"desired":{"a":\#(index)}}}"#
      )
    }
    let filler = String(repeating: "f", count: 4000)
    for index in 0..<8 {
      try hub.patch(
        IdentityKey(deviceID: "d5"),
        #"{"properties":{"desired":{"f\#(index)":"\#(filler)"}}}"#
      )
    }
    let request = try ScheduledJobRequest(
      id: "j",
      body: json(
        #"""
        {"type":"scheduleUpdateTwin","queryCondition":"tags.m = 1","updateTwin":{"tags":{
        "old":null},"properties":{"desired":{"a":3,"g":"\#(filler)\#(filler.prefix(90))"}}}}
        """#
      )
    )
    var changes: [JobPlan.Change] = []
    var continuation: String?
    repeat {
      let page = try hub.engine.view.plan(
        request,
        pageSize: 1,
        continuation: continuation,
        facts: { ConnectionFacts(isConnected: $0.deviceID == "d3") }
      )
      #expect(page.changes.count <= 1)
      changes += page.changes
      continuation = page.continuation
    } while continuation != nil
    #expect(changes.map(\.deviceID) == ["d1", "d3", "d5"])
    #expect(changes.map(\.isConnected) == [false, true, false])
    #expect(changes.map { $0.refusal != nil } == [false, false, true])
    #expect(changes[0].tags == ["old": .null])
    #expect(changes[1].desired.keys == ["g"])
    _ = try hub.engine.createJob(request, now: hub.now)
    while try hub.step().hasMore {}
    let rows = try hub.rows("SELECT * FROM devices.jobs WHERE jobId = 'j'")
    #expect(rows.map { $0["status"] } == ["completed", "completed", "failed"])
    #expect(rows.last?["error"]?["description"]?.stringValue == changes[2].refusal)
    #expect(try hub.desired("d1")?["a"] == 3)
  }
}

import EdgeEngine
import JSONTree
import QueryLanguage
import Testing

@Suite("Desired properties of $edgeHub (edge contract 2.6)")
struct HubConfigurationTests {
  private static let sample: JSONObject = [
    "schemaVersion": "1.1", "$version": 3,
    "routes": [
      "text": "FROM /* INTO $upstream",
      "object": [
        "route": "FROM /messages/* WHERE alert = true INTO $upstream", "priority": 0,
        "timeToLiveSecs": 60, "whenFull": "dropOldest",
      ],
      "zero": ["route": "FROM /* INTO $upstream", "timeToLiveSecs": 0, "priority": 2_000_000_000],
      "removed": " ", "emptied": ["route": ""], "none": nil,
    ],
    "storeAndForwardConfiguration": [
      "timeToLiveSecs": 100, "storeLimits": ["maxSizeBytes": 5_000_000_000],
    ],
    "mqttBroker": ["authorizations": [5]], "integrity": 5, "unknown": [:],
  ]

  @Test("all fields and defaults")
  func accepted() throws {
    let configuration = try HubConfiguration(desired: Self.sample)
    #expect(configuration.routes.map(\.name) == ["text", "object", "zero"])
    #expect(configuration.routes.map(\.priority) == [2_000_000_000, 0, 2_000_000_000])
    #expect(configuration.routes.map(\.timeToLive) == [nil, .seconds(60), nil])
    #expect(configuration.routes.map(\.whenFull) == [.refuse, .dropOldest, .refuse])
    #expect(configuration.timeToLive == .seconds(100))
    #expect(configuration.maxSizeBytes == 5_000_000_000)
    #expect(configuration.warnings.count == 1)
    #expect(configuration.warnings[0].hasPrefix("routes.object: The property \"alert\""))

    let table = RouteTable(configuration)
    #expect(table.routes.map(\.name) == ["object", "text", "zero"])

    let first = try HubConfiguration(desired: ["schemaVersion": "1.0"])
    #expect(first.routes.isEmpty)
    #expect(first.timeToLive == .seconds(7200))
    #expect(first.maxSizeBytes == nil)
    var forever = Self.sample
    forever["storeAndForwardConfiguration"] = ["timeToLiveSecs": -1]
    #expect(try HubConfiguration(desired: forever).timeToLive == .forever)
  }

  @Test("before a configuration everything goes upstream and is kept (DIFF 14)")
  func initial() {
    #expect(HubConfiguration.initial.routes.map(\.statement.sink) == [.upstream])
    let sources: [MessageSource] = [.device, .module("m"), .output("o", module: "m")]
    for source in sources {
      #expect(HubConfiguration.initial.routes.allSatisfy { $0.source.matches(source) })
    }
    #expect(HubConfiguration.initial.routes.allSatisfy { !$0.source.matches(.twinChange) })
    #expect(HubConfiguration.initial.timeToLive == .forever)
  }

  @Test("every field wrong in turn refuses the whole, with its path (DIFF 3)")
  func refused() throws {
    func route(_ value: JSONValue) -> JSONObject { ["routes": ["r": value]] }
    let good = "FROM /* INTO $upstream"
    let rows: [(JSONObject, String)] = [
      (["schemaVersion": nil], "schemaVersion is missing"),
      (["schemaVersion": 1.0], "schemaVersion must be a string"),
      (["schemaVersion": "1.4"], "schemaVersion must be 1.0 to 1.3"),
      (["schemaVersion": "1"], "schemaVersion must be 1.0 to 1.3"),
      (
        ["schemaVersion": "1.0", "routes": ["r": ["route": .string(good)]]],
        "routes.r must be a string in schema"
      ),
      (["routes": "FROM"], "routes must be an object"),
      (route(5), "routes.r must be a string or an object"),
      (route(["priority": 1]), "routes.r.route is missing"),
      (route(["route": 5]), "routes.r.route must be a string"),
      (route(["route": .string(good), "priority": 10]), "routes.r.priority must be 0"),
      (route(["route": .string(good), "priority": -1]), "routes.r.priority must be 0"),
      (route(["route": .string(good), "priority": "1"]), "routes.r.priority must be an integer"),
      (route(["route": .string(good), "priority": 1.5]), "routes.r.priority must be an integer"),
      (route(["route": .string(good), "timeToLiveSecs": -1]), "routes.r.timeToLiveSecs must be 0"),
      (
        route(["route": .string(good), "timeToLiveSecs": 4_294_967_296]),
        "routes.r.timeToLiveSecs must be 0"
      ),
      (
        route(["route": .string(good), "timeToLiveSecs": "5"]),
        "routes.r.timeToLiveSecs must be an integer"
      ),
      (
        route(["route": .string(good), "whenFull": "drop"]),
        "routes.r.whenFull must be \"refuse\" or"
      ),
      (route("FROM /*"), "routes.r: Expected WHERE or INTO, found the end at line 1, column 8."),
      (
        route("FROM /* WHERE 1 = 'a' INTO $upstream"),
        "routes.r: \"=\" does not take a number and text at line 1"
      ),
      (["storeAndForwardConfiguration": nil], "storeAndForwardConfiguration is missing"),
      (["storeAndForwardConfiguration": 5], "storeAndForwardConfiguration must be an object"),
      (
        ["storeAndForwardConfiguration": ["timeToLiveSecs": "5"]],
        "storeAndForwardConfiguration.timeToLiveSecs must"
      ),
      (
        ["storeAndForwardConfiguration": ["storeLimits": 5]],
        "storeAndForwardConfiguration.storeLimits must"
      ),
      (
        ["storeAndForwardConfiguration": ["storeLimits": ["maxSizeBytes": 0]]],
        "storeAndForwardConfiguration.storeLimits.maxSizeBytes must be at least 1"
      ),
      (
        ["storeAndForwardConfiguration": ["storeLimits": ["maxSizeBytes": 1.5]]],
        "storeAndForwardConfiguration.storeLimits.maxSizeBytes must be an integer"
      ),
    ]
    for (change, expected) in rows {
      var desired = Self.sample
      for (key, value) in change { desired[key] = value }
      let status = try #require(throws: DesiredStatus.self) {
        try HubConfiguration(desired: desired)
      }
      #expect(status.code == .refused, "\(expected)")
      #expect(status.description.hasPrefix(expected), "\(status.description)")
    }
    for empty in [[:], ["$version": 1, "$metadata": [:]]] as [JSONObject] {
      let status = try #require(throws: DesiredStatus.self) { try HubConfiguration(desired: empty) }
      #expect(status.code == .empty)
    }
    var strict = Self.sample
    strict["routes"] = ["r": "FROM /* WHERE level > 3 INTO $upstream"]
    #expect(throws: DesiredStatus.self) {
      try HubConfiguration(desired: strict, profile: .contract)
    }
    _ = try HubConfiguration(desired: strict)
  }
}

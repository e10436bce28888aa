import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("orrery routing")
struct RoutingCommandTests {
  private static let empty: JSONValue = [
    "endpoints": [
      "eventStreams": [], "storageContainers": [], "webhooks": [], "mqttTopics": [],
    ],
    "routes": [],
    "fallbackRoute": [
      "name": "$fallback", "source": "DeviceMessages", "condition": "true",
      "endpointNames": ["events"], "isEnabled": true,
    ],
    "enrichments": [],
  ]

  private static let text = """
    {"endpoints":{"storageContainers":[{"name":"cold","containerName":"archive"}]},
     "routes":[{"name":"hot","source":"DeviceMessages","condition":"level = 'hot'",
       "endpointNames":["cold"]}],
     "enrichments":[{"key":"hub","value":"$iothubname","endpointNames":["cold"]}]}
    """

  /// The routing of `text` as a hub tells it.
  private static func told(_ text: String = text) throws -> JSONValue {
    try RoutingConfiguration(json: try JSON.parse(text)).json()
  }

  private static func harness(_ answers: JSONValue..., file: String = text) -> CommandHarness {
    var harness = CommandHarness()
    harness.answers = answers.map { .json($0) }
    harness.files["r.json"] = file
    return harness
  }

  /// The plan as rows of change, what, name and detail.
  private static func plan(_ outcome: CommandOutcome) throws -> [[String]] {
    let rows = try JSON.parse(outcome.output).arrayValue ?? []
    return rows.map { row in
      ["change", "what", "name", "detail"].map { row[$0]?.stringValue ?? "" }
    }
  }

  @Test("set shows the plan, changes the routing with --yes, and tells the new one")
  func set() async throws {
    let told = try Self.told()
    let outcome = await Self.harness(Self.empty, told)
      .run("routing", "set", "r.json", "--yes")
    #expect(outcome.status == .success, "\(outcome.errors)")
    #expect(outcome.requests.map(\.method) == [.get, .put])
    #expect(outcome.body == told)
    #expect((try? JSON.parse(outcome.output)) == told)
    for text in ["added", "cold", "hot", "level = 'hot'", "enrichment"] {
      #expect(outcome.errors.contains(text))
    }
  }

  @Test("set asks on a terminal, and without one is refused")
  func asks() async {
    var harness = Self.harness(Self.empty)
    let nobody = await harness.run("routing", "set", "r.json")
    #expect(nobody.status == .usage)
    harness.isTerminal = true
    harness.input = ["no"]
    let refused = await harness.run("routing", "set", "r.json")
    #expect(refused.status == .failure)
    for outcome in [nobody, refused] {
      #expect(outcome.requests.map(\.method) == [.get])
      #expect(outcome.errors.contains("added"))
    }
  }

  @Test("set does nothing if nothing changes, and nothing to what somebody else changed")
  func unchanged() async throws {
    let told = try Self.told()
    let same = await Self.harness(told).run("routing", "set", "r.json", "--yes", "-o", "table")
    #expect(same.status == .success)
    #expect(same.requests.map(\.method) == [.get])
    #expect(same.errors.contains("Nothing to change"))
    var harness = Self.harness(Self.empty)
    harness.answers[0].headers.append((name: "ETag", value: "\"AbC=\""))
    harness.answers.append(
      HubResponse(status: 412, headers: [(name: "iothub-errorcode", value: "PreconditionFailed")])
    )
    let raced = await harness.run("routing", "set", "r.json", "--yes")
    #expect(raced.status == .conflict && raced.errors.contains("Somebody changed it"))
    #expect(raced.requests.map(\.method) == [.get, .put])
    #expect(raced.requests.last?.headers.first { $0.name == "If-Match" }?.value == "\"AbC=\"")
  }

  @Test("A plan names what is added, changed with its members, and removed")
  func plans() async throws {
    let told = try Self.told()
    let nothing = await Self.harness(told).run("routing", "set", "r.json", "--dry-run")
    #expect(try Self.plan(nothing).isEmpty)
    let removal = await Self.harness(told, file: "{}").run("routing", "set", "r.json", "--dry-run")
    #expect(
      try Self.plan(removal).map { Array($0.prefix(3)) } == [
        ["removed", "endpoint", "cold"], ["removed", "route", "hot"],
        ["removed", "enrichment", "hub"],
      ]
    )
    let changed = Self.text
      .replacing("level = 'hot'", with: "true")
      .replacing("\"name\":\"hot\"", with: "\"name\":\"HOT\",\"isEnabled\":false")
      .replacing("\"enrichments\"", with: "\"fallbackRoute\":{\"isEnabled\":false},\"enrichments\"")
      .replacing("$iothubname", with: "h")
    let change = await Self.harness(told, file: changed)
      .run("routing", "set", "r.json", "--dry-run")
    #expect(change.requests.map(\.method) == [.get])
    #expect(
      try Self.plan(change) == [
        [
          "changed", "route", "HOT",
          "name: hot -> HOT; condition: level = 'hot' -> true; isEnabled: yes -> no",
        ],
        ["changed", "fallback route", "$fallback", "isEnabled: yes -> no"],
        ["changed", "enrichment", "hub", "value: $iothubname -> h"],
      ]
    )
  }

  @Test("A plan is shown whole, however narrow the terminal is")
  func wholePlan() async throws {
    let condition = String(repeating: "level = 'hot' OR ", count: 20) + "true"
    var harness = Self.harness(
      Self.empty,
      file: Self.text.replacing("level = 'hot'", with: condition)
    )
    harness.isTerminal = true
    harness.input = ["no"]
    let dry = await harness.run("routing", "set", "r.json", "--dry-run")
    #expect(dry.output.contains(condition))
    let asked = await harness.run("routing", "set", "r.json")
    #expect(asked.errors.contains(condition))
  }

  @Test("Another order of routes is told, an endpoint of another kind is another endpoint")
  func order() async throws {
    func routes(_ names: String...) -> String {
      let list = names.map {
        #"{"name":"\#($0)","source":"DeviceMessages","endpointNames":["events"]}"#
      }
      return #"{"routes":[\#(list.joined(separator: ","))]}"#
    }
    let harness = Self.harness(try Self.told(routes("a", "b")), file: routes("b", "c", "a"))
    let outcome = await harness.run("routing", "set", "r.json", "--dry-run")
    let plan = try Self.plan(outcome)
    #expect(
      plan.map { Array($0.prefix(3)) } == [
        ["added", "route", "c"], ["changed", "order", "routes"],
      ]
    )
    let stream = #"{"endpoints":{"eventStreams":[{"name":"cold"}]}}"#
    let storage = #"{"endpoints":{"storageContainers":[{"name":"cold","containerName":"abc"}]}}"#
    let kinds = await Self.harness(try Self.told(storage), file: stream)
      .run("routing", "set", "r.json", "--dry-run")
    #expect(try Self.plan(kinds).map(\.first) == ["removed", "added"])
  }

  @Test(
    "A file that no hub would take is refused before anything is asked",
    arguments: [
      (#"{"route":[]}"#, "Did you mean 'routes'?"), (#"{"x":[]}"#, "fallbackRoute"),
      (#"{"endpoints":{"storage":[]}}"#, "'storage'"), ("[]", "must be a JSON object"),
      ("{", "no JSON"),
      (#"{"routes":[{"name":"r","source":"DeviceMessages","endpointNames":["x"]}]}"#, "names x"),
      (#"{"routes":[{"name":"r"}]}"#, "source"),
    ]
  )
  func refusedFile(_ text: String, _ told: String) async {
    let outcome = await Self.harness(Self.empty, file: text)
      .run("routing", "set", "r.json", "--yes")
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
    #expect(outcome.errors.contains(told), "\(outcome.errors)")
  }

  @Test("How many routes there may be is the hub's to say")
  func limits() async throws {
    let list = (0..<200).map {
      #"{"name":"r\#($0)","source":"DeviceMessages","endpointNames":["events"]}"#
    }
    let text = #"{"routes":[\#(list.joined(separator: ","))]}"#
    let outcome = await Self.harness(Self.empty, file: text)
      .run("routing", "set", "r.json", "--dry-run")
    #expect(try Self.plan(outcome).count == 200)
  }

  @Test("test sends the message as the hub's calls take it")
  func test() async throws {
    let answer: JSONValue = [
      "routes": [["properties": ["name": "hot", "endpointNames": ["cold"], "condition": "true"]]]
    ]
    let harness = Self.harness(answer)
    let all = await harness.run(
      [
        "routing", "test", "--body", "{\"t\":1}", "-p", "level=hot", "--system",
        "contentType=text/plain", "--twin", #"{"tags":{}}"#, "--source", "DeviceMessages",
        "-o", "table",
      ]
    )
    #expect(all.requests.last?.target.hasPrefix("/routing/routes/%24testall?") == true)
    #expect(
      all.body == [
        "message": [
          "body": "{\"t\":1}", "appProperties": ["level": "hot"],
          "systemProperties": ["contentType": "text/plain"],
        ],
        "twin": ["tags": [:]], "routingSource": "DeviceMessages",
      ]
    )
    #expect(all.output.contains("hot    cold"))
    let none = await Self.harness(["routes": []]).run("routing", "test", "-o", "table")
    #expect(none.output.isEmpty)
    #expect(none.errors.contains("no route"))
  }

  @Test("test of a condition or a saved route tells the three values, and --fail the status")
  func testOne() async throws {
    let values = [("true", CommandStatus.success), ("false", .failure), ("undefined", .failure)]
    for (value, status) in values {
      let answer: JSONValue = [
        "result": .string(value), "details": ["compilationErrors": []],
      ]
      let condition = await Self.harness(answer).run("routing", "test", "--condition", "a = 'b'")
      #expect(condition.status == .success)
      #expect(condition.body?["route"]?["condition"] == "a = 'b'")
      #expect(condition.body?["route"]?["source"] == "DeviceMessages")
      let route = await Self.harness(try Self.told(), answer)
        .run("routing", "test", "--route", "HOT", "--fail")
      #expect(route.status == status)
      #expect(route.body?["route"]?["condition"] == "level = 'hot'")
    }
    let missing = await Self.harness(try Self.told()).run("routing", "test", "--route", "x")
    #expect(missing.status == .notFound)
    #expect(missing.errors.contains("hot"))
    let fault: JSONValue = [
      "result": "undefined",
      "details": ["compilationErrors": [["message": "Expected at line 1, column 2."]]],
    ]
    let broken = await Self.harness(fault).run("routing", "test", "--condition", "=")
    #expect(broken.status == .failure)
    #expect(broken.errors.contains("--condition: Expected at line 1, column 2"))
    #expect(broken.output.isEmpty)
  }

  @Test(
    "Wrong combinations of options are refused before anything is asked",
    arguments: [
      ["--route", "a", "--condition", "b"], ["--route", "a", "--source", "DeviceMessages"],
      ["--fail"], ["--source", "Invalid"], ["-p", "novalue"], ["--twin", "[]"],
    ]
  )
  func refusedOptions(_ options: [String]) async {
    let outcome = await Self.harness(Self.empty).run(["routing", "test"] + options)
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
  }

  @Test("show and health tell endpoints with their state; JSON of show can be set again")
  func show() async throws {
    let told = try Self.told()
    let health: JSONValue = [
      "value": [
        [
          "endpointId": "cold", "healthStatus": "unhealthy", "lastKnownError": "disk full",
          "lastKnownErrorTime": "2026-01-02T03:04:05Z",
        ]
      ]
    ]
    let shown = await Self.harness(told, health).run("routing", "show", "-o", "table")
    for text in ["events", "cold", "unhealthy", "hot", "$fallback", "$iothubname"] {
      #expect(shown.output.contains(text))
    }
    let json = await Self.harness(told).run("routing", "show")
    #expect((try? JSON.parse(json.output)) == told)
    let states = await Self.harness(health).run("routing", "health", "-o", "table")
    #expect(states.output.contains("disk full"))
    let none = await Self.harness(["value": []]).run("routing", "health", "-o", "table")
    #expect(none.errors.contains("no endpoints"))
  }

  @Test("an endpoint that drains is shown as such, and what show prints can still be set")
  func draining() async throws {
    var members = try #require(try Self.told().objectValue)
    members["drainingEndpoints"] = ["storageContainers": [["name": "old", "containerName": "abc"]]]
    let told = JSONValue.object(members)
    let row: JSONValue = [
      "endpointId": "old", "healthStatus": "healthy", "isDraining": true, "lostEventCount": 7,
    ]
    let health: JSONValue = ["value": [row]]
    let shown = await Self.harness(told, health).run("routing", "show", "-o", "table")
    #expect(shown.output.contains("old") && shown.output.contains("draining"))
    let states = await Self.harness(health).run("routing", "health", "-o", "table")
    #expect(states.output.contains("healthy, draining") && states.output.contains("7"))
    let same = await Self.harness(told, file: JSON.text(told))
      .run("routing", "set", "r.json", "--dry-run", "-o", "table")
    #expect(same.errors.contains("Nothing would change"), "\(same.errors)")
  }
}

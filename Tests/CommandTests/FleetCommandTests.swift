import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("Jobs and configurations on the command line")
struct FleetCommandTests {
  private static let content = #"{"deviceContent":{"properties.desired.interval":5}}"#
  private static let plan: HubResponse = .json([
    "configurationId": "c", "action": "create", "deviceCount": 1,
    "changes": [
      [
        "deviceId": "d1", "desired": ["interval": 5, "old": nil],
        "configurations": ["c": ["before": nil, "after": "Applied"]],
      ]
    ],
  ])

  private static func header(_ request: HubRequest?, _ name: String) -> String? {
    request?.headers.first { $0.name == name }?.value
  }

  @Test("job create sends a twin update, or a method with its time-outs")
  func create() async {
    let harness = CommandHarness(.json(["jobId": "j", "status": "queued"]))
    let update = await harness.run(
      "job",
      "create",
      "j",
      "--where",
      "*",
      "--tags",
      #"{"a":null}"#,
      "--desired",
      #"{"b":1}"#,
      "--start",
      "10m",
      "--max-time",
      "2m",
      "--yes"
    )
    #expect(update.status == .success, "\(update.errors)")
    #expect(update.requests.map(\.method) == [.put])
    #expect(update.requests.last?.path == ["jobs", "v2", "j"])
    #expect(
      update.body == [
        "queryCondition": "*", "maxExecutionTimeInSeconds": 120, "type": "scheduleUpdateTwin",
        "updateTwin": ["etag": "*", "tags": ["a": nil], "properties": ["desired": ["b": 1]]],
        "startTime": .string(CommandHarness.now.adding(seconds: 600).iso8601),
      ]
    )
    let method = await harness.run(
      "job",
      "create",
      "j",
      "--where",
      "tags.a = 1",
      "--method",
      "reboot",
      "--payload",
      "[1]",
      "--connect-timeout",
      "5s",
      "--yes"
    )
    #expect(
      method.body?["cloudToDeviceMethod"] == [
        "methodName": "reboot", "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 5,
        "payload": [1],
      ]
    )
  }

  @Test(
    "what cannot be meant is refused before anything is asked",
    arguments: [
      ["job", "create", "j", "--where", "*"],
      ["job", "create", "j", "--where", "*", "--method", "m", "--tags", "{}"],
      ["job", "create", "j", "--where", "*", "--tags", "{}", "--payload", "1"],
      ["job", "create", "j", "--where", "*", "--tags", "{}", "--start", "soon"],
      ["job", "create", "J", "--where", "*", "--tags", "{}"],
      ["job", "create", "j", "--tags", "{}"],
      ["job", "list", "--status", "lost"],
      ["configuration", "apply", "Upper", "{}"],
      ["configuration", "apply", "c", "{}", "--priority", "-1"],
    ]
  )
  func refusals(arguments: [String]) async {
    let outcome = await CommandHarness().run(arguments)
    #expect(outcome.status == .usage, "\(arguments)")
    #expect(outcome.requests.isEmpty)
  }

  @Test("job show tells of a job that is none, and lists its devices")
  func show() async {
    let unknown = await CommandHarness(
      .json(["jobId": "j", "type": "unknown", "status": "unknown"])
    )
    .run("job", "show", "j")
    #expect(unknown.status == .notFound)
    let rows: JSONValue = [
      [
        "deviceId": "d1", "jobId": "j'", "status": "failed",
        "error": ["code": "404103", "description": "away"],
      ]
    ]
    let harness = CommandHarness(.json(["jobId": "j'", "status": "completed"]), .json(rows))
    let listed = await harness.run("job", "show", "j'", "--failed", "-o", "table")
    #expect(
      listed.body == [
        "query": "SELECT * FROM devices.jobs WHERE jobId = 'j''' AND status = 'failed'"
      ]
    )
    #expect(listed.output.contains("away"))
  }

  @Test("configuration apply creates what is new and changes what exists, by its ETag")
  func apply() async {
    let missing = HubResponse.refusal(.configurationNotFound, "There is no configuration c.")
    let made = await CommandHarness(missing, .json(["id": "c"])).run(
      "configuration",
      "apply",
      "c",
      Self.content,
      "--target",
      "*",
      "--priority",
      "3",
      "--metric",
      "n=SELECT deviceId FROM devices",
      "--yes"
    )
    #expect(made.status == .success, "\(made.errors)")
    #expect(made.requests.map(\.method) == [.get, .put])
    #expect(Self.header(made.requests.last, "If-Match") == nil)
    #expect(
      made.body == [
        "content": ["deviceContent": ["properties.desired.interval": 5]], "id": "c",
        "targetCondition": "*", "priority": 3,
        "metrics": ["queries": ["n": "SELECT deviceId FROM devices"]],
      ]
    )
    let existing: JSONValue = [
      "id": "c", "etag": "MQ==", "priority": 3, "targetCondition": "*",
      "content": ["deviceContent": [:]],
    ]
    let warned = HubResponse.json(
      existing,
      headers: [(name: "x-orrery-warning", value: "content-immutable")]
    )
    let changed = await CommandHarness(.json(existing), warned)
      .run("configuration", "apply", "c", "--target", "", "-y")
    #expect(Self.header(changed.requests.last, "If-Match") == "\"MQ==\"")
    #expect(changed.body?["targetCondition"] == "")
    #expect(changed.body?["priority"] == 3)
    #expect(changed.errors.contains("content never changes"))
    let nothing = await CommandHarness(missing).run("configuration", "apply", "c")
    #expect(nothing.status == .usage)
    #expect(nothing.errors.contains("deviceContent"))
  }

  @Test("On a terminal the plan is shown before the question, and no means no")
  func asks() async {
    let missing = HubResponse.refusal(.configurationNotFound, "none")
    for (answer, methods) in [
      ("n", [HubRequest.Method.get, .post]), ("y", [.get, .post, .put]),
    ] {
      var harness = CommandHarness(missing, Self.plan, .json(["id": "c"]))
      harness.isTerminal = true
      harness.input = [answer]
      let outcome = await harness.run("configuration", "apply", "c", Self.content)
      #expect(outcome.requests.map(\.method) == methods)
      #expect(outcome.requests[1].path == ["configurations", "c", "plan"])
      #expect(outcome.errors.contains("desired.interval=5; -desired.old"), "\(outcome.errors)")
      #expect(outcome.errors.contains("c: - → Applied"))
      #expect(outcome.status == (answer == "y" ? .success : .failure))
    }
    // A script has to be sure.
    let script = await CommandHarness(missing, Self.plan).run(
      "configuration",
      "apply",
      "c",
      Self.content
    )
    #expect(script.status == .usage)
    #expect(!script.requests.contains { $0.method == .put })
    var sure = CommandHarness(missing, .json(["id": "c"]))
    sure.isTerminal = true
    let outcome = await sure.run("configuration", "apply", "c", Self.content, "--yes")
    #expect(outcome.requests.map(\.method) == [.get, .put])
  }

  @Test("A plan is read to its end, page by page")
  func pages() async {
    let first = HubResponse.json(
      ["jobId": "j", "changes": [["deviceId": "d1", "connectionState": "Connected"]]],
      headers: [(name: "x-ms-continuation", value: "next")]
    )
    let second = HubResponse.json(
      ["jobId": "j", "changes": [["deviceId": "d2", "connectionState": "Disconnected"]]]
    )
    let outcome = await CommandHarness(first, second).run(
      "job",
      "plan",
      "j",
      "--where",
      "*",
      "--method",
      "m",
      "-o",
      "table"
    )
    #expect(outcome.requests.count == 2)
    #expect(Self.header(outcome.requests.last, "x-ms-continuation") == "next")
    #expect(outcome.output.contains("on 2 devices, of which 1 are connected"))
    #expect(outcome.output.contains("d2"))
  }

  @Test("configuration delete asks for the plan of the deletion and sends the condition")
  func delete() async {
    var harness = CommandHarness(Self.plan, HubResponse(status: 204))
    harness.isTerminal = true
    harness.input = ["y"]
    let outcome = await harness.run("configuration", "delete", "c", "--etag", "MQ==")
    #expect(outcome.requests.map(\.method) == [.post, .delete])
    #expect(outcome.requests.first?.target.contains("operation=delete") == true)
    #expect(Self.header(outcome.requests.last, "If-Match") == "\"MQ==\"")
  }
}

import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("What the commands ask of the hub")
struct VerbTests {
  private static func header(_ outcome: CommandOutcome, _ name: String) -> String? {
    outcome.requests.last?.headers.first { $0.name == name }?.value
  }

  @Test("twin update merges by PATCH and replaces by PUT")
  func twinUpdate() async {
    var harness = CommandHarness(.json(["deviceId": "d1"]))
    harness.files["tags.json"] = #"{"site":null}"#
    let merged = await harness.run(
      "twin",
      "update",
      "d1",
      "--module",
      "m",
      "--desired",
      #"{"a":1.0}"#,
      "--tags",
      "@tags.json",
      "--etag",
      "AAE="
    )
    #expect(merged.requests.last?.method == .patch)
    #expect(merged.requests.last?.path == ["twins", "d1", "modules", "m"])
    #expect(merged.body == ["tags": ["site": nil], "properties": ["desired": ["a": 1.0]]])
    #expect(
      merged.requests.last?.body.map { String(decoding: $0, as: UTF8.self) }?
        .contains("1.0") == true
    )
    #expect(Self.header(merged, "If-Match") == "\"AAE=\"")
    let replaced = await harness.run("twin", "update", "d1", #"{"tags":{}}"#, "--replace")
    #expect(replaced.requests.last?.method == .put)
    #expect(replaced.body == ["tags": [:]])
    #expect(Self.header(replaced, "If-Match") == nil)
  }

  @Test(
    "JSON that is none is told with its place, before anything is asked",
    arguments: [
      "{", "[1]", "{'a':1}", "nope",
    ]
  )
  func badJSON(_ text: String) async {
    let outcome = await CommandHarness().run("twin", "update", "d1", "--desired", text)
    #expect(outcome.status == .usage)
    #expect(outcome.errors.contains("--desired"))
    #expect(outcome.requests.isEmpty)
  }

  @Test("digital-twin update sends the patch as it is, and shows what has become of it")
  func digitalTwinUpdate() async {
    let harness = CommandHarness(
      HubResponse(status: 202),
      .json([
        "$dtId": "d1", "fan": 1.0,
        "$metadata": ["$model": "dtmi:a;1", "fan": ["desiredValue": 2.0]],
      ])
    )
    let patch = #"[{"op":"add","path":"/fan","value":2.0}]"#
    let outcome = await harness.run(
      "digital-twin",
      "update",
      "d1",
      patch,
      "--etag",
      "AAE=",
      "-o",
      "table"
    )
    #expect(outcome.requests.map(\.method) == [.patch, .get])
    #expect(outcome.requests.allSatisfy { $0.path == ["digitaltwins", "d1"] })
    #expect(outcome.requests.first?.body == [UInt8](patch.utf8))
    #expect(outcome.requests.first?.headers.first { $0.name == "If-Match" }?.value == "\"AAE=\"")
    for text in ["dtmi:a;1", "1.0", "fan (desired)", "2.0"] {
      #expect(outcome.output.contains(text), "\(outcome.output)")
    }
    let bad = await harness.run("digital-twin", "update", "d1", "[")
    #expect(bad.status == .usage && bad.requests.isEmpty)
  }

  @Test("digital-twin invoke names component and command, and prints the device's status")
  func digitalTwinInvoke() async throws {
    var answer = HubResponse.json(["max": 3])
    answer.headers.append((name: "x-ms-command-statuscode", value: "404"))
    let harness = CommandHarness(answer)
    let outcome = await harness.run(
      "digital-twin",
      "invoke",
      "d1",
      "report",
      "--component",
      "t1",
      "--payload",
      "[1]",
      "--response-timeout",
      "2m",
      "--fail"
    )
    #expect(outcome.status == .failure)
    #expect(try JSON.parse(outcome.output) == ["status": 404, "payload": ["max": 3]])
    let request = try #require(outcome.requests.last)
    #expect(request.path == ["digitaltwins", "d1", "components", "t1", "commands", "report"])
    #expect(request.target.contains("responseTimeoutInSeconds=120&connectTimeoutInSeconds=0"))
    #expect(outcome.body == [1] && request.timeoutSeconds > 120)
    let root = await harness.run("digital-twin", "invoke", "d1", "report")
    #expect(root.requests.last?.path == ["digitaltwins", "d1", "commands", "report"])
    #expect(root.requests.last?.body == nil)
  }

  @Test("method invoke sends time-outs and payload, and waits longer than the hub does")
  func method() async throws {
    let harness = CommandHarness(.json(["status": 200, "payload": ["ok": true]]))
    let outcome = await harness.run(
      "method",
      "invoke",
      "d1",
      "reboot",
      "--payload",
      "[1]",
      "--response-timeout",
      "2m",
      "--connect-timeout",
      "60"
    )
    #expect(outcome.status == .success)
    #expect(
      outcome.body == [
        "methodName": "reboot", "responseTimeoutInSeconds": 120, "connectTimeoutInSeconds": 60,
        "payload": [1],
      ]
    )
    #expect(try #require(outcome.requests.last).timeoutSeconds > 120)
    let none = await harness.run("method", "invoke", "d1", "reboot")
    #expect(none.body?["payload"] == nil)
  }

  @Test("--fail turns the device's own refusal into a failure")
  func methodFails() async {
    let harness = CommandHarness(.json(["status": 404, "payload": nil]))
    #expect(await harness.run("method", "invoke", "d1", "x").status == .success)
    let outcome = await harness.run("method", "invoke", "d1", "x", "--fail")
    #expect(outcome.status == .failure)
    #expect(outcome.output.contains("404"))
  }

  @Test("c2d send puts properties into headers and leaves the body as it is")
  func send() async {
    let harness = CommandHarness(.json(["messageId": "m-1", "sequenceNumber": 1], status: 201))
    let outcome = await harness.run(
      "c2d",
      "send",
      "d1",
      "héllo",
      "--message-id",
      "m-1",
      "--ack",
      "full",
      "--expiry",
      "1h",
      "-p",
      "level=3",
      "-p",
      "x=",
      "--content-type",
      "text/plain"
    )
    #expect(outcome.status == .success)
    #expect(outcome.requests.last?.path == ["devices", "d1", "messages", "deviceBound"])
    #expect(outcome.requests.last?.body == Array("héllo".utf8))
    #expect(Self.header(outcome, "iothub-messageid") == "m-1")
    #expect(Self.header(outcome, "iothub-ack") == "full")
    #expect(Self.header(outcome, "iothub-app-level") == "3")
    #expect(Self.header(outcome, "iothub-app-x") == "")
    #expect(Self.header(outcome, "iothub-contenttype") == "text/plain")
    #expect(
      Self.header(outcome, "iothub-expiry")
        == CommandHarness.now.adding(seconds: 3600).iso8601
    )
  }

  @Test("Feedback is completed after it was printed, abandoned with --peek")
  func feedback() async {
    let record: JSONValue = [
      "originalMessageId": "m", "deviceId": "d", "statusCode": "Success",
      "enqueuedTimeUtc": "2026-01-02T03:04:05Z", "description": "Success",
    ]
    let batch = HubResponse.json([record], headers: [(name: "ETag", value: "\"lock\"")])
    let path = ["messages", "serviceBound", "feedback"]
    let done = await CommandHarness(batch, HubResponse(status: 204)).run("c2d", "feedback")
    #expect(done.requests.map(\.path) == [path, path + ["lock"], path])
    #expect(done.requests.map(\.method) == [.get, .delete, .get])
    #expect(done.output == JSON.text(record) + "\n")
    let peek = await CommandHarness(batch, HubResponse(status: 204)).run(
      "c2d",
      "feedback",
      "--peek"
    )
    #expect(peek.requests.map(\.path) == [path, path + ["lock", "abandon"]])
  }

  @Test("Events go on from where the last answer ended, and stop at --count")
  func events() async {
    func page(_ numbers: [Int64], _ continuation: String) -> HubResponse {
      .json([
        "events": .array(
          numbers.map { ["sequenceNumber": .int($0), "annotations": [:]] as JSONValue }
        ),
        "continuation": .string(continuation),
      ])
    }
    let harness = CommandHarness(page([1], "c1"), page([], "c2"), page([2, 3, 4], "c3"))
    let outcome = await harness.run("monitor", "events", "--from", "earliest", "--count", "3")
    #expect(outcome.status == .success)
    #expect(outcome.output.split(separator: "\n").count == 3)
    let queries = outcome.requests.map { request in
      request.query.filter { ["from", "continuation"].contains($0.name) }.map(\.value)
    }
    #expect(queries == [["earliest"], ["c1"], ["c2"]])
  }

  @Test("A hub that is away is asked again; one that refuses is not")
  func eventTroubles() async {
    let away = HubResponse.refusal(.serviceUnavailable, "Stopping.")
    let page = HubResponse.json([
      "events": [["sequenceNumber": 1, "annotations": [:]]], "continuation": "c",
    ])
    let back = await CommandHarness(away, page).run("monitor", "events", "--count", "1")
    #expect(back.status == .success)
    #expect(back.errors.contains("trying again"))
    #expect(back.errors.contains("there again"))
    let refused = await CommandHarness(.refusal(.iotHubUnauthorized, "No.")).run(
      "monitor",
      "events",
      "--count",
      "1"
    )
    #expect(refused.status == .unauthorized)
  }

  @Test("Too few events by --timeout are a time-out")
  func eventTimeout() async {
    let empty = HubResponse.json(["events": [], "continuation": "c"])
    let outcome = await CommandHarness(empty).run(
      "monitor",
      "events",
      "--count",
      "1",
      "--timeout",
      "0"
    )
    #expect(outcome.status == .timedOut)
  }

  @Test("A query ends at --top and says that there is more")
  func query() async {
    let page = HubResponse.json(
      [["a": 1], ["a": 2]],
      headers: [(name: "x-ms-continuation", value: "n")]
    )
    let outcome = await CommandHarness(page).run("query", "SELECT a FROM devices", "--top", "2")
    #expect(outcome.requests.count == 1)
    #expect(outcome.errors.contains("There is more"))
    #expect(Self.header(outcome, "x-ms-max-item-count") == "2")
  }

  @Test("Tokens are bare, and of the key and resource that were asked for")
  func tokens() async throws {
    let device = await CommandHarness(.device()).run("token", "device", "d1", "--ttl", "10m")
    let token = try SharedAccessSignature(String(device.output.dropLast()))
    #expect(token.resource.description == "hub.example/devices/d1")
    #expect(token.policy == nil)
    #expect(token.expirySeconds == CommandHarness.now.seconds + 600)
    let service = await CommandHarness().run("token", "service")
    let owner = try SharedAccessSignature(String(service.output.dropLast()))
    #expect(owner.policy == "iothubowner")
    #expect(service.requests.isEmpty)
  }

  @Test("An import goes in parts, and its failures are told with their lines")
  func registryImport() async {
    var harness = CommandHarness(
      .json(["succeeded": 2000, "failed": 0, "errors": []]),
      .json([
        "succeeded": 0, "failed": 1,
        "errors": [["line": 1, "deviceId": "x", "errorCode": "ArgumentInvalid"]],
      ])
    )
    harness.files["f"] = String(repeating: "{\"id\":\"x\"}\n\n", count: 2001)
    let outcome = await harness.run("registry", "import", "f")
    #expect(outcome.status == .failure)
    #expect(outcome.requests.count == 2)
    let answer = try? JSON.parse(outcome.output)
    #expect(answer?["succeeded"] == 2000)
    #expect(answer?["errors"]?.arrayValue?.first?["line"] == 2001)
  }

  @Test("policy commands ask the policies, and hide keys on the screen")
  func policies() async {
    let policy: JSONValue = [
      "name": "service", "rights": ["ServiceConnect"], "primaryKey": .string(CommandHarness.key),
      "secondaryKey": .string(CommandHarness.otherKey),
    ]
    var harness = CommandHarness(.json(policy))
    harness.isTerminal = true
    let shown = await harness.run("policy", "show", "service")
    #expect(!shown.output.contains(CommandHarness.key))
    let text = await harness.run(
      "policy",
      "show",
      "service",
      "--connection-string",
      "--key",
      "secondary"
    )
    #expect(
      text.output
        == "HostName=hub.example;SharedAccessKeyName=service;"
        + "SharedAccessKey=\(CommandHarness.otherKey)\n"
    )
    let renewed = await harness.run("policy", "regenerate", "service", "--key", "both", "--yes")
    #expect(renewed.requests.last?.path == ["policies", "service", "regenerate"])
    #expect(renewed.body == ["key": "both"])
  }
}

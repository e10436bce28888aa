import HubContract
import JSONTree
import OperatorCommands
import Testing

@Suite("orrery device and orrery module")
struct IdentityCommandTests {
  @Test("create without options lets the hub make the keys")
  func createPlain() async throws {
    let outcome = await CommandHarness(.device()).run("device", "create", "d1")
    #expect(outcome.status == .success)
    let request = try #require(outcome.requests.first)
    #expect(request.method == .put)
    #expect(request.path == ["devices", "d1"])
    #expect(request.headers.allSatisfy { $0.name != "If-Match" })
    #expect(outcome.body == ["deviceId": "d1"])
  }

  @Test("create writes authentication, status and kind as the hub reads them")
  func createFull() async {
    var harness = CommandHarness(.device())
    harness.environment["ONE"] = CommandHarness.key
    harness.files["two.key"] = CommandHarness.otherKey + "\n"
    let outcome = await harness.run(
      "device",
      "create",
      "d1",
      "--primary-key",
      "env:ONE",
      "--secondary-key",
      "@two.key",
      "--edge",
      "--disabled",
      "--status-reason",
      "spare"
    )
    #expect(outcome.status == .success)
    let expected: JSONValue = [
      "deviceId": "d1",
      "authentication": [
        "type": "sas",
        "symmetricKey": [
          "primaryKey": .string(CommandHarness.key),
          "secondaryKey": .string(CommandHarness.otherKey),
        ],
      ],
      "capabilities": ["iotEdge": true], "status": "disabled", "statusReason": "spare",
    ]
    #expect(outcome.body == expected)
  }

  @Test("Both keys may come from the input, a line each")
  func keysFromInput() async {
    var harness = CommandHarness(.device())
    harness.input = [CommandHarness.key, CommandHarness.otherKey]
    let outcome = await harness.run(
      "device",
      "create",
      "d1",
      "--primary-key",
      "-",
      "--secondary-key",
      "-"
    )
    let keys = outcome.body?["authentication"]?["symmetricKey"]
    #expect(keys?["primaryKey"]?.stringValue == CommandHarness.key)
    #expect(keys?["secondaryKey"]?.stringValue == CommandHarness.otherKey)
  }

  @Test("A key on the command line is refused and not repeated")
  func keyOnCommandLine() async {
    let outcome = await CommandHarness().run(
      "device",
      "create",
      "d1",
      "--primary-key",
      CommandHarness.key,
      "--secondary-key",
      "-"
    )
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
    #expect(outcome.errors.contains("can be read by every user"))
    let withoutUsage = outcome.errors.split(separator: "\n").first.map(String.init) ?? ""
    #expect(!withoutUsage.contains(CommandHarness.key))
  }

  @Test(
    "Wrong combinations of options are refused before anything is asked",
    arguments: [
      ["device", "create", "d1", "--primary-key", "env:X"],
      ["device", "create", "d1", "--auth", "thumbprint"],
      ["device", "create", "d1", "--auth", "ca", "--thumbprint", "AB"],
      ["device", "create", "d1", "--auth", "password"],
      ["device", "create", "white space"],
      ["device", "create"],
      ["device", "update", "d1", "--enabled", "--disabled"],
      ["device", "update", "d1"],
      ["device", "update", "d1", "--etag", "x"],
      ["module", "update", "d1", "m1"],
      ["device", "create", "d1", "--auth", "none"],
      ["token", "service", "--ttl", "0s"],
      ["token", "device", "d1", "--ttl", "999ms"],
      ["module", "create", "d1", "$own"],
      ["device", "list", "--top", "0"],
      ["twin", "update", "d1"],
      ["twin", "update", "d1", "{}", "--tags", "{}"],
      ["method", "invoke", "d1", "m", "--response-timeout", "2s"],
      ["method", "invoke", "d1", "m", "--connect-timeout", "1m"],
      ["c2d", "send", "d1"],
      ["c2d", "send", "d1", "x", "--body", "y"],
      ["c2d", "send", "d1", "x", "--ack", "maybe"],
      ["c2d", "send", "d1", "x", "--property", "novalue"],
      ["monitor", "events", "--from", "yesterday"],
      ["monitor", "events", "--from", "sequence:5"],
      ["monitor", "events", "--count", "0"],
      ["simulate", "device", "d1", "--count", "0"],
      ["simulate", "device", "d1", "--certificate", "c.pem"],
      ["no-such-command"],
    ]
  )
  func refusedOptions(_ arguments: [String]) async {
    let outcome = await CommandHarness(.device()).run(arguments)
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
    #expect(!outcome.errors.isEmpty)
    #expect(outcome.output.isEmpty)
  }

  @Test("A thumbprint goes out as it was given, a bad one is refused")
  func thumbprint() async {
    let hex = String(repeating: "aB", count: 20)
    let good = await CommandHarness(.device()).run("device", "create", "d1", "--thumbprint", hex)
    #expect(good.body?["authentication"]?["type"] == "selfSigned")
    let prints = good.body?["authentication"]?["x509Thumbprint"]
    #expect(prints?["primaryThumbprint"]?.stringValue == hex)
    let bad = await CommandHarness().run("device", "create", "d1", "--thumbprint", "aa:bb")
    #expect(bad.status == .usage)
    #expect(bad.requests.isEmpty)
  }

  @Test("A parent's scope is looked up; one that is no edge device is refused")
  func parent() async {
    let edge = HubResponse.device([
      "deviceScope": "ms-azure-iot-edge://g-1", "capabilities": ["iotEdge": true],
    ])
    let leaf = await CommandHarness(edge, .device()).run(
      "device",
      "create",
      "d1",
      "--parent",
      "g"
    )
    #expect(leaf.requests.first?.path == ["devices", "g"])
    #expect(leaf.body?["deviceScope"] == "ms-azure-iot-edge://g-1")
    let nested = await CommandHarness(edge, .device()).run(
      "device",
      "create",
      "d1",
      "--edge",
      "--parent",
      "g"
    )
    #expect(nested.body?["parentScopes"] == ["ms-azure-iot-edge://g-1"])
    #expect(nested.body?["deviceScope"] == nil)
    let wrong = await CommandHarness(.device()).run("device", "create", "d1", "--parent", "g")
    #expect(wrong.status == .failure)
    #expect(wrong.requests.count == 1)
  }

  @Test("update sends back what it read, changed, on condition of the ETag")
  func update() async throws {
    let outcome = await CommandHarness(.device(), .device()).run(
      "device",
      "update",
      "d1",
      "--disabled",
      "--status-reason",
      "lost"
    )
    #expect(outcome.status == .success)
    let request = try #require(outcome.requests.last)
    #expect(request.headers.contains { $0.name == "If-Match" && $0.value == "\"MQ==\"" })
    #expect(outcome.body?["status"] == "disabled")
    #expect(outcome.body?["statusReason"] == "lost")
    let keys = outcome.body?["authentication"]?["symmetricKey"]
    #expect(keys?["primaryKey"]?.stringValue == CommandHarness.key)
  }

  @Test("delete asks on a terminal, and does nothing without a yes")
  func deleteAsks() async {
    var harness = CommandHarness(HubResponse(status: 204))
    harness.isTerminal = true
    harness.input = ["n"]
    let refused = await harness.run("device", "delete", "d1")
    #expect(refused.status == .failure)
    #expect(refused.requests.isEmpty)
    #expect(refused.errors.contains("[y/N]"))
    harness.input = ["yes"]
    let agreed = await harness.run("device", "delete", "d1")
    #expect(agreed.status == .success)
    #expect(agreed.requests.first?.method == .delete)
    #expect(agreed.requests.first?.headers.contains { $0.value == "*" } == true)
  }

  @Test("delete with --yes does not ask, whoever is there", arguments: [true, false])
  func deleteWithoutAsking(isTerminal: Bool) async {
    var harness = CommandHarness(HubResponse(status: 204))
    harness.isTerminal = isTerminal
    let outcome = await harness.run("module", "delete", "d1", "m1", "--yes")
    #expect(outcome.status == .success)
    #expect(outcome.requests.first?.path == ["devices", "d1", "modules", "m1"])
    #expect(!outcome.errors.contains("[y/N]"))
  }

  @Test(
    "What cannot be undone is refused without --yes where nobody can be asked",
    arguments: [
      ["device", "delete", "d1"], ["module", "delete", "d1", "m1"], ["c2d", "purge", "d1"],
      ["policy", "delete", "p"], ["policy", "regenerate", "p", "--key", "both"],
      ["ca", "delete", "plant"],
    ]
  )
  func nobodyToAsk(_ arguments: [String]) async {
    var harness = CommandHarness(HubResponse(status: 204))
    harness.input = ["yes"]
    let outcome = await harness.run(arguments)
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
    #expect(outcome.errors.contains("--yes"))
  }

  @Test("An update that changes nothing tells what could be changed")
  func emptyUpdate() async {
    let device = await CommandHarness(.device()).run("device", "update", "d1")
    for option in ["--disabled", "--status-reason", "--parent", "--auth", "--primary-key"] {
      #expect(device.errors.contains(option))
    }
    let module = await CommandHarness(.device()).run("module", "update", "d1", "m1")
    #expect(module.errors.contains("--managed-by"))
  }

  @Test(
    "A new status takes the old reason away, unless it brings one; the same status keeps it",
    arguments: [
      (["--enabled"], "enabled", nil), (["--disabled"], "disabled", "lost"),
      (["--enabled", "--status-reason", "found"], "enabled", "found"),
      (["--status-reason", "sold"], "disabled", "sold"),
    ] as [([String], String, String?)]
  )
  func statusReason(_ options: [String], _ status: String, _ reason: String?) async {
    let locked = HubResponse.device(["status": "disabled", "statusReason": "lost"])
    let outcome = await CommandHarness(locked).run(["device", "update", "d1"] + options)
    #expect(outcome.status == .success)
    #expect(outcome.body?["status"]?.stringValue == status)
    #expect(outcome.body?["statusReason"]?.stringValue == reason)
  }

  @Test("A device is not offered to prove itself by nothing, a module is")
  func authenticationByNothing() async {
    let help = await CommandHarness().run("device", "create", "--help")
    #expect(help.output.contains("sas, thumbprint, ca)"))
    let module = await CommandHarness(.device()).run(
      ["module", "create", "d1", "m1", "--auth", "none", "--managed-by", "iotEdge"]
    )
    #expect(module.body?["authentication"] == ["type": "none"])
  }

  @Test("A missing module is told as one, with the command that lists the others")
  func missingModule() async {
    for words in [["twin", "show", "d1", "--module", "m"], ["module", "show", "d1", "m"]] {
      let outcome = await CommandHarness(.refusal(.deviceNotFound, "No twin.")).run(words)
      #expect(outcome.status == .notFound)
      #expect(outcome.errors.contains("module 'm' of device 'd1': No twin"))
      #expect(outcome.errors.contains("'orrery module list d1'"))
    }
    let device = await CommandHarness(.refusal(.deviceNotFound, "No twin.")).run(
      ["twin", "show", "d1"]
    )
    #expect(device.errors.contains("'orrery device list'"))
  }

  @Test("The screen hides keys until they are asked for, JSON has them")
  func hiddenKeys() async {
    var harness = CommandHarness(.device())
    harness.isTerminal = true
    let hidden = await harness.run("device", "show", "d1")
    #expect(!hidden.output.contains(CommandHarness.key))
    #expect(hidden.output.contains("--show-keys"))
    let shown = await harness.run("device", "show", "d1", "--show-keys")
    #expect(shown.output.contains(CommandHarness.key))
    let json = await harness.run("device", "show", "d1", "-o", "json")
    #expect(json.output.contains(CommandHarness.key))
  }

  @Test("A connection string is bare text, of the key that was asked for")
  func connectionString() async {
    let plain = await CommandHarness(.device()).run("device", "connection-string", "d1")
    #expect(
      plain.output == "HostName=hub.example;DeviceId=d1;SharedAccessKey=\(CommandHarness.key)\n"
    )
    let second = await CommandHarness(.device()).run(
      "module",
      "connection-string",
      "d1",
      "m1",
      "--key",
      "secondary",
      "--gateway",
      "gw"
    )
    #expect(
      second.output
        == "HostName=hub.example;DeviceId=d1;ModuleId=m1;"
        + "SharedAccessKey=\(CommandHarness.otherKey);GatewayHostName=gw\n"
    )
    let certificate = HubResponse.device(["authentication": ["type": "selfSigned"]])
    let x509 = await CommandHarness(certificate).run("device", "connection-string", "d1")
    #expect(x509.output == "HostName=hub.example;DeviceId=d1;x509=true\n")
  }

  @Test("list asks the registry, and a query once it wants more than that gives")
  func list() async {
    let registry = await CommandHarness(.json([])).run("device", "list", "--top", "7")
    #expect(registry.requests.first?.path == ["devices"])
    #expect(registry.requests.first?.query.contains { $0.name == "top" && $0.value == "7" } == true)
    let pages = CommandHarness(
      .json([["deviceId": "a"]], headers: [(name: "x-ms-continuation", value: "next")]),
      .json([["deviceId": "b"]])
    )
    let all = await pages.run("device", "list", "--all", "--where", "tags.x = 1")
    #expect(all.requests.count == 2)
    #expect(all.body == ["query": "SELECT * FROM devices WHERE\ntags.x = 1"])
    #expect(
      all.requests.last?.headers.contains {
        $0.name == "x-ms-continuation" && $0.value == "next"
      } == true
    )
    #expect((try? JSON.parse(all.output))?.arrayValue?.count == 2)
  }

  @Test(
    "A fault in a condition is told by its place in the condition",
    arguments: [
      ("Expected a value at line 2, column 5.", "Expected a value at line 1, column 5"),
      ("Expected a value at line 4, column 1. Mend.", "Expected a value at line 3, column 1. Mend"),
      ("Too long.", "Too long"), ("At line 2.", "At line 2"),
    ]
  )
  func conditionFault(_ told: String, _ shown: String) async {
    let refusal = HubResponse.refusal(.argumentInvalid, told)
    let outcome = await CommandHarness(refusal).run("device", "list", "--where", "x")
    #expect(outcome.status == .failure)
    #expect(outcome.errors.hasPrefix("orrery: error: --where: \(shown) ("))
    let query = await CommandHarness(refusal).run("query", "x")
    #expect(query.errors.contains("the query: \(told.dropLast())"))
  }

  @Test("IDs are percent-encoded in paths")
  func encoding() async {
    let outcome = await CommandHarness(.device()).run("device", "show", "a#b?c")
    #expect(outcome.requests.first?.target == "/devices/a%23b%3Fc?api-version=2021-04-12")
  }
}

import HubContract
import JSONTree
import OperatorCommands
import Platform
import Testing

@Suite("orrery enrollment, enrollment-group and registration")
struct ProvisioningCommandTests {
  private static let owner = HubResponse.json([
    "name": "provisioningserviceowner", "rights": ["EnrollmentRead", "EnrollmentWrite"],
    "primaryKey": .string(CommandHarness.otherKey), "secondaryKey": .string(CommandHarness.key),
  ])

  private static let enrollment: JSONValue = [
    "registrationId": "pump-1", "attestation": ["type": "symmetricKey"], "etag": "\"MQ==\"",
    "provisioningStatus": "enabled",
    "initialTwin": ["tags": ["site": "north"], "properties": ["desired": ["rate": 5]]],
    "reprovisionPolicy": ["updateHubAssignment": true, "migrateDeviceData": true],
  ]

  @Test("The key of the service's own policy is fetched where the connection has another")
  func policy() async throws {
    let hub = ScriptedHub([Self.owner, .json([])])
    var console = Console.system
    console.environment = CommandHarness().environment
    console.transport = { _ in hub }
    console.writeOutput = { _ in }
    console.now = { CommandHarness.now }
    _ = await Console.$current.withValue(console) {
      await CommandRunner.run(TestRoot.self, ["enrollment", "list"])
    }
    #expect(
      hub.requests.map(\.path) == [
        ["policies", "provisioningserviceowner"], ["enrollments", "query"],
      ]
    )
    let tokens = try hub.tokens.map { try SharedAccessSignature($0) }
    #expect(tokens.map(\.policy) == ["iothubowner", "provisioningserviceowner"])
  }

  @Test("A connection that may not read that key, or has it, works as itself")
  func ownPolicy() async {
    let refusal = HubResponse.refusal(.iotHubUnauthorizedAccess, "Policy x lacks a right.")
    let custom = await CommandHarness(refusal, .json([])).run("enrollment", "list")
    #expect(custom.status == .success)
    var harness = CommandHarness(.json([]))
    harness.environment["ORRERY_CONNECTION_STRING"] =
      "HostName=h;SharedAccessKeyName=provisioningserviceowner;SharedAccessKey=\(CommandHarness.key)"
    let own = await harness.run("enrollment", "list")
    #expect(own.requests.map(\.path) == [["enrollments", "query"]])
    let refused = await CommandHarness(refusal).run("enrollment", "show", "pump-1")
    #expect(refused.status == .unauthorized)
    #expect(refused.errors.contains("EnrollmentRead"))
  }

  @Test("create makes an enrollment by keys unless something else is said")
  func create() async throws {
    let plain = await CommandHarness(Self.owner, .json(Self.enrollment))
      .run("enrollment", "create", "pump-1")
    #expect(plain.status == .success)
    let request = try #require(plain.requests.last)
    #expect(request.method == .put)
    #expect(request.path == ["enrollments", "pump-1"])
    #expect(request.headers.allSatisfy { $0.name != "If-Match" })
    #expect(
      plain.body == ["attestation": ["type": "symmetricKey"], "registrationId": "pump-1"]
    )
  }

  @Test("create writes every option as the hub reads it, over the members of --body")
  func createFull() async {
    var harness = CommandHarness(Self.owner, .json(Self.enrollment))
    harness.environment["ONE"] = CommandHarness.key
    harness.files["two.key"] = CommandHarness.otherKey
    let outcome = await harness.run(
      [
        "enrollment", "create", "pump-1", "--primary-key", "env:ONE", "--secondary-key",
        "@two.key", "--device-id", "p1", "--tags", #"{"site":1}"#, "--desired", #"{"rate":5}"#,
        "--edge", "--disabled", "--reprovision", "never", "--allocation", "static", "--hub", "h",
        "--issuer", "internal", "--body",
        #"{"optionalDeviceInformation":{"note":"x"},"provisioningStatus":"enabled"}"#,
      ]
    )
    #expect(outcome.status == .success, "\(outcome.errors)")
    let expected: JSONValue = [
      "registrationId": "pump-1", "deviceId": "p1",
      "attestation": [
        "type": "symmetricKey",
        "symmetricKey": [
          "primaryKey": .string(CommandHarness.key),
          "secondaryKey": .string(CommandHarness.otherKey),
        ],
      ],
      "initialTwin": ["tags": ["site": 1], "properties": ["desired": ["rate": 5]]],
      "capabilities": ["iotEdge": true], "provisioningStatus": "disabled",
      "reprovisionPolicy": ["updateHubAssignment": false, "migrateDeviceData": false],
      "allocationPolicy": "static", "iotHubs": ["h"],
      "clientCertificateIssuancePolicy": ["certificateAuthorityName": "internal"],
      "optionalDeviceInformation": ["note": "x"],
    ]
    #expect(outcome.body == expected)
  }

  @Test("A chip goes by the keys in its files, and by nothing else at once")
  func chip() async {
    var harness = CommandHarness(Self.owner, .json(Self.enrollment))
    harness.files["ek.pub"] = "abc"
    harness.files["srk.pub"] = "def"
    let words = ["enrollment", "create", "pump-1", "--endorsement-key", "ek.pub"]
    let outcome = await harness.run(words + ["--storage-root-key", "srk.pub"])
    #expect(outcome.status == .success, "\(outcome.errors)")
    #expect(
      outcome.body?["attestation"] == [
        "type": "tpm", "tpm": ["endorsementKey": "YWJj", "storageRootKey": "ZGVm"],
      ]
    )
    let both = await harness.run(words + ["--certificate", "ek.pub"])
    #expect(both.status == .usage && both.requests.isEmpty)
    let missing = await harness.run(words.dropLast() + ["none.pub"])
    #expect(missing.status == .notFound)
  }

  @Test("A group's certificate signs, a device's is its own, an authority goes by its name")
  func certificates() async throws {
    let made = try CertificateMaker.makeAuthority(commonName: "Line")
    var harness = CommandHarness(Self.owner, .json(Self.enrollment))
    harness.files["line.pem"] = made.certificatePEM
    for (command, member) in [
      ("enrollment", "clientCertificates"), ("enrollment-group", "signingCertificates"),
    ] {
      let outcome = await harness.run(command, "create", "x", "--certificate", "line.pem")
      let x509 = outcome.body?["attestation"]?["x509"]
      #expect(x509?.objectValue?.keys == [member])
      #expect(x509?[member]?["primary"]?["certificate"]?.stringValue?.isEmpty == false)
    }
    let authority = await harness.run("enrollment-group", "create", "x", "--authority", "plant")
    #expect(authority.body?["enrollmentGroupId"] == "x")
    #expect(
      authority.body?["attestation"]
        == ["type": "x509", "x509": ["caReferences": ["primary": "plant"]]]
    )
  }

  @Test("update sends back what it read, changed, on condition of the ETag")
  func update() async throws {
    let outcome = await CommandHarness(Self.owner, .json(Self.enrollment), .json(Self.enrollment))
      .run(
        "enrollment",
        "update",
        "pump-1",
        "--disabled",
        "--tags",
        #"{"site":"south"}"#,
        "--reprovision",
        "reset"
      )
    #expect(outcome.status == .success)
    let request = try #require(outcome.requests.last)
    #expect(request.headers.contains { $0.name == "If-Match" && $0.value == "\"MQ==\"" })
    #expect(outcome.body?["provisioningStatus"] == "disabled")
    #expect(outcome.body?["attestation"] == ["type": "symmetricKey"])
    #expect(
      outcome.body?["initialTwin"]
        == ["tags": ["site": "south"], "properties": ["desired": ["rate": 5]]]
    )
    #expect(
      outcome.body?["reprovisionPolicy"]
        == ["updateHubAssignment": true, "migrateDeviceData": false]
    )
  }

  @Test("A next certificate is laid beside the one that is kept")
  func nextCertificate() async throws {
    let made = try CertificateMaker.makeAuthority(commonName: "Next")
    let info: JSONValue = ["info": ["sha256Thumbprint": "AA"]]
    let current: JSONValue = [
      "enrollmentGroupId": "g", "etag": "\"MQ==\"",
      "attestation": ["type": "x509", "x509": ["signingCertificates": ["primary": info]]],
    ]
    var harness = CommandHarness(Self.owner, .json(current))
    harness.files["next.pem"] = made.certificatePEM
    let outcome = await harness.run(
      "enrollment-group",
      "update",
      "g",
      "--secondary-certificate",
      "next.pem"
    )
    let pair = outcome.body?["attestation"]?["x509"]?["signingCertificates"]
    #expect(pair?["primary"] == info)
    #expect(pair?["secondary"]?["certificate"]?.stringValue?.isEmpty == false)
  }

  @Test("key prints a key bare; a device's of a group is the HMAC of its name (contract §6.5)")
  func key() async throws {
    let attestation = HubResponse.json([
      "type": "symmetricKey",
      "symmetricKey": [
        "primaryKey": .string(CommandHarness.key),
        "secondaryKey": .string(CommandHarness.otherKey),
      ],
    ])
    let harness = CommandHarness(Self.owner, attestation)
    let plain = await harness.run("enrollment", "key", "pump-1")
    #expect(plain.output == CommandHarness.key + "\n")
    #expect(plain.requests.last?.path == ["enrollments", "pump-1", "attestationmechanism"])
    let second = await harness.run("enrollment", "key", "pump-1", "--key", "secondary")
    #expect(second.output == CommandHarness.otherKey + "\n")
    let group = try #require(SymmetricKey(base64: CommandHarness.key))
    let digest = Hashing.hmacSHA256(key: group.bytes, message: Array("pump-7".utf8))
    let derived = await harness.run("enrollment-group", "key", "g", "--device", "pump-7")
    #expect(derived.output == (SymmetricKey(bytes: digest)?.base64 ?? "") + "\n")
    let none = CommandHarness(Self.owner, .json(["type": "x509"]))
    let refused = await none.run("enrollment", "key", "pump-1")
    #expect(refused.status == .failure)
    #expect(refused.errors.contains("has no keys"))
  }

  @Test("Lists go page by page, as far as is wanted")
  func list() async {
    let next: [(name: String, value: String)] = [(name: "x-ms-continuation", value: "next")]
    let harness = CommandHarness(
      Self.owner,
      .json([["registrationId": "a"]], headers: next),
      .json([["registrationId": "b"]])
    )
    let all = await harness.run("enrollment", "list", "--all")
    #expect((try? JSON.parse(all.output))?.arrayValue?.count == 2)
    #expect(all.body == ["query": "SELECT * FROM enrollments"])
    let one = await harness.run("enrollment-group", "list", "--top", "1")
    #expect(one.requests.count == 2)
    #expect(one.errors.contains("--top 10"))
    let registrations = await harness.run("registration", "list", "g")
    #expect(registrations.requests.last?.path == ["registrations", "g", "query"])
    let most = await harness.run("enrollment", "list", "--top", "9223372036854775807")
    #expect(most.status == .success)
  }

  @Test("show tells people what is in it, and keys only if they are asked for")
  func show() async {
    let harness = CommandHarness(Self.owner, .json(Self.enrollment))
    let outcome = await harness.run("enrollment", "show", "pump-1", "-o", "table")
    for text in ["pump-1", "keys", "tags.site", "desired.rate", "keep"] {
      #expect(outcome.output.contains(text))
    }
    #expect(outcome.requests.count == 2)
    let keys: JSONValue = [
      "type": "symmetricKey", "symmetricKey": ["primaryKey": .string(CommandHarness.key)],
    ]
    let open = CommandHarness(Self.owner, .json(Self.enrollment), .json(keys))
    let shown = await open.run("enrollment", "show", "pump-1", "--show-keys")
    #expect((try? JSON.parse(shown.output))?["attestation"] == keys)
  }

  @Test(
    "What cannot be meant is refused before anything is asked",
    arguments: [
      ["enrollment", "create", "x:"], ["enrollment", "create"],
      ["enrollment", "create", "x", "--primary-key", CommandHarness.key],
      ["enrollment", "create", "x", "--certificate", "a", "--authority", "b"],
      ["enrollment", "create", "x", "--tags", "[]"],
      ["enrollment", "create", "x", "--reprovision", "often"],
      ["enrollment", "create", "x", "--allocation", "custom"],
      ["enrollment-group", "create", "x", "--device-id", "d"],
      ["enrollment", "update", "x"], ["enrollment-group", "update", "x", "--etag", "y"],
      ["enrollment", "delete", "x"], ["enrollment-group", "delete", "x"],
      ["registration", "delete", "x"], ["registration", "list", "a b"],
      ["enrollment-group", "key", "g", "--device", "a b"], ["enrollment", "list", "--top", "0"],
    ]
  )
  func refused(_ arguments: [String]) async {
    let outcome = await CommandHarness(.json([:])).run(arguments)
    #expect(outcome.status == .usage)
    #expect(outcome.requests.isEmpty)
    #expect(!outcome.errors.isEmpty)
  }

  @Test(
    "The service's refusals have their status and say how to go on",
    arguments: [
      (HubErrorCode.enrollmentNotFound, CommandStatus.notFound, "enrollment list"),
      (.enrollmentGroupNotFound, .notFound, "enrollment-group list"),
      (.enrollmentConflict, .conflict, "enrollment update"),
      (.enrollmentGroupConflict, .conflict, "enrollment-group update"),
      (.provisioningPrecondition, .conflict, "Somebody changed it"),
      (.registrationNotFound, .notFound, ""),
    ]
  )
  func refusals(_ code: HubErrorCode, _ status: CommandStatus, _ hint: String) async {
    let refusal = HubResponse.refusal(code, "What the hub says.", .provisioning)
    let outcome = await CommandHarness(Self.owner, refusal).run("enrollment", "show", "x")
    #expect(outcome.status == status)
    #expect(outcome.errors.contains("enrollment 'x': What the hub says (\(code.rawValue)"))
    #expect(hint.isEmpty || outcome.errors.contains(hint))
  }

  @Test("delete and forget go with a condition")
  func delete() async {
    let harness = CommandHarness(Self.owner, HubResponse(status: 204))
    for (words, path) in [
      (["enrollment", "delete", "x"], ["enrollments", "x"]),
      (["enrollment-group", "delete", "x"], ["enrollmentGroups", "x"]),
      (["registration", "delete", "x"], ["registrations", "x"]),
    ] {
      let outcome = await harness.run(words + ["--yes", "--etag", "MQ=="])
      #expect(outcome.status == .success)
      #expect(outcome.requests.last?.method == .delete)
      #expect(outcome.requests.last?.path == path)
      #expect(outcome.requests.last?.headers.contains { $0.value == "\"MQ==\"" } == true)
    }
  }
}

import Glibc
import HubContract
import HubEngine
import HubService
import JSONTree
import Logging
import OperatorCommands
import Platform
import Synchronization
import Testing

/// A hub in this process, on ports that the system picks, and the commands against it.
private struct WholeHub: Sendable {
  let directory: String

  /// Runs `body` while a hub serves out of a new directory.
  static func run(_ body: @escaping @Sendable (WholeHub) async throws -> Void) async throws {
    var template = Array("/tmp/orrery-commands-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    let directory = try #require(made)
    defer { PrivateFile.removeTree(directory) }
    let ports = [
      "listen.mqtt_port", "listen.amqp_port", "listen.https_port", "listen.admin_port",
    ].map { ($0, "0") }
    let settings = try HubSettings(
      file: nil,
      environment: [:],
      overrides: ports + [("listen.host", "127.0.0.1"), ("hub.names", "127.0.0.1")],
      isEphemeral: true
    )
    let (ready, announce) = AsyncStream.makeStream(of: Void.self)
    let server = try HubServer(
      settings: settings,
      dataDirectory: directory,
      metrics: PrometheusMetrics(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { hub in
      let owner = hub.policies.first { $0.name == "iothubowner" }
      let connection: JSONValue = [
        "connectionString": owner.map { .string(hub.connectionString(of: $0)) } ?? .null,
        "ca": "tls/ca.pem", "mqtt": .int(Int64(hub.mqttPort)),
        "admin": .string("http://127.0.0.1:\(hub.adminPort)"),
      ]
      try PrivateFile.replace(directory + "/connection.json", with: JSON.bytes(connection))
      announce.yield()
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      group.addTask {
        for await _ in ready { break }
        try await body(WholeHub(directory: directory))
      }
      // The hub does not end by itself: the first to end is the body, or what broke.
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Runs a command line with this hub's data directory.
  func callAsFunction(_ arguments: String...) async -> CommandOutcome {
    let output = Lines()
    let errors = Lines()
    var console = Console.system
    console.environment = ["ORRERY_HUB_DATA": directory]
    console.isOutputTerminal = false
    console.isErrorTerminal = false
    console.isInputTerminal = false
    console.writeOutput = { output.add($0) }
    console.writeError = { errors.add($0) }
    let status = await Console.$current.withValue(console) {
      await CommandRunner.run(TestRoot.self, arguments)
    }
    return CommandOutcome(
      status: status,
      output: output.text,
      errors: errors.text,
      requests: []
    )
  }
}

extension CommandOutcome {
  /// The output as one JSON value.
  fileprivate var json: JSONValue? { try? JSON.parse(output) }

  /// The output as a JSON value a line.
  fileprivate var lines: [JSONValue] {
    output.split(separator: "\n").compactMap { try? JSON.parse(String($0)) }
  }
}

@Suite("The commands against a whole hub", .serialized, .timeLimit(.minutes(1)))
struct WholeHubTests {
  @Test("A simulated device's messages, reports and answers come through")
  func simulatedDevice() async throws {
    try await WholeHub.run { hub in
      let sent = await hub(
        "simulate",
        "device",
        "t1",
        "--create",
        "--messages",
        "3",
        "--interval",
        "20ms"
      )
      #expect(sent.status == .success, "\(sent.errors)")
      #expect(sent.lines.filter { $0["event"] == "sent" }.count == 3)
      let seen = await hub(
        "monitor",
        "events",
        "--from",
        "earliest",
        "--count",
        "3",
        "--timeout",
        "10s",
        "--device",
        "t*"
      )
      #expect(seen.status == .success, "\(seen.errors)")
      #expect(seen.lines.map { $0["body"]?["count"] } == [1, 2, 3])
      #expect(seen.lines.allSatisfy { $0["bodyEncoding"] == "json" })
      let twin = await hub("twin", "show", "t1")
      #expect(twin.json?["properties"]?["reported"]?["firmware"] == "1.2.0")
      async let device = hub("simulate", "device", "t1", "--messages", "60", "--interval", "50ms")
      let answer = await hub(
        "method",
        "invoke",
        "t1",
        "ping",
        "--payload",
        "7",
        "--connect-timeout",
        "5s"
      )
      #expect(answer.status == .success, "\(answer.errors)")
      #expect(answer.json?["payload"]?["pong"] == 7)
      let queued = await hub("c2d", "send", "t1", "hello", "-p", "a=b")
      #expect(queued.status == .success, "\(queued.errors)")
      let changed = await hub("twin", "update", "t1", "--desired", #"{"telemetryInterval":0.1}"#)
      #expect(changed.status == .success)
      let happened = await device
      #expect(happened.status == .success, "\(happened.errors)")
      #expect(happened.lines.contains { $0["event"] == "method ping" })
      #expect(happened.lines.contains { $0["detail"] == "hello  a=b" })
      let reported = await hub("twin", "show", "t1").json?["properties"]?["reported"]
      #expect(reported?["telemetryInterval"]?["ac"] == 200)
    }
  }

  @Test("A device that the hub will not have ends with what to do about it")
  func refusedDevice() async throws {
    try await WholeHub.run { hub in
      let unknown = await hub("simulate", "device", "t1", "--messages", "1")
      #expect(unknown.status == .notFound)
      #expect(unknown.errors.contains("--create"))
      #expect(await hub("device", "create", "t1", "--disabled").status == .success)
      let disabled = await hub("simulate", "device", "t1", "--messages", "1")
      #expect(disabled.status == .unauthorized)
    }
  }

  @Test("An authority is registered and proved with its key, and vouches for a device")
  func authority() async throws {
    try await WholeHub.run { hub in
      let made = try CertificateMaker.makeAuthority(commonName: "Plant")
      let (file, key) = (hub.directory + "/plant.pem", hub.directory + "/plant.key")
      try PrivateFile.replace(file, with: Array(made.certificatePEM.utf8))
      try PrivateFile.replace(key, with: Array(made.privateKeyPEM.utf8))
      let added = await hub("ca", "add", "plant", file)
      #expect(added.status == .success, "\(added.errors)")
      #expect(added.json?["properties"]?["isVerified"] == false)
      let proved = await hub("ca", "prove", "plant", "--key", key)
      #expect(proved.status == .success, "\(proved.errors)")
      #expect(proved.json?["properties"]?["isVerified"] == true)
      #expect(await hub("ca", "show", "other").status == .notFound)
      #expect(await hub("ca", "delete", "plant", "--yes").status == .success)
    }
  }

  @Test("What is exported with keys can be imported again")
  func registry() async throws {
    try await WholeHub.run { hub in
      let created = await hub("device", "create", "t1").json
      #expect(await hub("module", "create", "t1", "m1").status == .success)
      let file = hub.directory + "/fleet.ndjson"
      #expect(await hub("registry", "export", file, "--keys").status == .success)
      #expect(await hub("device", "delete", "t1", "--yes").status == .success)
      let imported = await hub("registry", "import", file)
      #expect(imported.status == .success, "\(imported.errors)")
      #expect(imported.json?["succeeded"] == 2)
      let again = await hub("device", "show", "t1").json
      #expect(
        again?["authentication"]?["symmetricKey"] == created?["authentication"]?["symmetricKey"]
      )
    }
  }

  @Test("Each verb's refusals have their status")
  func statuses() async throws {
    try await WholeHub.run { hub in
      #expect(await hub("device", "create", "t1").status == .success)
      #expect(await hub("device", "create", "t1").status == .conflict)
      #expect(await hub("device", "show", "t2").status == .notFound)
      #expect(await hub("module", "show", "t1", "m").status == .notFound)
      #expect(await hub("twin", "show", "t2").status == .notFound)
      #expect(await hub("twin", "update", "t1", "--tags", "{}", "--etag", "x").status == .conflict)
      #expect(await hub("method", "invoke", "t1", "ping").status == .unreachable)
      #expect(await hub("policy", "show", "none").status == .notFound)
      #expect(await hub("query", "SELECT nothing").status == .failure)
      #expect(await hub("c2d", "feedback").status == .success)
      #expect(await hub("device", "list", "--all").json?.arrayValue?.count == 1)
      let untrusted = await hub("device", "list", "--ca", "/etc/ssl/certs/ca-certificates.crt")
      #expect(untrusted.status == .unreachable)
    }
  }
}

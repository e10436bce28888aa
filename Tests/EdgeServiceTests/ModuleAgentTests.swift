import Containers
import EdgeEngine
import EdgeService
import HubContract
import JSONTree
import Logging
import Platform
import Synchronization
import Testing

/// Keys that protect nothing.
private final class FakeKeys: AgentKeys {
  /// Modules that get no identity.
  let refused: Set<String>
  private let made = Mutex<[String]>([])
  /// What happens before something is decrypted.
  private let delay: @Sendable () async -> Void

  init(refused: Set<String> = [], delay: @escaping @Sendable () async -> Void = {}) {
    self.refused = refused
    self.delay = delay
  }

  var removed: [String] { made.withLock { $0 } }

  func sign(_ bytes: [UInt8]) async throws -> [UInt8] { Array(repeating: 1, count: 32) }

  func encrypt(_ plaintext: [UInt8], initializationVector: [UInt8]) async throws -> [UInt8] {
    plaintext.map { $0 ^ 0x55 }
  }

  func decrypt(_ ciphertext: [UInt8], initializationVector: [UInt8]) async throws -> [UInt8] {
    await delay()
    return ciphertext.map { $0 ^ 0x55 }
  }

  func modules() async throws -> [ModuleIdentityRecord] { [] }

  func makeModule(_ moduleID: String) async throws -> ModuleIdentityRecord {
    if refused.contains(moduleID) { throw RuntimeFault(.failed, "too many modules") }
    return ModuleIdentityRecord(
      moduleID: moduleID,
      generationID: "1",
      managedBy: ModuleAgent.managedBy
    )
  }

  func removeModule(_ moduleID: String) async throws { made.withLock { $0.append(moduleID) } }
  func reprovision() async throws {}
}

/// Processes of a supervisor that may not be there.
private final class FakeProcesses: EdgeProcesses {
  private struct State {
    var variables: [String: String]?
    var done: [String] = []
  }

  private let state: Mutex<State>

  /// With what the local hub was started; nil for no supervisor.
  init(_ variables: [String: String]? = [:]) { state = Mutex(State(variables: variables)) }

  var done: [String] { state.withLock { $0.done } }
  var current: [String: String]? { state.withLock { $0.variables } }

  func hubVariables() async throws -> [String: String] {
    guard let current else { throw RuntimeFault(.unreachable, "no supervisor") }
    return current
  }

  func setHubVariables(_ variables: [String: String]) async throws -> Bool {
    try state.withLock { state in
      guard let current = state.variables else { throw RuntimeFault(.unreachable, "no supervisor") }
      try LocalHubVariables.check(variables)
      guard current != variables else { return false }
      state.variables = variables
      state.done.append("set \(variables.keys.sorted().joined(separator: ","))")
      return true
    }
  }

  func restart(_ role: EdgeRole) async throws {
    try state.withLock { state in
      guard state.variables != nil else { throw RuntimeFault(.unreachable, "no supervisor") }
      state.done.append("restart \(role.rawValue)")
    }
  }
}

@Suite("The agent's passes (edge contract section 3)", .timeLimit(.minutes(1)))
struct ModuleAgentTests {
  private struct Bench {
    let agent: ModuleAgent
    let docker: FakeRuntime
    let process: FakeRuntime
    let keys: FakeKeys
    let folder: String
  }

  private static func manifest(
    _ modules: [String: String],
    kind: String = "docker",
    policy: String = "always",
    hub: JSONObject = [:]
  ) -> JSONObject {
    let wanted = modules.sorted { $0.key < $1.key }.map { name, image in
      let module: JSONObject = [
        "type": .string(kind), "status": "running", "restartPolicy": .string(policy),
        "settings": ["image": .string(image)],
      ]
      return (key: name, value: JSONValue.object(module))
    }
    return [
      "schemaVersion": "1.1",
      "runtime": ["type": "docker", "settings": ["loggingOptions": ""]],
      "systemModules": [
        "edgeAgent": ["type": "docker", "settings": ["image": "v/agent:1"]],
        "edgeHub": [
          "type": "docker", "status": "running", "settings": ["image": "v/hub:1"],
          "env": .object(hub),
        ],
      ],
      "modules": .object(JSONObject(wanted)),
    ]
  }

  /// Runs an agent in a folder, with a machine that has nothing.
  private func withAgent(
    keys: FakeKeys = FakeKeys(),
    processes: FakeProcesses = FakeProcesses(),
    docker: FakeRuntime = FakeRuntime(),
    verifier: ImageVerifier = ImageVerifier(),
    folder: String = "/tmp/agent-\(UInt32.random(in: 0 ... .max))",
    environment: [String: String] = ["CoolOffTimeUnitInSeconds": "0"],
    keepsFolder: Bool = false,
    _ body: (Bench) async throws -> Void
  ) async throws {
    let process = FakeRuntime()
    let agent = ModuleAgent(
      surroundings: ModuleAgent.Surroundings(
        identity: EdgeIdentity(hubHostName: "hub.example", deviceID: "e1"),
        edgeHostName: "edge.example",
        paths: EdgePaths(data: folder, run: folder + "/run"),
        version: RuntimeVersion(version: "1")
      ),
      runtimes: ModuleRuntimes(docker: docker, process: process),
      keys: keys,
      processes: processes,
      verifier: verifier,
      options: try AgentOptions(environment),
      metrics: AgentMetrics(labels: []),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    let running = Task { try await agent.run() }
    let bench = Bench(agent: agent, docker: docker, process: process, keys: keys, folder: folder)
    do {
      try await body(bench)
    } catch {
      running.cancel()
      PrivateFile.removeTree(folder)
      throw error
    }
    running.cancel()
    _ = try? await running.value
    if !keepsFolder { PrivateFile.removeTree(folder) }
  }

  /// The first report that is as wanted.
  private func report(
    _ bench: Bench,
    _ isWanted: (JSONObject) -> Bool
  ) async throws -> JSONObject {
    for _ in 0..<300 {
      let report = await bench.agent.latestReport
      if let report, isWanted(report) { return report }
      bench.agent.poke()
      try await Pause.sleep(for: .milliseconds(20))
    }
    Issue.record("no such report; the last: \(String(describing: await bench.agent.latestReport))")
    return [:]
  }

  private func code(_ report: JSONObject) -> Int64? {
    report["lastDesiredStatus"]?["code"]?.int64Value
  }

  @Test("a deployment is fetched, made, started and reported; hub and agent need no image")
  func deployment() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 7)
      let report = try await report(bench) { code($0) == 200 }
      #expect(report["lastDesiredVersion"]?.int64Value == 7)
      #expect(report["modules"]?["a"]?["runtimeStatus"] == "running")
      #expect(report["systemModules"]?["edgeHub"]?["runtimeStatus"] == "running")
      #expect(await bench.docker.done == ["pull r/a:1", "create a", "start a"])
    }
  }

  @Test(
    "a deployment that comes before the last one was read back wins, also if it is refused",
    arguments: [false, true]
  )
  func earlyDeployment(isRefused: Bool) async throws {
    let folder = "/tmp/agent-\(UInt32.random(in: 0 ... .max))"
    try await withAgent(folder: folder, keepsFolder: true) { bench in
      await bench.agent.desired(Self.manifest(["old": "r/old:1"]), version: 7)
      _ = try await report(bench) { code($0) == 200 }
    }
    let (asked, ask) = AsyncStream.makeStream(of: Void.self)
    let (answered, answer) = AsyncStream.makeStream(of: Void.self)
    let keys = FakeKeys(delay: {
      ask.yield()
      for await _ in answered { return }
    })
    try await withAgent(keys: keys, folder: folder) { bench in
      for await _ in asked { break }
      var desired = Self.manifest(["new": "r/new:1"])
      if isRefused { desired["schemaVersion"] = "7.0" }
      await bench.agent.desired(desired, version: 8)
      answer.yield()
      let (wanted, unwanted) = isRefused ? ("old", "new") : ("new", "old")
      let report = try await report(bench) {
        code($0) == (isRefused ? 412 : 200)
          && $0["modules"]?[wanted]?["runtimeStatus"] == "running"
      }
      #expect(report["lastDesiredVersion"]?.int64Value == 8)
      #expect(await !bench.docker.done.contains("create \(unwanted)"))
    }
  }

  @Test("variables of edgeHub reach the local hub, which restarts only where they are others")
  func hubVariables() async throws {
    let folder = "/tmp/agent-\(UInt32.random(in: 0 ... .max))"
    let processes = FakeProcesses()
    try await withAgent(processes: processes, folder: folder, keepsFolder: true) { bench in
      func deploy(_ version: Int64, _ hub: JSONObject, _ modules: [String: String] = [:]) async {
        await bench.agent.desired(Self.manifest(modules, hub: hub), version: version)
      }
      func applied(_ version: Int64, _ wanted: Int64 = 200) async throws -> JSONObject {
        try await report(bench) {
          $0["lastDesiredVersion"]?.int64Value == version && code($0) == wanted
        }
      }
      await deploy(1, [:])
      _ = try await applied(1)
      #expect(processes.done.isEmpty)
      let ten: JSONObject = ["MaxConnectedClients": ["value": 10]]
      await deploy(2, ten)
      let second = try await applied(2)
      #expect(processes.current == ["MaxConnectedClients": "10"])
      let reported = second["systemModules"]?["edgeHub"]?["env"]
      #expect(reported == ["MaxConnectedClients": ["value": "10"]])
      await deploy(3, ten, ["a": "r/a:1"])
      _ = try await applied(3)
      #expect(processes.done == ["set MaxConnectedClients"])
      // What is none is told, and those before hold.
      await deploy(4, ["MaxConnectedClients": ["value": "many"]])
      let refused = try await applied(4, 500)
      let text = refused["lastDesiredStatus"]?["description"]?.stringValue ?? ""
      #expect(text.contains("edgeHub") && text.contains("MaxConnectedClients"), "\(text)")
      #expect(refused["systemModules"]?["edgeHub"]?["env"] == reported)
      #expect(processes.current == ["MaxConnectedClients": "10"])
      await deploy(5, ten)
      _ = try await applied(5)
      #expect(processes.done == ["set MaxConnectedClients"])
    }
    // An agent that starts later finds the hub as it is; what another one had deployed is taken back.
    try await withAgent(processes: processes, folder: folder) { bench in
      _ = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 5 }
      await bench.agent.desired(
        Self.manifest([:], hub: ["MaxConnectedClients": ["value": "10"]]),
        version: 6
      )
      _ = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 6 && code($0) == 200 }
      #expect(processes.done == ["set MaxConnectedClients"])
      await bench.agent.desired(Self.manifest([:]), version: 7)
      _ = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 7 && code($0) == 200 }
      #expect(processes.done == ["set MaxConnectedClients", "set "] && processes.current == [:])
    }
  }

  @Test("without a supervisor variables of edgeHub are told as a failure, and none are no matter")
  func withoutSupervisor() async throws {
    try await withAgent(processes: FakeProcesses(nil)) { bench in
      await bench.agent.desired(Self.manifest([:]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await bench.agent.desired(Self.manifest([:], hub: ["A": ["value": "b"]]), version: 2)
      let failed = try await report(bench) { code($0) == 500 }
      let text = failed["lastDesiredStatus"]?["description"]?.stringValue
      #expect(text?.contains("no supervisor") == true)
    }
  }

  @Test("hub and agent are restarted on request, and never stopped")
  func restartsOfProcesses() async throws {
    let processes = FakeProcesses()
    try await withAgent(processes: processes) { bench in
      await bench.agent.desired(Self.manifest([:]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      try await bench.agent.restart("edgeHub")
      try await bench.agent.restart("edgeAgent")
      #expect(processes.done == ["restart hub"], "who asks for the agent's has the answer first")
      for _ in 0..<200 where processes.done.count < 2 {
        try await Task.sleep(for: .milliseconds(50))
      }
      #expect(processes.done == ["restart hub", "restart agent"])
      await #expect(throws: RuntimeFault.self) {
        try await bench.agent.set("edgeHub", running: false)
      }
    }
  }

  @Test("while an image is fetched, modules that crash are restarted, and nothing is called done")
  func pullsBeside() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await bench.docker.set { $0.isPullHanging = true }
      await bench.agent.desired(Self.manifest(["a": "r/a:1", "b": "r/b:1"]), version: 2)
      await bench.docker.end("a", code: 1, at: Timestamp(ticks: SystemClock.wallTicks()))
      let waiting = try await report(bench) {
        $0["modules"]?["a"]?["restartCount"]?.int64Value == 1
      }
      #expect(waiting["lastDesiredVersion"]?.int64Value == 1)
      #expect(waiting["modules"]?["b"] == nil)
      await bench.docker.set { $0.isPullHanging = false }
      let report = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 2 }
      #expect(code(report) == 200)
    }
  }

  @Test("an image that cannot be fetched but is here is used; one that is not is told")
  func failedPulls() async throws {
    let docker = FakeRuntime()
    await docker.set {
      $0.pullFault = "no route to host"
      $0.stored = ["r/a:1"]
    }
    try await withAgent(docker: docker) { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1", "b": "r/b:1"]), version: 1)
      let report = try await report(bench) { code($0) == 500 && $0["modules"]?["a"] != nil }
      #expect(report["modules"]?["a"]?["runtimeStatus"] == "running")
      let text = try #require(report["lastDesiredStatus"]?["description"]?.stringValue)
      #expect(text.contains("r/b:1") && text.contains("no route to host"))
      #expect(!text.contains("r/a:1"))
    }
  }

  @Test("a module is made of the digest that it is pinned to, and of nothing else")
  func pinned() async throws {
    let digest = "sha256:" + String(repeating: "a", count: 64)
    var desired = Self.manifest(["a": "r.example/a:1", "b": "r.example/b:1"])
    desired["modules"] = .object(
      try #require(desired["modules"]?.objectValue).setting(
        "a",
        ["settings", "digest"],
        .string(digest)
      )
    )
    try await withAgent { bench in
      await bench.agent.desired(desired, version: 1)
      _ = try await report(bench) { code($0) == 200 }
      #expect(await bench.docker.made["a"] == "r.example/a@\(digest)")
      #expect(await bench.docker.made["b"] == "r.example/b:1")
      #expect(await bench.docker.done.contains("pull r.example/a:1@\(digest)"))
    }
    // Another image of that name is here, and the one that is meant cannot be had.
    let docker = FakeRuntime()
    await docker.set {
      $0.stored = ["r.example/a:1"]
      $0.digests = ["r.example/a:1": "sha256:" + String(repeating: "b", count: 64)]
      $0.pullFault = "no network"
    }
    try await withAgent(docker: docker) { bench in
      await bench.agent.desired(desired, version: 1)
      let report = try await report(bench) { code($0) == 500 }
      let text = report["lastDesiredStatus"]?["description"]?.stringValue ?? ""
      #expect(text.contains("no network") && text.contains(digest), "\(text)")
      #expect(await docker.made["a"] == nil)
    }
  }

  @Test("an image that must be signed and came from no registry is not run; the others are")
  func unsigned() async throws {
    let folder = "/tmp/agent-keys-\(UInt32.random(in: 0 ... .max))"
    try PrivateFile.makeDirectory(folder)
    defer { PrivateFile.removeTree(folder) }
    let key = folder + "/key.pub"
    let pem = """
      -----BEGIN PUBLIC KEY-----
      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
      -----END PUBLIC KEY-----
      """
    try PrivateFile.replace(key, with: Array(pem.utf8))
    let clients = HostClients()
    let verifier = try ImageVerifier(
      rules: [SignaturePolicy.Rule(name: "r.example/signed", isRequired: true, keys: [key])],
      parentHostName: nil,
      registry: RegistryClient(clients),
      folder: folder
    )
    try await withAgent(verifier: verifier) { bench in
      let images = ["a": "r.example/signed/a:1", "b": "r.example/b:1"]
      await bench.agent.desired(Self.manifest(images), version: 1)
      let report = try await report(bench) {
        code($0) == 500 && $0["modules"]?["b"]?["runtimeStatus"] == "running"
      }
      let text = report["lastDesiredStatus"]?["description"]?.stringValue ?? ""
      #expect(text.contains("it came from no registry") && text.contains(key), "\(text)")
      #expect(await bench.docker.made["a"] == nil)
    }
    await clients.close()
    #expect(throws: SettingsFault.self) {
      try ImageVerifier(
        rules: [SignaturePolicy.Rule(name: "*", isRequired: true, keys: [folder + "/none"])],
        parentHostName: nil,
        registry: RegistryClient(clients),
        folder: folder
      )
    }
  }

  @Test("a bad configuration is refused, and the one before stays")
  func refused() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await bench.agent.desired(["schemaVersion": "9.0"], version: 2)
      let report = try await report(bench) { code($0) == 412 }
      #expect(report["lastDesiredVersion"]?.int64Value == 2)
      #expect(report["modules"]?["a"]?["runtimeStatus"] == "running")
      await bench.agent.desired([:], version: 3)
      _ = try await self.report(bench) { code($0) == 417 }
      #expect(await !bench.docker.done.contains("stop a"))
    }
  }

  @Test("a module without identity is told, and the others go on")
  func identities() async throws {
    try await withAgent(keys: FakeKeys(refused: ["a"])) { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1", "b": "r/b:1"]), version: 1)
      let report = try await report(bench) { code($0) == 500 && $0["modules"]?["b"] != nil }
      let text = try #require(report["lastDesiredStatus"]?["description"]?.stringValue)
      #expect(text.contains("a has no identity: too many modules"))
      #expect(report["modules"]?["a"] == nil)
    }
  }

  @Test("a removed module loses the identity that the agent had made")
  func removal() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await bench.agent.desired(Self.manifest([:]), version: 2)
      _ = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 2 }
      #expect(await bench.docker.done.suffix(2) == ["stop a", "remove a"])
      #expect(bench.keys.removed == ["a"])
    }
  }

  @Test("a cold start goes on with the last configuration, and keeps restarts")
  func coldStart() async throws {
    let folder = "/tmp/agent-\(UInt32.random(in: 0 ... .max))"
    let docker = FakeRuntime()
    try await withAgent(docker: docker, folder: folder, keepsFolder: true) { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await docker.end("a", code: 1, at: Timestamp(ticks: SystemClock.wallTicks()))
      _ = try await report(bench) { $0["modules"]?["a"]?["restartCount"]?.int64Value == 1 }
    }
    let backup = try PrivateFile.read(folder + "/agent/backup.json")
    #expect(!String(decoding: backup, as: UTF8.self).contains("r/a:1"))
    try await withAgent(docker: docker, folder: folder) { bench in
      let report = try await report(bench) { code($0) == 200 }
      #expect(report["lastDesiredVersion"]?.int64Value == 1)
      #expect(report["modules"]?["a"]?["restartCount"]?.int64Value == 1)
      #expect(await docker.done.filter { $0 == "create a" }.count == 1)
    }
  }

  @Test("a machine that cannot be read is told, without its modules")
  func unreadable() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      await bench.docker.set { $0.fault = RuntimeFault(.unreachable, "no engine") }
      let report = try await report(bench) { code($0) == 500 }
      #expect(report.keys.sorted() == ["lastDesiredStatus", "lastDesiredVersion"])
    }
  }

  @Test("without an engine, processes run")
  func withoutEngine() async throws {
    let docker = FakeRuntime()
    await docker.set { $0.fault = RuntimeFault(.unreachable, "no engine") }
    try await withAgent(docker: docker) { bench in
      await bench.agent.desired(Self.manifest(["a": "/bin/a"], kind: "process"), version: 1)
      let report = try await report(bench) { code($0) == 200 }
      #expect(report["modules"]?["a"]?["type"] == "process")
      #expect(await bench.process.done == ["create a", "start a"])
    }
  }

  @Test("an orderly end stops everything, and says so")
  func shutdown() async throws {
    try await withAgent { bench in
      await bench.agent.desired(Self.manifest(["a": "r/a:1", "b": "r/b:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      let last = await bench.agent.stopModules()
      #expect(code(last) == 406)
      #expect(last["modules"]?["a"]?["runtimeStatus"] == "unknown")
      #expect(last["systemModules"]?["edgeHub"]?["runtimeStatus"] == "unknown")
      #expect(await bench.docker.done.suffix(2).sorted() == ["stop a", "stop b"])
    }
  }

  @Test("an image goes when no module has used it for a week; what no module ever used stays")
  func imageCollection() async throws {
    let text = """
      [provisioning]
      source = "manual"
      connection_string = "HostName=h;DeviceId=d;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg=="
      """
    let settings = try EdgeSettings(Array(text.utf8), file: "edge.toml", paths: EdgePaths())
    let docker = FakeRuntime()
    await docker.set { $0.stored = ["other/x:1"] }
    try await withAgent(docker: docker) { bench in
      let collector = ImageCollector(
        agent: bench.agent,
        runtime: docker,
        settings: settings.imageCollection,
        path: bench.folder + "/images.json",
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      )
      let now = Timestamp(ticks: SystemClock.wallTicks())
      await bench.agent.desired(Self.manifest(["a": "r/a:1"]), version: 1)
      _ = try await report(bench) { code($0) == 200 }
      try await collector.collect(now: now)
      try await collector.collect(now: now.adding(seconds: 30 * 86_400))
      #expect(await docker.stored == ["other/x:1", "r/a:1"])
      await bench.agent.desired(Self.manifest([:]), version: 2)
      _ = try await report(bench) { $0["lastDesiredVersion"]?.int64Value == 2 }
      try await collector.collect(now: now.adding(seconds: 36 * 86_400))
      #expect(await docker.stored == ["other/x:1", "r/a:1"])
      try await collector.collect(now: now.adding(seconds: 37 * 86_400))
      #expect(await docker.stored == ["other/x:1"])
    }
  }

  @Test("a local file is the configuration, if the settings say so")
  func localFile() async throws {
    let folder = "/tmp/agent-\(UInt32.random(in: 0 ... .max))"
    try PrivateFile.makeDirectory(folder)
    let file = folder + "/config.json"
    try PrivateFile.replace(file, with: JSON.bytes(.object(Self.manifest(["a": "r/a:1"]))))
    try await withAgent(
      folder: folder,
      environment: ["configsource": "local", "LocalConfigPath": file]
    ) { bench in
      _ = try await report(bench) { code($0) == 200 }
      try PrivateFile.replace(file, with: Array("{".utf8))
      let report = try await report(bench) { code($0) == 400 }
      #expect(report["lastDesiredStatus"]?["description"]?.stringValue?.contains(file) == true)
      #expect(report["modules"]?["a"]?["runtimeStatus"] == "running")
    }
  }

  @Test(
    "options that make no sense are refused by name",
    arguments: [
      ["ConfigSource": "moon"], ["MaxRestartCount": "0"], ["ModuleUpdateMode": "Later"],
      ["CoolOffTimeUnitInSeconds": "301"], ["ConfigRefreshFrequencySecs": "x"],
      ["PerformanceMetricsUpdateFrequency": "a:b"],
    ]
  )
  func options(_ environment: [String: String]) throws {
    let name = try #require(environment.keys.first)
    #expect {
      _ = try AgentOptions(environment)
    } throws: {
      ($0 as? SettingsFault)?.problem.contains("agent.env.\(name)") == true
    }
  }
}

extension JSONObject {
  /// This with another value at a path in one of its members.
  fileprivate func setting(_ key: String, _ path: [String], _ value: JSONValue) -> JSONObject {
    var object = self
    var inner = self[key]?.objectValue ?? [:]
    if path.count > 1, let next = path.first {
      inner = inner.setting(next, Array(path.dropFirst()), value)
    } else if let last = path.first {
      inner[last] = value
    }
    object[key] = .object(inner)
    return object
  }
}

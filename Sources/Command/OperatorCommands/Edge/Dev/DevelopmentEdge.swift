import AsyncHTTPClient
import ByteIO
import Glibc
import HubContract
import JSONTree
import Platform
import Synchronization

/// An edge on this machine for as long as the command runs: a hub above unless one is given, the edge
/// device, `orrery-edge`, and the modules of a manifest.
final class DevelopmentEdge: Sendable {
  /// What is to run.
  struct Options: Sendable {
    var plan: DevelopmentPlan
    /// The edge device's ID.
    var deviceID: String
    /// The address that the local hub listens on, and that modules and leaf devices dial.
    var host: String
    /// The container engine, nil for none.
    var engine: String?
    /// The hub above, nil for one of its own that keeps nothing.
    var hub: HubConnection?
  }

  private struct State {
    var children: [ChildProcess] = []
    /// The client of a hub that is not ours, from which the device has to be taken again.
    var guest: HubClient?
    var transport: (any HubTransport)?
    var engine: DevelopmentEngine?
  }

  private static let startSeconds = 30
  private static let applySeconds = 120
  /// The most bytes of the path of a folder for temporary files, so that paths of sockets fit.
  private static let longestBase = 16

  private let options: Options
  private let console: Console
  private let state = Mutex(State())
  private let http = HTTPClient.shared
  /// Everything that is written.
  let directory: String

  init(_ options: Options, directory: String, _ console: Console) {
    self.options = options
    self.directory = directory
    self.console = console
  }

  /// Makes the directory of it all.
  static func makeDirectory(_ console: Console) throws(CommandFailure) -> String {
    // The sockets in it have paths of at most 107 bytes.
    let wanted = AbsolutePath.of(console.environment["TMPDIR"] ?? "/tmp")
    let isShort = wanted.utf8.count <= longestBase
    if !isShort {
      console.remark(
        "note: everything is written below /tmp: TMPDIR, \(Cell.visible(wanted)), has more than "
          + "\(longestBase) characters, and a unix socket's path has at most 107"
      )
    }
    let base = isShort ? wanted : "/tmp"
    var template = Array((base + "/edge-dev-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CommandFailure(.failure, "\(FileFault("make", base + "/edge-dev-XXXXXX"))")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The name of this machine, which containers can dial.
  static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
      as: UTF8.self
    )
  }

  private var agentSocket: String { "\(directory)/run/agent/management.sock" }

  /// Starts everything, tells how to use it, and prints what modules write, until the task is cancelled
  /// or a process ends.
  func run() async throws {
    if let uri = options.engine {
      let engine = try await DevelopmentEngine(uri)
      state.withLock { $0.engine = engine }
    }
    let client = try await openHub()
    let key = try await makeDevice(client)
    try await apply(client)
    try writePrograms()
    try await startEdge(client, key)
    try await attach(client)
    console.remark("Waiting until the deployment is applied …")
    try await waitUntilApplied(client)
    guide(client)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let agent = EdgeSocket(agentSocket, http)
      let width = options.plan.started.map(\.count).max() ?? 0
      for module in options.plan.started {
        let name = module + String(repeating: " ", count: width - module.count)
        let prefix = Style.strong.applied(to: name, if: console.isOutputColored) + " | "
        group.addTask { [console] in
          try await agent.follow(module) { console.writeOutput(prefix + Cell.visible($0) + "\n") }
        }
      }
      group.addTask { try await self.watch() }
      try await group.waitForAll()
    }
  }

  /// Ends when a process does.
  private func watch() async throws {
    while true {
      if let over = state.withLock({ $0.children.first { $0.isOver } }) {
        throw over.failure("has ended")
      }
      try await Pause.sleep(for: .milliseconds(250))
    }
  }

  /// Ends everything and leaves nothing behind.
  func stop() async {
    let state = state.withLock { $0 }
    // First modules and edge, then the hub that they say goodbye to.
    for child in state.children.reversed() { child.stop(seconds: 60) }
    await state.engine?.tidyUp(console)
    if let client = state.guest {
      let path = IdentityPath(options.deviceID)
      let request = HubRequest(.delete, path.registry).ifMatch("*")
      if (try? await client.perform(request, path.subject)) == nil {
        console.remark("warning: \(path.subject) could not be deleted from the hub")
      }
    }
    await state.transport?.close()
    PrivateFile.removeTree(directory)
  }

  // MARK: - The hub above

  private func openHub() async throws -> HubClient {
    let connection: HubConnection
    if let given = options.hub {
      connection = given
    } else {
      console.remark("Starting a hub that keeps nothing …")
      connection = try await startHub()
    }
    let transport = try console.transport(connection)
    state.withLock { $0.transport = transport }
    return HubClient(connection, by: transport, now: console.now)
  }

  private var connectionPath: String { "\(directory)/hub.json" }

  private func startHub() async throws -> HubConnection {
    let words = [
      try ProgramPath.own(), "hub", "run", "--ephemeral", "--quiet", "--host", "127.0.0.1",
      "--names", "127.0.0.1", "--ready-file", connectionPath, "--set", "listen.mqtt_port=0",
      "--set",
      "listen.https_port=0", "--set", "listen.amqp_port=0", "--set", "listen.admin_port=0",
    ]
    // What is set for another hub must not reach this one.
    let variables = console.environment.filter { !$0.key.hasPrefix("ORRERY_") }
    try await start("the hub", words, variables, log: "hub.log")
    try await wait(Self.startSeconds, "the hub does not start") {
      PrivateFile.exists(self.connectionPath)
    }
    return try ConnectionFile.read(try console.readFile(connectionPath), origin: connectionPath) {
      PrivateFile.exists($0)
    }
  }

  private func makeDevice(_ client: HubClient) async throws -> SymmetricKey {
    let path = IdentityPath(options.deviceID)
    let body: JSONValue = [
      "deviceId": .string(options.deviceID), "capabilities": ["iotEdge": true],
    ]
    let answer = try await client.send(HubRequest(.put, path.registry).body(body))
    if answer.status == 409 {
      throw CommandFailure(
        .conflict,
        "\(path.subject) exists already, and is not changed by this command",
        remedy: "Name another one with --device; it is deleted at the end."
      )
    }
    guard answer.isSuccess else { throw HubRefusal.failure(answer, subject: path.subject) }
    if options.hub != nil { state.withLock { $0.guest = client } }
    guard let key = try answer.json().key(.primary) else {
      throw CommandFailure(.failure, "\(path.subject): the hub did not tell its key")
    }
    return key
  }

  private func apply(_ client: HubClient) async throws {
    let path = ["devices", options.deviceID, "applyConfigurationContent"]
    let request = HubRequest(.post, path).body(options.plan.manifest.json)
    try await client.perform(request, "the manifest")
  }

  private func waitUntilApplied(_ client: HubClient) async throws {
    let path = ["twins", options.deviceID, "modules", "$edgeAgent"]
    try await wait(Self.applySeconds, "the deployment is not applied") { [console] in
      let twin = try await client.get(path, "the twin of $edgeAgent")["properties"]
      let reported = twin?["reported"]
      guard let wanted = twin?["desired"]?["$version"]?.int64Value,
        reported?["lastDesiredVersion"]?.int64Value == wanted,
        let status = reported?["lastDesiredStatus"], let code = status["code"]?.int64Value
      else { return false }
      let description = status["description"]?.stringValue ?? ""
      switch code {
      case 200: return true
      case 400, 412, 417:
        throw CommandFailure(
          .usage,
          "the edge refuses the manifest: \(description)".withoutFullStop
        )
      default:
        console.remark("\(code): \(description)")
        return code != 406
      }
    }
  }

  // MARK: - The edge

  private func programFolder(_ name: String) -> String { Self.folder(directory, name) }

  /// The folder of a module's program, which the manifest names in place of an image.
  static func folder(_ directory: String, _ name: String) -> String {
    "\(directory)/programs/\(name.replacing("/", with: "_"))"
  }

  private func writePrograms() throws {
    try PrivateFile.makeDirectory("\(directory)/programs")
    for program in options.plan.programs {
      let folder = programFolder(program.name)
      try PrivateFile.makeDirectory(folder)
      let script = program.script(path: console.environment["PATH"])
      try PrivateFile.replace("\(folder)/run", with: Array(script.utf8))
      chmod("\(folder)/run", 0o700)
    }
  }

  private func startEdge(_ client: HubClient, _ key: SymmetricKey) async throws {
    let program = try ProgramPath.find("orrery-edge", console)
    let settings = "\(directory)/edge.toml"
    try PrivateFile.replace(settings, with: Array(try toml(client, key).utf8))
    console.remark("Starting the edge …")
    let words = [
      program, "run", "--config", settings, "--data", "\(directory)/data", "--run-dir",
      "\(directory)/run",
    ]
    let variables = console.environment.filter { !$0.key.hasPrefix("ORRERY_") }
    try await start("the edge", words, variables, log: "edge.log")
    try await wait(Self.startSeconds, "the edge does not start") {
      PrivateFile.exists(self.agentSocket)
    }
  }

  private func toml(_ client: HubClient, _ key: SymmetricKey) throws -> String {
    let hub = client.connection
    let identity = IdentityPath(options.deviceID).identity
    let credential = ConnectionString.identity(host: hub.host, identity, .key(key), gateway: nil)
    var text = """
      hostname = \(quoted(options.host))
      [provisioning]
      source = "manual"
      connection_string = \(quoted(credential.text))
      [hub]
      host = \(quoted(options.engine == nil ? options.host : "0.0.0.0"))
      https_port = \(httpsPort)
      amqp_port = 0
      [upstream]
      mqtt_port = \(hub.mqttPort)
      https_port = \(hub.httpsPort)

      """
    if let anchors = hub.trustAnchors { text += "ca_cert = \(quoted(AbsolutePath.of(anchors)))\n" }
    if let engine = options.engine { text += "[moby_runtime]\nuri = \(quoted(engine))\n" }
    return text + """
      [metrics]
      hub_port = 0
      agent_port = 0
      keys_port = 0
      [agent.env]
      CoolOffTimeUnitInSeconds = "2"
      """
  }

  private func quoted(_ text: String) -> String { JSON.text(.string(text)) }

  /// 443, which stock clients dial for methods, if this user may have it; else any.
  private var httpsPort: Int {
    let file = try? PrivateFile.read("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    let first = file.flatMap { Int(String(decoding: $0, as: UTF8.self).trimmed) } ?? 1024
    return geteuid() == 0 || first <= 443 ? 443 : 0
  }

  // MARK: - Who starts modules elsewhere

  /// Gives modules that are started elsewhere an identity, and says how they find the local hub.
  private func attach(_ client: HubClient) async throws {
    let bundle = EdgeSocket("\(directory)/run/workload/$edgeHub/s/workload.sock", http)
    try await wait(Self.startSeconds, "the edge has no certificates") {
      guard let text = await bundle.get("trust-bundle")?["certificate"]?.stringValue else {
        return false
      }
      try PrivateFile.replace(self.authorityPath, with: Array(text.utf8))
      return true
    }
    for name in options.plan.attached {
      let path = IdentityPath(options.deviceID, name)
      let encoded = Base64.encode(Entropy.bytes(32))
      guard let key = SymmetricKey(base64: encoded) else {
        preconditionFailure("32 bytes in base64 are a key")
      }
      let keys: JSONValue = ["primaryKey": .string(encoded), "secondaryKey": .string(encoded)]
      let request = HubRequest(.put, path.registry).body([
        "deviceId": .string(options.deviceID), "moduleId": .string(name),
        "authentication": ["type": "sas", "symmetricKey": keys],
      ])
      // The hub has made it already, without keys, where the manifest has properties for its twin.
      let answer = try await client.send(request)
      if answer.status == 409 {
        try await client.perform(request.ifMatch("*"), of: path)
      } else if !answer.isSuccess {
        throw HubRefusal.failure(answer, subject: path.subject)
      }
      let text =
        ConnectionString.identity(
          host: client.connection.host,
          path.identity,
          .key(key),
          gateway: options.host
        ).text
      let variables = """
        EdgeHubConnectionString=\(text)
        EdgeModuleCACertificateFile=\(authorityPath)

        """
      try PrivateFile.replace("\(directory)/\(name).env", with: Array(variables.utf8))
      console.remark("Variables of module \(name), for your IDE: \(directory)/\(name).env")
    }
  }

  private var authorityPath: String { "\(directory)/edge-ca.pem" }

  private func guide(_ client: HubClient) {
    var lines = ["The edge \(options.deviceID) is ready. Ctrl-C ends it and leaves nothing behind."]
    if options.hub == nil {
      lines.append("  what arrives:  orrery monitor events --connect \(connectionPath)")
      lines.append(
        "  a leaf device: orrery device create leaf --parent \(options.deviceID) --connect "
          + connectionPath
      )
    }
    lines.append(
      "  it dials \(options.host): ;GatewayHostName=\(options.host) behind its connection string,"
    )
    lines.append("  and trusts \(authorityPath)")
    for line in lines { console.remark(line) }
  }

  // MARK: - Processes

  private func start(
    _ name: String,
    _ words: [String],
    _ environment: [String: String],
    log: String
  ) async throws {
    let path = "\(directory)/\(log)"
    let child = try await ChildProcess(name, words, log: path, environment: environment)
    state.withLock { $0.children.append(child) }
  }

  /// Waits for something that the processes do; ends with their last words where one has ended.
  private func wait(
    _ seconds: Int,
    _ what: String,
    _ condition: @Sendable () async throws -> Bool
  ) async throws {
    let begin = SystemClock.now()
    while try await !condition() {
      let children = state.withLock { $0.children }
      if let over = children.first(where: { $0.isOver }) { throw over.failure("has ended") }
      if SystemClock.now().milliseconds(since: begin) > UInt64(seconds) * 1000,
        let last = children.last
      {
        throw last.failure("runs, but \(what)")
      }
      try await Pause.sleep(for: .milliseconds(100))
    }
  }
}

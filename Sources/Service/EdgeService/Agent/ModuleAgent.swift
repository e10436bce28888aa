import ByteIO
import Containers
package import EdgeEngine
import HubContract
package import JSONTree
package import Logging
import Platform

/// Makes the machine look as the deployment says, pass by pass (edge contract section 3.1).
///
/// All rules are `EdgeEngine.Agent`'s; this reads the machine, does the steps, and keeps what has to
/// outlive the process. Images are fetched beside the passes (DIFF 6).
package actor ModuleAgent {
  /// Where and as whom the agent works.
  package struct Surroundings: Sendable {
    package var identity: EdgeIdentity
    package var edgeHostName: String
    package var networkID: String
    package var paths: EdgePaths
    /// Whether modules may be privileged.
    package var allowsElevation: Bool
    /// Credentials of registries, beside those of deployments.
    package var credentials: [RegistryCredential]
    package var version: RuntimeVersion

    package init(
      identity: EdgeIdentity,
      edgeHostName: String,
      networkID: String = "azure-iot-edge",
      paths: EdgePaths,
      allowsElevation: Bool = true,
      credentials: [RegistryCredential] = [],
      version: RuntimeVersion
    ) {
      self.identity = identity
      self.edgeHostName = edgeHostName
      self.networkID = networkID
      self.paths = paths
      self.allowsElevation = allowsElevation
      self.credentials = credentials
      self.version = version
    }
  }

  let surroundings: Surroundings
  let runtimes: ModuleRuntimes
  let keys: any AgentKeys
  let processes: any EdgeProcesses
  let verifier: ImageVerifier
  let options: AgentOptions
  let metrics: AgentMetrics
  let logger: Logger

  var agent: Agent
  /// What runs each module, by the last reading of the machine.
  var homes: [String: ModuleConfiguration.Kind] = [:]
  /// The machine at the last reading.
  var machine: [ModuleObservation] = []
  /// The modules' identities, by module ID.
  var identities: [String: ModuleIdentityRecord] = [:]
  var lastDesired = LastDesired(version: 0, status: DesiredStatus(.notRunning))
  /// The desired properties that came last, and what is wrong with them; if something is, the
  /// configuration before stays in force.
  private var newest = (version: Int64(0), refusal: DesiredStatus?.none)
  /// How often desired properties came: a pass tells of those that it began with.
  private var arrivals = 0
  /// The configuration that has been accepted and is not kept yet.
  private var unkept: (desired: JSONObject, version: Int64)?
  private var lastPass: Instant?
  /// The local configuration as it was read last.
  private var localBytes: [UInt8]?
  /// Whether a pass is under way, and whether there is to be none any more.
  private var isPassing = false
  private var isStopping = false
  private var keptRecords: [String: ModuleRecord] = [:]
  private var platform = RuntimePlatform(os: "linux", architecture: "", version: "")
  private let start: Timestamp
  /// The variables of the deployment that the local hub has, nil until the supervisor has told.
  var hubVariables: [String: String]?
  /// Since when the local hub runs, as far as this agent knows.
  var hubStart: Timestamp

  let pulls = AsyncStream.makeStream(of: String.self)
  private let pokes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  private let reports = AsyncStream.makeStream(
    of: JSONObject.self,
    bufferingPolicy: .bufferingNewest(1)
  )

  /// The last report; a partial one while the machine cannot be read.
  package private(set) var latestReport: JSONObject?

  /// Reports as they come about, for who carries them to the hub.
  package nonisolated var reported: AsyncStream<JSONObject> { reports.stream }

  /// Who makes identities for an agent; it removes these alone (edge contract section 3.6).
  package static let managedBy = "IotEdge"
  /// Seconds between two passes.
  private static let passSeconds = 5
  /// Seconds that a module may take to end.
  static let stopSeconds: Int64 = 10

  private nonisolated var folder: String { surroundings.paths.data(of: .agent) }
  private nonisolated var recordsPath: String { folder + "/modules.json" }
  private nonisolated var backup: ConfigurationBackup {
    ConfigurationBackup(path: options.backup ?? folder + "/backup.json", keys: keys)
  }

  package init(
    surroundings: Surroundings,
    runtimes: ModuleRuntimes,
    keys: any AgentKeys,
    processes: any EdgeProcesses,
    verifier: ImageVerifier = ImageVerifier(),
    options: AgentOptions,
    metrics: AgentMetrics,
    logger: Logger
  ) {
    self.surroundings = surroundings
    self.runtimes = runtimes
    self.keys = keys
    self.processes = processes
    self.verifier = verifier
    self.options = options
    self.metrics = metrics
    self.logger = logger
    start = Self.now()
    hubStart = start
    agent = Agent(
      start: start,
      restartRule: options.restartRule,
      updateMode: options.updateMode,
      parentHostName: surroundings.identity.parentHostName
    )
    // Hub and agent are processes of this program and need no image.
    agent.builtIns = [ModuleConfiguration.edgeAgent, ModuleConfiguration.edgeHub]
  }

  nonisolated static func now() -> Timestamp { Timestamp(ticks: SystemClock.wallTicks()) }

  // MARK: Life

  /// Works until it is cancelled; modules go on running then.
  package func run() async throws {
    try PrivateFile.makeDirectory(folder)
    restoreRecords()
    await restoreBackup()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.makePasses() }
      group.addTask { await self.keepTime() }
      group.addTask { await self.fetchImages() }
      await group.next()
      group.cancelAll()
    }
  }

  /// A pass every five seconds, and at once when something has happened.
  private func makePasses() async {
    poke()
    for await _ in pokes.stream { await pass() }
  }

  private nonisolated func keepTime() async {
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(Self.passSeconds))
      poke()
    }
  }

  /// Begins the next pass now.
  package nonisolated func poke() { pokes.continuation.yield() }

  private func restoreRecords() {
    guard PrivateFile.exists(recordsPath) else { return }
    do {
      let records = ModuleRecord.records(
        try JSON.parse(try PrivateFile.read(recordsPath), limits: .stored)
      )
      agent.restore(records)
      keptRecords = records
      // The supervisor knows what the local hub was started with, and outlives this process.
      forgetHub()
    } catch {
      // Modules that are as wanted are taken over without a record.
      logger.warning("what was kept of modules cannot be read", metadata: ["error": "\(error)"])
    }
  }

  private func restoreBackup() async {
    guard options.localConfiguration == nil else { return }
    do {
      guard let (desired, version) = try await backup.read() else { return }
      let configuration = try AgentConfiguration(desired: desired)
      // What came from the hub meanwhile is newer, or has told why it cannot be used.
      guard agent.configuration == nil else { return }
      agent.deploy(configuration)
      if arrivals == 0 { newest.version = version }
      logger.info("goes on with the last configuration", metadata: ["version": "\(version)"])
    } catch {
      logger.error("the last configuration cannot be read", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Configurations

  /// Takes desired properties; a bad configuration leaves the one before in force.
  package func desired(_ desired: JSONObject, version: Int64) {
    newest = (version, nil)
    arrivals += 1
    do throws(DesiredStatus) {
      let configuration = try AgentConfiguration(desired: desired)
      for warning in configuration.warnings { logger.warning("deployment: \(warning)") }
      if configuration != agent.configuration {
        logger.info(
          "new deployment",
          metadata: ["version": "\(version)", "modules": "\(configuration.modules.count)"]
        )
        unkept = (desired, version)
        metrics.deploymentBegan()
      }
      agent.deploy(configuration)
    } catch {
      logger.error(
        "the deployment is refused, the one before stays in force",
        metadata: ["version": "\(version)", "reason": "\(error.description)"]
      )
      newest.refusal = error
    }
    poke()
  }

  /// The network is back.
  package func networkReturned() {
    agent.networkReturned()
    poke()
  }

  private func readLocalConfiguration() {
    guard let path = options.localConfiguration else { return }
    do {
      let bytes = try PrivateFile.read(path)
      guard bytes != localBytes else { return }
      localBytes = bytes
      let json = try JSON.parse(bytes)
      // A whole manifest, or the agent's part of it.
      let content = json["modulesContent"]?["$edgeAgent"]?["properties.desired"] ?? json
      guard let object = content.objectValue else { throw JSONFault.unexpectedByte(offset: 0) }
      desired(object, version: 0)
    } catch {
      newest.refusal = DesiredStatus(
        .refused,
        "The local configuration \(path) cannot be read: \(error)"
      )
    }
  }

  // MARK: A pass

  /// Whether a container engine is needed for what is wanted.
  private var needsDocker: Bool {
    let wanted = agent.configuration?.modules ?? []
    return wanted.contains { $0.kind == .docker } || homes.values.contains(.docker)
  }

  private func pass() async {
    guard !isStopping else { return }
    isPassing = true
    defer { isPassing = false }
    readLocalConfiguration()
    let began = arrivals
    do {
      try await observe()
    } catch {
      logger.warning("the machine's modules cannot be read", metadata: ["error": "\(error)"])
      lastDesired.status = DesiredStatus(
        .failed,
        "The modules of this machine cannot be read: \(error)"
      )
      tell(lastDesired.members)
      return
    }
    let faults = await getIdentities()
    let steps = agent.plan(machine, identityFaults: faults, now: Self.now())
    for step in steps where !Task.isCancelled && !isStopping { await perform(step) }
    if isStopping { return }
    if !steps.isEmpty { try? await observe() }
    await keep()
    report(since: began)
    let now = SystemClock.now()
    let passed = lastPass.map { now.milliseconds(since: $0) } ?? 0
    lastPass = now
    metrics.observed(
      machine,
      wanted: agent.configuration,
      milliseconds: Int64(clamping: passed)
    )
  }

  /// Lets the next pass compare the local hub with what is wanted.
  private func forgetHub() {
    agent.restore(agent.records.filter { $0.key != ModuleConfiguration.edgeHub })
  }

  /// Reads the machine.
  func observe() async throws {
    let found = try await runtimes.modules(needsDocker: needsDocker)
    // A supervisor that was not there yet, or that there is none of: then nothing is changed.
    if hubVariables == nil, let known = try? await processes.hubVariables(), hubVariables == nil {
      hubVariables = known
      if !known.isEmpty { forgetHub() }
    }
    homes = Dictionary(found.map { ($0.module.name, $0.kind) }) { first, _ in first }
    machine = found.map(\.module) + builtIns()
  }

  /// Hub and agent, which run as long as the supervisor does; they are always as deployed, but for the
  /// variables of the hub.
  private func builtIns() -> [ModuleObservation] {
    let wanted = [agent.configuration?.edgeAgent, agent.configuration?.edgeHub]
    return wanted.compactMap { module in
      module.map {
        let isHub = $0.name == ModuleConfiguration.edgeHub
        return ModuleObservation(
          name: $0.name,
          state: .running,
          statusDescription: "running",
          lastStart: isHub ? hubStart : start,
          image: $0.image,
          createOptions: $0.createOptions,
          environment: isHub ? hubVariables ?? [:] : $0.environment
        )
      }
    }
  }

  /// Gets identities for the modules that have none, and says which cannot have one.
  ///
  /// Asked for once in this process's life even where there is one: that makes the module's socket.
  private func getIdentities() async -> [String: String] {
    let wanted = agent.configuration?.modules ?? []
    var faults: [String: String] = [:]
    for module in wanted where identities[module.moduleID] == nil {
      do {
        identities[module.moduleID] = try await keys.makeModule(module.moduleID)
      } catch {
        logger.warning(
          "a module gets no identity",
          metadata: ["module": "\(module.name)", "error": "\(error)"]
        )
        faults[module.name] = "\(error)"
      }
    }
    return faults
  }

  /// Keeps what has changed: records, and a configuration that was accepted.
  private func keep() async {
    if agent.records != keptRecords {
      do {
        try PrivateFile.replace(recordsPath, with: JSON.bytes(ModuleRecord.json(agent.records)))
        keptRecords = agent.records
      } catch {
        logger.error("what is known of modules cannot be kept", metadata: ["error": "\(error)"])
      }
    }
    guard let configuration = unkept else { return }
    do {
      try await backup.write(configuration.desired, version: configuration.version)
      if unkept?.version == configuration.version { unkept = nil }
    } catch {
      logger.error("the configuration cannot be kept", metadata: ["error": "\(error)"])
    }
  }

  /// Tells how the machine is, and what has become of the desired properties that were there when the
  /// pass began; until that is clear, those before are told.
  private func report(since began: Int) {
    if began == arrivals {
      if let refusal = newest.refusal {
        lastDesired = LastDesired(version: newest.version, status: refusal)
      } else if agent.configuration != nil, let status = agent.status {
        lastDesired = LastDesired(version: newest.version, status: status)
        if status == .ok { metrics.deploymentIsDone() }
      }
    }
    tell(currentReport())
  }

  private func tell(_ report: JSONObject) {
    latestReport = report
    reports.continuation.yield(report)
  }

  private func currentReport() -> JSONObject {
    agent.report(
      machine,
      lastDesired: lastDesired,
      platform: platform,
      version: surroundings.version,
      now: Self.now()
    )
  }

  // MARK: The end

  /// Stops all modules at once, and gives the last report (edge contract section 3.7).
  package func stopModules() async -> JSONObject {
    isStopping = true
    // Else a step that is under way could start what is stopped here. Each pause is a task of its own,
    // which is awaited at once: one of this task would not last once that is cancelled.
    while isPassing { await Task { try? await Pause.sleep(for: .milliseconds(20)) }.value }
    try? await observe()
    await withDiscardingTaskGroup { group in
      for (name, kind) in homes {
        group.addTask {
          do {
            try await self.runtimes.runtime(kind).stop(name, within: Self.stopSeconds)
          } catch {
            self.logger.warning(
              "a module cannot be stopped",
              metadata: ["module": "\(name)", "error": "\(error)"]
            )
          }
        }
      }
    }
    try? await observe()
    return currentReport().afterShutdown()
  }

  /// What the machine is, once a runtime was asked.
  package func findPlatform() async {
    let docker = try? await runtimes.docker.platform()
    guard let found = docker == nil ? try? await runtimes.process.platform() : docker else {
      return
    }
    platform = found
    metrics.runs(surroundings.version.version, on: found)
  }
}

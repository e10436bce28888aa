import Containers
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
package import Logging
import NIOCore
import NIOPosix
package import Platform
import ServiceLifecycle

/// The agent's process: what it needs, put together.
package struct AgentService: Service {
  private let settings: EdgeSettings
  private let options: AgentOptions
  private let environment: [String: String]
  /// Ways to registries and storages.
  private let clients: HostClients
  private let registry: RegistryClient
  private let verifier: ImageVerifier
  private let version: RuntimeVersion
  private let metrics: PrometheusMetrics
  private let logger: Logger
  private let onReady: @Sendable () -> Void

  /// Seconds between two attempts to learn who this device is.
  private static let identitySeconds = 5

  /// Prepares the agent.
  ///
  /// - Throws: `SettingsFault` for what stands in `[agent.env]` and makes no sense, or names a file that
  ///   cannot be used.
  package init(
    settings: EdgeSettings,
    version: String,
    metrics: PrometheusMetrics,
    environment: [String: String],
    logger: Logger,
    onReady: @escaping @Sendable () -> Void = {}
  ) throws(SettingsFault) {
    self.settings = settings
    options = try AgentOptions(settings.agent.environment)
    self.environment = environment
    // Told at once, and not when the first image comes.
    _ = try settings.proxy(environment, for: "registry.invalid")
    clients = HostClients(
      tls: try CloudClient.tls(
        settings.upstreamAuthorities + [settings.images.authorities].compactMap { $0 }
      ),
      proxy: { host in (try? settings.proxy(environment, for: host))??.client }
    )
    registry = RegistryClient(clients, plainHosts: settings.images.plainHosts)
    verifier = try ImageVerifier(
      rules: settings.images.rules,
      parentHostName: settings.parentHostName,
      registry: registry,
      folder: settings.paths.data(of: .agent) + "/signatures"
    )
    self.version = RuntimeVersion(version: version)
    self.metrics = metrics
    self.logger = logger
    self.onReady = onReady
  }

  /// Runs modules until it is stopped, and stops them then.
  package func run() async throws {
    let folder = settings.paths.data(of: .agent)
    try PrivateFile.makeDirectory(folder)
    let lock = try DirectoryLock(directory: folder)
    defer { lock.release() }
    let workload = WorkloadClient(
      .unix(path: settings.paths.workloadSocket(of: ModuleID.edgeAgent)),
      moduleID: ModuleID.edgeAgent
    )
    let identities = IdentityClient(settings.paths)
    do {
      try await run(workload, identities)
    } catch {
      await workload.close()
      await identities.close()
      throw error
    }
    await workload.close()
    await identities.close()
  }

  /// Learns who this device is; asks until it is told.
  private func learn(_ workload: WorkloadClient) async throws -> WorkloadIdentity {
    var isTold = false
    while true {
      do {
        let identity = try await workload.identity()
        // What is encrypted for no generation could not be read later.
        if identity.isSettled { return identity }
      } catch {
        if !isTold { logger.info("waits for the keys process", metadata: ["reason": "\(error)"]) }
        isTold = true
      }
      try await Pause.sleep(for: .seconds(Self.identitySeconds))
    }
  }

  private func run(_ workload: WorkloadClient, _ identities: IdentityClient) async throws {
    let learned: WorkloadIdentity
    do {
      learned = try await cancelWhenGracefulShutdown { try await learn(workload) }
    } catch is CancellationError {
      // Told to stop while it waited: there is nothing to stop, and nothing went wrong.
      return
    }
    let keys = KeysProcess(
      workload: workload,
      identities: identities,
      generationID: learned.generationID
    )
    let docker = DockerRuntime(
      address: settings.containerEngine.address,
      networkID: settings.containerEngine.network,
      networkOptions: settings.containerEngine.networkOptions
    )
    let containers: any ModuleRuntime =
      if let crun = settings.containerEngine.crunPath {
        try CrunRuntime(
          root: settings.paths.data(of: .agent),
          crun: crun,
          networkID: settings.containerEngine.network,
          registry: registry
        )
      } else {
        docker
      }
    let runtimes = ModuleRuntimes(
      docker: containers,
      process: try ProcessRuntime(
        root: settings.paths.data(of: .agent) + "/processes",
        hidden: [settings.paths.data, settings.paths.run, settings.file]
      )
    )
    if !ProcessRuntime.isConfining {
      logger.warning(
        "modules of type process see the files of this machine: its kernel has no Landlock"
      )
    }
    let figures = AgentMetrics(
      labels: learned.edge.metricLabels,
      path: settings.paths.data(of: .agent) + "/availability.json"
    )
    metrics.collect { figures.samples() }
    let agent = ModuleAgent(
      surroundings: ModuleAgent.Surroundings(
        identity: learned.edge,
        edgeHostName: learned.hostName,
        networkID: settings.containerEngine.network,
        paths: settings.paths,
        allowsElevation: settings.containerEngine.allowsElevated,
        version: version
      ),
      runtimes: runtimes,
      keys: keys,
      processes: SupervisedProcesses(settings.paths),
      verifier: verifier,
      options: options,
      metrics: figures,
      logger: logger
    )
    let methods = AgentMethods(
      agent: agent,
      identity: learned.edge,
      box: SupportBundle(
        settings: .success(settings),
        paths: settings.paths,
        variables: environment
      ),
      upload: BlobUpload(clients: clients),
      metrics: figures,
      logger: logger
    )
    let collector = ImageCollector(
      agent: agent,
      runtime: containers,
      settings: settings.imageCollection,
      path: settings.paths.data(of: .agent) + "/images.json",
      logger: logger
    )
    do {
      try await work(agent, methods, collector, learned, keys, identities, figures, runtimes)
    } catch {
      await docker.close()
      await clients.close()
      throw error
    }
    await docker.close()
    await clients.close()
  }

  private func work(
    _ agent: ModuleAgent,
    _ methods: AgentMethods,
    _ collector: ImageCollector,
    _ learned: WorkloadIdentity,
    _ keys: KeysProcess,
    _ identities: IdentityClient,
    _ figures: AgentMetrics,
    _ runtimes: ModuleRuntimes
  ) async throws {
    let upstream = try makeUpstream(agent, methods, learned, keys, figures)
    let listeners = try makeListeners(agent, methods, identities)
    await agent.findPlatform()
    let page = MetricsPage(
      metrics: metrics,
      host: settings.metrics.host,
      port: settings.metrics.ports[.agent] ?? 0,
      setting: "metrics.agent_port"
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await agent.run() }
      group.addTask { await methods.run() }
      group.addTask { await collector.run() }
      group.addTask { await measure(agent, figures) }
      group.addTask { await page.serve(logger) }
      group.addTask { await upstream.run() }
      group.addTask { for await report in agent.reported { await upstream.offer(report) } }
      for listener in listeners { group.addTask { try await listener.run() } }
      group.addTask {
        // Ends with the request to stop, and not by itself.
        try await gracefulShutdown()
        logger.info("stops all modules")
        let report = await agent.stopModules()
        await upstream.finish(with: report)
        figures.keep(isLast: true)
        throw CancellationError()
      }
      do {
        // All of them run until they are cancelled; the first that ends says why.
        while try await group.next() != nil {}
      } catch is CancellationError {
        group.cancelAll()
      }
    }
  }

  private func makeUpstream(
    _ agent: ModuleAgent,
    _ methods: AgentMethods,
    _ learned: WorkloadIdentity,
    _ keys: KeysProcess,
    _ figures: AgentMetrics
  ) throws -> AgentUpstream {
    let usesTwin = options.localConfiguration == nil
    return AgentUpstream(
      identity: learned.edge,
      address: AgentUpstream.Address(
        host: SASResource(decoded: learned.edge.upstreamHostName).host,
        port: settings.upstream.mqttPort,
        tls: try ClientTLS(trustAnchorsPEM: trustAnchors())
      ),
      keys: keys,
      refreshSeconds: options.refreshSeconds,
      events: AgentUpstream.Events(
        connected: { await agent.networkReturned() },
        desired: { desired, version in
          if usesTwin { await agent.desired(desired, version: version) }
        },
        method: { name, payload in await methods.answer(name, payload) }
      ),
      metrics: figures,
      logger: logger,
      on: MultiThreadedEventLoopGroup.singleton.any()
    )
  }

  /// Whom the hub above is trusted by: the system's authorities, and those of the settings; nil for the
  /// system's alone.
  private func trustAnchors() throws -> [UInt8]? {
    let files = [settings.upstream.authorities, settings.trustBundle].compactMap { $0 }
    guard !files.isEmpty else { return nil }
    var pem: [UInt8] = []
    for file in files { pem += try PrivateFile.read(file) + [0x0A] }
    return pem + ((try? PrivateFile.read("/etc/ssl/certs/ca-certificates.crt")) ?? [])
  }

  private func makeListeners(
    _ agent: ModuleAgent,
    _ methods: AgentMethods,
    _ identities: IdentityClient
  ) throws -> [any Service] {
    let api = ManagementAPI(
      agent: agent,
      methods: methods,
      identities: identities,
      settings: settings,
      version: version,
      start: ModuleAgent.now()
    )
    try PrivateFile.makeDirectory(settings.paths.run(of: .agent))
    let queue = RequestQueue(limit: settings.managementRequests)
    var addresses = [SocketAddressURI.unix(path: settings.paths.managementSocket)]
    if let more = settings.managementURI.flatMap({ SocketAddressURI($0) }) {
      addresses.append(more)
    }
    var listeners: [any Service] = []
    for (index, address) in addresses.enumerated() {
      // Whoever may use it may stop modules: the agent's user, and root.
      let listener = LocalListener(
        address,
        mode: 0o660,
        queue: queue,
        logger: logger,
        onListening: { if index == 0 { onReady() } }
      ) { request in try await api.respond(to: request) }
      listeners.append(listener)
    }
    return listeners
  }

  /// Measures what modules use, now and then.
  private func measure(_ agent: ModuleAgent, _ figures: AgentMetrics) async {
    guard options.isMeasuring else { return }
    while !Task.isCancelled {
      var usage: [String: ModuleUsage] = [:]
      for name in (try? await agent.loggedModules()) ?? [] {
        usage[name] = try? await agent.existing(name).usage(of: name)
      }
      figures.measured(usage, host: HostUsage.read(), now: SystemClock.now())
      try? await Pause.sleep(for: .seconds(options.measureSeconds))
    }
  }
}

extension ContainerEngineSettings {
  /// Where the engine listens: the path of its socket, or `http://host:port`.
  var address: String { uri.hasPrefix("unix://") ? String(uri.dropFirst(7)) : uri }

  /// How the engine makes the network, beside its name.
  var networkOptions: JSONObject {
    var options: JSONObject = [:]
    if hasIPv6 { options["EnableIPv6"] = true }
    options["IPAM"] = addressManagement
    return options
  }
}

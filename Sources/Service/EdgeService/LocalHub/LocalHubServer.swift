import AsyncHTTPClient
import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
package import Logging
import NIOCore
import NIOPosix
import Platform
import QueryLanguage
import ServiceLifecycle

/// The local hub with its listeners and its uplink: one process that can be run and stopped.
package struct LocalHubServer: Service {
  /// The wait before the first further try to learn who is below, and the longest.
  private static let retrySeconds = 5...300
  /// How long before its end, in seconds, a certificate is asked for anew.
  private static let certificateMarginSeconds: Int64 = 300
  /// How long one is shown at most.
  private static let certificateIntervalMilliseconds: UInt64 = 6 * 3_600_000

  /// What the end of a part means for the others.
  private enum Part { case ends, goesOn }

  private let options: LocalHubOptions
  private let credentials: any UpstreamCredentials
  private let lock: DirectoryLock
  private let logger: Logger
  private let onReady: @Sendable (LocalHubPorts) -> Void

  /// Prepares the hub; nothing listens before `run`.
  ///
  /// - Throws: `SettingsFault` if another process is at its data, or it can't be had.
  package init(
    options: LocalHubOptions,
    credentials: any UpstreamCredentials,
    logger: Logger,
    onReady: @escaping @Sendable (LocalHubPorts) -> Void = { _ in }
  ) throws {
    self.options = options
    self.credentials = credentials
    self.logger = logger
    self.onReady = onReady
    try PrivateFile.makeDirectory(options.directory)
    lock = try DirectoryLock(directory: options.directory)
  }

  /// Serves until the service group stops.
  ///
  /// - Throws: `SettingsFault`, what keeps it from serving and how to mend it.
  package func run() async throws {
    guard let key = try await unlessStopped({ try await sealKey() }) else { return }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: Machine.usableProcessors)
    do {
      try await serve(key, group)
    } catch {
      try? await group.shutdownGracefully()
      throw error
    }
    try? await group.shutdownGracefully()
  }

  private func serve(_ key: [UInt8], _ group: MultiThreadedEventLoopGroup) async throws {
    let seal = StateSeal(key: key)
    func file(_ name: String) -> SealedFile {
      SealedFile("\(options.directory)/\(name)", seal: seal)
    }
    let registry = try UpstreamRegistry(options: options, credentials: credentials)
    let authorities = LeafAuthorities(file: options.trustBundleFile, logger: logger)
    let scope = ScopeService(
      identity: options.identity,
      upstream: registry,
      authorities: authorities,
      file: file("scope"),
      logger: logger
    )
    let figures = HubFigures()
    let store = try StoreService(
      directory: options.directory + "/messages",
      isDurable: options.isDurable,
      figures: figures,
      logger: logger
    )
    let handle = UpstreamHandle()
    var times = TwinCacheConfiguration()
    times.reportedIntervalMilliseconds = UInt64(options.variables.reportedSyncSeconds) * 1_000
    times.syncIntervalMilliseconds = UInt64(options.variables.twinSyncSeconds) * 1_000
    let twins = try TwinService(
      directory: options.directory + "/twins",
      isDurable: options.isDurable,
      configuration: times,
      seal: seal,
      handle: handle,
      figures: figures,
      logger: logger
    )
    let hub = LocalHub(
      options: options,
      scope: scope,
      registry: registry,
      store: store,
      twins: twins,
      commands: handle,
      sessions: SessionStore(options.directory + "/sessions", logger: logger),
      figures: figures,
      logger: logger
    )
    twins.attach(hub)
    let configuration = ConfigurationService(
      hub: hub,
      file: file("configuration"),
      profile: .lenient,
      local: options.variables.localConfiguration,
      logger: logger
    )
    try configuration.restore()
    guard let certificate = try await unlessStopped({ try await serverTLS() }) else {
      hub.close()
      await registry.close()
      twins.close()
      return
    }
    let (tls, chain) = certificate
    let metrics = PrometheusMetrics()
    let budget = try options.upstreamBudget.map { settings in
      try UpstreamBudget(
        settings,
        path: options.directory + "/budget",
        age: store.now.age,
        logger: logger
      )
    }
    let shown = LocalHubMetrics(
      hub: hub,
      budget: budget,
      common: options.identity.metricLabels
    )
    metrics.collect { shown.samples }
    let page = MetricsPage(
      metrics: metrics,
      host: options.metricsHost,
      port: options.metricsPort,
      setting: "metrics.hub_port"
    )
    let uplink = try await connect(hub, handle, configuration, budget, on: group.next())
    do {
      try await withThrowingTaskGroup(of: Part.self) { tasks in
        tasks.addTask {
          await page.serve(logger)
          return .goesOn
        }
        tasks.addTask {
          await collectMetrics(hub)
          return .goesOn
        }
        tasks.addTask {
          await keepScope(scope)
          return .goesOn
        }
        tasks.addTask {
          await keepCertificate(tls, shown: chain)
          return .goesOn
        }
        tasks.addTask {
          await keepAuthorities(authorities, hub)
          return .goesOn
        }
        tasks.addTask {
          try await LocalHubListeners(hub: hub, tls: tls, group: group).run(onReady: onReady)
          return .ends
        }
        // The listeners end everything; a page that can't be served ends by itself.
        while try await tasks.next() == .goesOn {}
        tasks.cancelAll()
      }
    } catch {
      await stop(hub, uplink, handle, registry)
      twins.close()
      throw error
    }
    await stop(hub, uplink, handle, registry)
    twins.close()
  }

  private func collectMetrics(_ hub: LocalHub) async {
    guard let settings = options.metricsCollection else { return }
    let client = HTTPClient(eventLoopGroupProvider: .singleton)
    await MetricsCollector(hub: hub, settings: settings, client: client).run()
    try? await client.shutdown()
  }

  private func stop(
    _ hub: LocalHub,
    _ uplink: NIOLoopBound<UpstreamService>,
    _ handle: UpstreamHandle,
    _ registry: UpstreamRegistry
  ) async {
    try? await uplink.eventLoop.submit { uplink.value.stop() }.get()
    handle.attach(nil)
    hub.close()
    await registry.close()
  }

  // MARK: Keys and certificates

  /// The key of the state on disk, made at the first start and sealed by who keeps the keys.
  private func sealKey() async throws -> [UInt8] {
    let path = options.directory + "/seal"
    if PrivateFile.exists(path) {
      let sealed = try PrivateFile.read(path, limit: 4096)
      do {
        return try await retrying { try await credentials.open(sealed) }
      } catch is StateSeal.Damaged {
        // Without the key that sealed it nobody will ever read it again; messages are not sealed.
        logger.error(
          "what was kept of twins, identities and the configuration is lost: the keys are others now",
          metadata: ["file": "\(path)"]
        )
        try PrivateFile.move(path, to: path + ".unreadable")
      }
    }
    let key = Entropy.bytes(32)
    try PrivateFile.replace(
      path,
      with: try await retrying { try await credentials.seal(key) }
    )
    return key
  }

  private func serverTLS() async throws -> (tls: ServerTLS, chain: [UInt8]) {
    let (chain, key) = try await retrying { try await credentials.serverCertificate() }
    do throws(ServerTLS.Fault) {
      return (try ServerTLS(certificateChainPEM: chain, privateKeyPEM: key), chain)
    } catch {
      throw SettingsFault("the local hub's certificate cannot be used: \(error)")
    }
  }

  /// Does what may have to wait for the keys; nil if this process is told to stop meanwhile.
  private func unlessStopped<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value? {
    do {
      return try await cancelWhenGracefulShutdown(body)
    } catch {
      // Whatever broke off then did so because it was cancelled.
      if Task.isShuttingDownGracefully { return nil }
      throw error
    }
  }

  /// Tries until it works: the process that keeps the keys may start later.
  private func retrying<Value>(_ body: () async throws -> Value) async throws -> Value {
    var wait = 1
    while true {
      do {
        return try await body()
      } catch  where Self.mayPass(error) {
        logger.warning(
          "the keys are not there yet; trying again",
          metadata: ["reason": "\(error)", "seconds": "\(wait)"]
        )
        try await Pause.sleep(for: .seconds(wait))
        wait = min(wait * 2, 30)
      }
    }
  }

  /// Whether another try may go better.
  private static func mayPass(_ error: any Error) -> Bool {
    !Task.isCancelled && !(error is SettingsFault) && !(error is StateSeal.Damaged)
  }

  /// Gives connections a new certificate before the one they are shown ends.
  ///
  /// Also four times a day: a system clock that is wrong does not tell when it ends, and the keys
  /// process knows more of the time.
  private func keepCertificate(_ tls: ServerTLS, shown first: [UInt8]) async {
    var shown = first
    var asked = SystemClock.now()
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(60))
      let end = PresentedCertificate(shown)?.validity.to ?? 0
      let now = SystemClock.wallMilliseconds() / 1_000
      let passed = SystemClock.now().milliseconds(since: asked)
      guard
        end - now < Self.certificateMarginSeconds || passed >= Self.certificateIntervalMilliseconds,
        let (chain, key) = try? await credentials.serverCertificate()
      else { continue }
      asked = SystemClock.now()
      guard chain != shown else { continue }
      do throws(ServerTLS.Fault) {
        tls.replace(with: try ServerTLS(certificateChainPEM: chain, privateKeyPEM: key))
        logger.info("the local hub has a new certificate")
        shown = chain
      } catch {
        logger.error("a new certificate cannot be used", metadata: ["fault": "\(error)"])
      }
    }
  }

  /// Reads the trust bundle again now and then: an operator may take an authority out of it.
  private func keepAuthorities(_ authorities: LeafAuthorities, _ hub: LocalHub) async {
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(60))
      guard authorities.reread() else { continue }
      logger.info("leaf devices' authorities are others now")
      hub.authoritiesChanged()
    }
  }

  // MARK: Upstream

  private func connect(
    _ hub: LocalHub,
    _ handle: UpstreamHandle,
    _ configuration: ConfigurationService,
    _ budget: UpstreamBudget?,
    on eventLoop: any EventLoop
  ) async throws -> NIOLoopBound<UpstreamService> {
    let tls = try ClientTLS(
      trustAnchorsPEM: credentials.upstreamAuthorities,
      trustsSystem: true
    )
    let host = options.identity.upstreamHostName
    var settings = UplinkSettings(
      ways: [
        ClientWay(host: host, port: options.upstreamMQTTPort, tls: tls, proxy: options.proxy),
        ClientWay(
          host: host,
          port: options.upstreamHTTPSPort,
          tls: tls,
          isWebSocket: true,
          proxy: options.proxy
        ),
      ],
      hubName: options.identity.hubHostName,
      edgeID: options.identity.deviceID
    )
    let variables = options.variables
    settings.window = variables.upstreamWindow
    settings.requestMilliseconds = UInt64(variables.operationSeconds) * 1_000
    settings.stallMilliseconds = UInt64(variables.hangingSeconds) * 1_000
    if let wanted = variables.upstreamProtocol {
      settings.ways.removeAll { $0.isWebSocket ? !wanted.usesWebSocket : !wanted.usesTLS }
      if !wanted.isSpoken {
        logger.notice("AMQP was asked for; upstream it is MQTT, by the same ways")
      }
    }
    if !variables.withoutEffect.isEmpty {
      logger.notice(
        "variables without effect here",
        metadata: ["names": "\(variables.withoutEffect.joined(separator: " "))"]
      )
    }
    let (fixed, credentials, logger) = (settings, credentials, logger)
    return try await eventLoop.submit {
      let uplink = Uplink(fixed, on: eventLoop, logger: logger) {
        let (text, expiry) = try await credentials.token()
        let left = expiry * 1_000 - SystemClock.wallMilliseconds()
        return UplinkCredential(
          token: Array(text.utf8),
          expiry: SystemClock.now().adding(milliseconds: UInt64(clamping: left))
        )
      }
      let service = UpstreamService(
        hub: hub,
        uplink: uplink,
        handle: handle,
        configuration: configuration,
        budget: budget
      )
      let bound = NIOLoopBound(service, eventLoop: eventLoop)
      handle.attach(bound)
      service.start()
      return bound
    }.get()
  }

  /// Asks who is below, until it is known, and then now and then.
  private func keepScope(_ scope: ScopeService) async {
    var wait = Self.retrySeconds.lowerBound
    while !Task.isCancelled {
      do {
        try await scope.refresh()
        wait = Self.retrySeconds.lowerBound
        try await Pause.sleep(for: .seconds(options.variables.scopeRefreshSeconds))
      } catch {
        if Task.isCancelled { return }
        logger.info(
          "who is below this edge was not learnt",
          metadata: ["reason": "\(error)", "known": "\(scope.count)"]
        )
        try? await Pause.sleep(for: .seconds(wait))
        wait = min(wait * 2, Self.retrySeconds.upperBound)
      }
    }
  }
}

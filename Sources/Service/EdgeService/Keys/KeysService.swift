import ByteIO
import Endpoints
import HubContract
package import Logging
import Platform
import ServiceLifecycle

/// The keys process: owns the device's identity, its keys and its authority, and serves the workload
/// API and the identity part of the management API.
package struct KeysService: Service {
  /// The provisioning service says that this is another device now: every process starts again.
  package struct Reprovisioned: Error {}

  /// Seconds between two attempts to learn who the device is (contract §4.1).
  private static let retry: Duration = .seconds(5)
  /// Refused attempts between two questions to the provisioning service: a minute.
  private static let refusalsPerQuestion = 12
  private static let renewalInterval: Duration = .seconds(60)
  /// Between two looks at whether the device's certificate has come.
  private static let look: Duration = .milliseconds(500)

  private let settings: EdgeSettings
  private let environment: [String: String]
  private let logger: Logger
  private let onReady: @Sendable () -> Void
  private let metrics = KeysMetrics()

  /// A service with these settings; `onReady` is called once its own sockets are there.
  package init(
    settings: EdgeSettings,
    environment: [String: String],
    logger: Logger,
    onReady: @escaping @Sendable () -> Void = {}
  ) {
    self.settings = settings
    self.environment = environment
    self.logger = logger
    self.onReady = onReady
  }

  /// Serves until it is stopped.
  ///
  /// - Throws: `Reprovisioned`; `SettingsFault` or `FileFault`, what keeps it from serving.
  package func run() async throws {
    let directory = settings.paths.data(of: .keys)
    try PrivateFile.makeDirectory(directory)
    let lock = try DirectoryLock(directory: directory)
    defer { lock.release() }
    let store = try KeyStore(directory: directory)
    if store.isNew {
      logger.notice("made a master key: modules get new keys, and earlier secrets are lost")
    }
    let time = KnownTime(directory: directory)
    let authority = EdgeAuthority(directory: directory, settings: settings.edgeAuthority)
    let device = EdgeDevice()
    let (changes, changed) = AsyncStream<WorkloadChange>.makeStream()
    let (requests, requested) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let api = WorkloadAPI(
      settings: settings,
      device: device,
      store: store,
      authority: authority,
      time: time,
      logger: logger
    )
    let sockets = WorkloadSockets(api: api, settings: settings, logger: logger)
    let identities = try identityListener(
      IdentityAPI(
        device: device,
        changed: { changed.yield($0) },
        reprovision: { requested.yield() }
      )
    )
    try WorkloadDirectories(paths: settings.paths).make()
    for moduleID in [ModuleID.edgeAgent, ModuleID.edgeHub] { changed.yield(.opened(moduleID)) }

    try await withThrowingTaskGroup(of: Void.self) { group in
      // Listeners end by themselves when everything stops, and answer what is under way.
      group.addTask { await sockets.run(changes) }
      group.addTask { await metrics.serve(settings.metrics, logger: logger) }
      group.addTask { try await identities.run() }
      if let shared = sharedListener(api) { group.addTask { try await shared.run() } }
      group.addTask {
        await cancelWhenGracefulShutdown { await renew(authority, device, time) }
      }
      let identity = issuance(settings.identityIssuance, .identity, time)
      if let identity {
        group.addTask {
          await cancelWhenGracefulShutdown {
            await identity.run { reason in
              await device.isUnknown("it has no certificate: \(reason)")
            } renewed: {
              await device.proofChanged()
              // The provisioning service has to tell the hub which certificate counts now.
              requested.yield()
            }
          }
        }
      }
      if case .est(let wanted) = settings.edgeAuthority.source,
        let edge = issuance(wanted, .authority, time)
      {
        group.addTask { await cancelWhenGracefulShutdown { await edge.run() } }
      }
      group.addTask {
        try await Self.untilStopped {
          while let identity, identity.kept == nil { try await Pause.sleep(for: Self.look) }
          try await provision(device, store, time, changed, requests)
        }
        changed.finish()
      }
      // The first failure ends the others too.
      for try await _ in group {}
    }
  }

  /// Does the work until everything stops, which is no failure.
  private static func untilStopped(
    _ work: @Sendable @escaping () async throws -> Void
  ) async throws {
    try await cancelWhenGracefulShutdown {
      do {
        try await work()
      } catch is CancellationError {
        return
      }
    }
  }

  /// What keeps a certificate from an EST server, nil where none is wanted.
  private func issuance(
    _ wanted: ESTCertificateSettings?,
    _ purpose: CertificateIssuance.Purpose,
    _ time: KnownTime
  ) -> CertificateIssuance? {
    wanted.map { wanted in
      CertificateIssuance(
        wanted: wanted,
        purpose: purpose,
        file: purpose == .identity ? settings.paths.issuedIdentity : settings.paths.issuedAuthority,
        settings: settings,
        environment: environment,
        time: time,
        logger: logger
      )
    }
  }

  private func identityListener(_ api: IdentityAPI) throws -> LocalListener {
    let directory = settings.paths.run(of: .keys)
    try PrivateFile.makeDirectory(directory)
    try WorkloadDirectories.open(directory, to: .agent)
    return LocalListener(
      .unix(path: settings.paths.identitySocket),
      queue: RequestQueue(limit: settings.managementRequests),
      logger: logger,
      onListening: onReady,
      respond: { try await api.respond(to: $0) }
    )
  }

  /// The socket for every module, where the settings ask for one.
  private func sharedListener(_ api: WorkloadAPI) -> LocalListener? {
    guard let address = settings.sharedWorkloadURI.flatMap({ SocketAddressURI($0) }) else {
      return nil
    }
    logger.warning(
      "listen.workload_uri: whoever reaches this address can be any module; for development alone",
      metadata: ["address": "\(address)"]
    )
    return LocalListener(
      address,
      queue: RequestQueue(limit: settings.workloadRequests),
      logger: logger,
      respond: { try await api.respond(to: $0, from: .anyModule) }
    )
  }

  /// Makes the edge CA anew before it ends.
  private func renew(
    _ authority: EdgeAuthority,
    _ device: EdgeDevice,
    _ time: KnownTime
  ) async {
    var told: String?
    var end: Int64?
    while !Task.isCancelled {
      do {
        let deviceID = await device.identity?.deviceID ?? settings.hostName
        let (until, fault) = try authority.renew(deviceID: deviceID, now: time.judged)
        if until != end {
          logger.notice(
            "the edge CA is ready",
            metadata: ["until": "\(Timestamp(seconds: until).iso8601)"]
          )
        }
        metrics.authorityEnds(until)
        if let fault {
          logger.error(
            "the edge CA could not be made anew; the old one serves on",
            metadata: [
              "until": "\(Timestamp(seconds: until).iso8601)", "error": "\(fault)",
            ]
          )
        }
        (end, told) = (until, nil)
      } catch {
        let text = "\(error)"
        if text != told { logger.error("no edge CA", metadata: ["error": "\(text)"]) }
        told = text
      }
      try? await Pause.sleep(for: Self.renewalInterval)
    }
  }
}

extension KeysService {
  /// Learns who the device is, gives the hub the system modules' keys, and asks again when told.
  private func provision(
    _ device: EdgeDevice,
    _ store: KeyStore,
    _ time: KnownTime,
    _ changed: AsyncStream<WorkloadChange>.Continuation,
    _ requests: AsyncStream<Void>
  ) async throws {
    let provisioner = DeviceProvisioner(
      settings: settings,
      time: time,
      environment: environment,
      logger: logger
    )
    let account = try await account(provisioner, device)
    let modules = ModuleIdentities(
      account: account,
      settings: settings,
      store: store,
      time: time,
      environment: environment,
      logger: logger
    )
    logger.notice(
      "the device is known",
      metadata: [
        "hub": "\(account.identity.hubHostName)", "device": "\(account.identity.deviceID)",
      ]
    )
    await device.isKnown(account, modules)
    metrics.deviceIsKnown()
    let ended: Result<Void, any Error>
    do {
      for record in await modules.allKnown { changed.yield(.opened(record.moduleID)) }
      try await settle(modules, provisioner, account)
      for await _ in requests {
        logger.notice("told to ask for the device's identity again")
        try await askAgain(provisioner, account)
        try await settle(modules, provisioner, account)
      }
      ended = .success(())
    } catch {
      ended = .failure(error)
    }
    await modules.close()
    try ended.get()
  }

  /// The device, as soon as somebody says who it is.
  private func account(
    _ provisioner: DeviceProvisioner,
    _ device: EdgeDevice
  ) async throws -> DeviceAccount {
    let known = try provisioner.known()
    if let known, settings.reprovisioning != .alwaysOnStartup { return known }
    var told: String?
    while true {
      do {
        return try await provisioner.ask()
      } catch let failure as DeviceProvisioner.Failure {
        let text = failure.description
        if text != told { logger.error("no identity yet", metadata: ["reason": "\(text)"]) }
        told = text
        if let known { return known }
        await device.isUnknown(text)
      }
      try await Pause.sleep(for: Self.retry)
    }
  }

  /// Lets the hub have the keys of the system modules, for as long as it takes.
  private func settle(
    _ modules: ModuleIdentities,
    _ provisioner: DeviceProvisioner,
    _ account: DeviceAccount
  ) async throws {
    var told: IdentityFault?
    var refusals = 0
    for moduleID in [ModuleID.edgeAgent, ModuleID.edgeHub] {
      while true {
        do throws(IdentityFault) {
          _ = try await modules.put(moduleID, managedBy: nil)
          break
        } catch {
          if error != told {
            logger.error(
              "a system module has no key at the hub",
              metadata: ["module": "\(moduleID)", "reason": "\(error)"]
            )
          }
          told = error
          if case .noNetwork = error {
            refusals = 0
          } else {
            if refusals % Self.refusalsPerQuestion == 0 { try await askAgain(provisioner, account) }
            refusals += 1
          }
        }
        try await Pause.sleep(for: Self.retry)
      }
    }
    metrics.deviceIsSettled()
    logger.notice("the system modules have their keys at the hub")
  }

  private func askAgain(
    _ provisioner: DeviceProvisioner,
    _ account: DeviceAccount
  ) async throws {
    guard case .service = settings.provisioning else { return }
    do {
      let now = try await provisioner.ask()
      guard now.identity == account.identity else {
        logger.notice("the device is another one now")
        throw Reprovisioned()
      }
    } catch let failure as DeviceProvisioner.Failure {
      logger.error("no new identity", metadata: ["reason": "\(failure)"])
    }
  }
}

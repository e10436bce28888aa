import Endpoints
package import HubContract
package import HubEngine
package import Logging
import MessageLog
import NIOCore
package import Platform
import Synchronization

/// The hub: registry and twins in the store, events in the log, connections in the directory.
///
/// Knows no port and no socket: `HubServer` brings connections and requests to it.
package final class Hub: Sendable {
  let settings: HubSettings
  /// Where everything is kept.
  let dataDirectory: String
  /// What operators present for administration, beside policies with all rights.
  let adminToken: String
  let store: HubStore
  /// Uploaded files.
  let files: FileService
  /// The provisioning service, nil where it is turned off.
  let provisioning: ProvisioningService?
  let events: EventLog
  let directory: DeviceDirectory
  let methods: MethodService
  /// Where large patches of reported properties are parsed.
  let patches = LargePatches()
  /// Carries out jobs and configurations.
  let fleet: FleetService
  /// Carries out exports and imports over blobs.
  let transfers: TransferService
  /// Where events go.
  let routing: RoutingService
  /// The faults that a tester has the hub commit.
  let faults: FaultInjector
  /// The hub's own events on their way into the log.
  let outbox: EventOutbox
  /// The rates of requests and connections.
  let throttles: RequestThrottles
  let authenticator: DeviceAuthenticator
  /// The credentials that were refused.
  let refusals: CredentialRefusals
  let metrics: PrometheusMetrics
  let logger: Logger
  /// Counts the changes of policies, so that copies of them know when they are old.
  let policyChanges = Atomic<UInt64>(0)
  /// Counts how often feedback became available, so that who found none knows when to look again.
  let feedbackChanges = Atomic<UInt64>(0)
  /// The same for news of uploaded files.
  let fileNotificationChanges = Atomic<UInt64>(0)
  private let lock: DirectoryLock

  /// Opens the data in `dataDirectory` and recovers it.
  ///
  /// `lock` is the directory's if the caller has it already.
  ///
  /// - Throws: What keeps the data from being opened, with the path; nothing is open then.
  package init(
    settings: HubSettings,
    dataDirectory: String,
    lock: DirectoryLock? = nil,
    metrics: PrometheusMetrics,
    logger: Logger
  ) throws {
    self.settings = settings
    self.dataDirectory = dataDirectory
    self.lock = try lock ?? DirectoryLock(directory: dataDirectory)
    adminToken = try AdminToken.read(in: dataDirectory)
    self.metrics = metrics
    self.logger = logger
    directory = DeviceDirectory()
    throttles = RequestThrottles(settings.throttles)
    let faults = FaultInjector(isAllowed: settings.isFaultInjectionAllowed, logger: logger)
    self.faults = faults
    methods = MethodService(
      directory: directory,
      payloadLimit: settings.quotas.methodPayloadBytes,
      isLost: { faults.strike(.dropMethods, deviceID: $0.deviceID) != nil }
    )
    refusals = CredentialRefusals(logger: logger)
    authenticator = DeviceAuthenticator(skewSeconds: Int64(settings.skewSeconds))
    events = try EventLog(
      directory: dataDirectory + "/log",
      settings: settings,
      faults: faults,
      logger: logger
    )
    do {
      routing = try RoutingService(
        directory: dataDirectory,
        hubNames: settings.names,
        quotas: settings.quotas,
        rules: try EndpointRules(settings),
        log: events,
        logger: logger
      )
    } catch {
      events.close()
      throw error
    }
    var rules = CloudToDeviceRules()
    rules.defaultTimeToLiveSeconds = Int64(settings.timeToLiveSeconds)
    rules.maximumDeliveryCount = settings.maximumDeliveryCount
    rules.lockSeconds = Int64(settings.lockSeconds)
    let effects = EffectRelay()
    let directory = directory
    let routing = routing
    let registry = dataDirectory + "/registry.sqlite"
    let provisioned = dataDirectory + "/provisioning.sqlite"
    do {
      store = try HubStore(
        path: registry,
        // Both come after the registry in a hub's first start.
        mayBeNew: !events.hasRecords && !PrivateFile.exists(provisioned),
        isDurable: !settings.isEphemeral,
        quotas: settings.quotas,
        rules: rules,
        fileRules: settings.fileRules,
        routes: { routing.table },
        facts: { directory.facts(of: $0) },
        carryOut: { effects.carryOut($0) }
      )
    } catch {
      events.close()
      throw SettingsFault.registry(registry, error)
    }
    let opened = store
    routing.twins.read { [weak opened] key in
      do {
        return try opened?.twinNow(key)
      } catch {
        logger.error("a twin cannot be read for routing", metadata: ["error": "\(error)"])
        return nil
      }
    }
    outbox = EventOutbox(store: store, log: events, logger: logger)
    do {
      files = try FileService(
        directory: dataDirectory,
        account: settings.names.first ?? "localhost",
        limit: settings.fileBytes,
        store: store,
        logger: logger
      )
    } catch {
      events.close()
      store.close()
      throw error
    }
    fleet = FleetService(store: store, directory: directory, methods: methods, logger: logger)
    transfers = TransferService(store: store, files: files, logger: logger)
    do {
      provisioning =
        settings.isProvisioningEnabled
        ? try ProvisioningService(
          settings: settings,
          directory: dataDirectory,
          hub: store,
          logger: logger
        ) : nil
    } catch {
      events.close()
      store.close()
      // The issuer's files say themselves what is wrong with them.
      if error is SettingsFault || error is FileFault { throw error }
      throw SettingsFault.registry(provisioned, error)
    }
    effects.set { [weak self] in self?.carryOut($0) }
    collectMetrics()
  }

  /// Now, by the wall clock, and wrong by what a tester asked for.
  var now: Timestamp { rightNow.adding(seconds: faults.clockShift) }

  /// Now, by the wall clock.
  var rightNow: Timestamp { Timestamp(ticks: SystemClock.wallTicks()) }

  /// Brings what a former process left behind in order; before the first connection.
  ///
  /// Throws if there is no policy and none can be made. On a full disk a hub that has its policies
  /// starts all the same: it serves reads, and writes again when space returns.
  package func recover() async throws {
    let now = now
    do throws(HubError) {
      try await store.write { engine throws(HubError) in try engine.createDefaultPolicies() }
    } catch {
      guard try await !policies().isEmpty else {
        throw SettingsFault(
          "the policies in \(dataDirectory)/registry.sqlite cannot be made: \(error)",
          remedy: "Look whether the disk is full or fails, then start again."
        )
      }
      logger.error("policies not completed", metadata: ["error": "\(error)"])
    }
    store.submitOwed { engine throws(HubError) in try engine.releaseAllCloudToDevice(now: now) }
    do throws(HubError) {
      try await provisioning?.recover()
    } catch {
      logger.error("provisioning not recovered", metadata: ["error": "\(error)"])
    }
  }

  /// Ends expired messages, old feedback and lapsed locks, and removes files that nothing names, until
  /// cancelled.
  package func keepHouse() async {
    var isFirst = true
    while !Task.isCancelled {
      do throws(HubError) {
        try await sweep()
      } catch {
        logger.error("sweep failed", metadata: ["error": "\(error)"])
      }
      try? await Pause.sleep(for: .seconds(1))
      strikeDueFaults()
      // Half of the code that is resident now was needed to start, and not since.
      if isFirst { ProgramCode.release() }
      isFirst = false
    }
  }

  /// Commits the faults that strike by themselves.
  func strikeDueFaults() {
    for fault in faults.due() {
      let struck = directory.entries { entry in
        fault.deviceID.map { $0 == entry.device.identity.deviceID } ?? true
      }
      for entry in struck { entry.handle.drop(.injectedFault) }
    }
  }

  /// Does what is due of the periodic work.
  package func sweep() async throws(HubError) {
    let now = now
    var goesOn = true
    while goesOn {
      goesOn = try await store.write { engine throws(HubError) in
        engine.endLapsedFeedback(now: now)
        engine.endLapsedFileNotifications(now: now)
        let messages = try engine.sweepCloudToDevice(now: now)
        let feedback = try engine.sweepFeedback(now: now)
        let files = try engine.sweepFiles(now: now)
        return messages || feedback || files
      }
    }
    try await provisioning?.sweep(now: now)
    try await files.removeGarbage()
  }

  /// Brings the hub's own events into the log, and routed events to their endpoints, until cancelled;
  /// then finishes what is open.
  ///
  /// `connectionsSettled` returns when what connections had decided before is on its way to the log.
  package func deliverEvents(
    connectionsSettled: @escaping @Sendable () async -> Void
  ) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.outbox.run() }
      group.addTask {
        await self.routing.deliver {
          await self.outbox.settle()
          await connectionsSettled()
        }
      }
    }
  }

  /// Carries out jobs and configurations until cancelled.
  package func advanceFleet() async { await fleet.run() }

  /// Carries out exports and imports over blobs until cancelled.
  package func transferIdentities() async { await transfers.run() }

  /// Carries out the export or import that waits, and returns at its end.
  package func transferWaitingIdentities() async { await transfers.advance() }

  /// Closes registry and log, and lets others have the directory.
  package func close() {
    methods.close()
    provisioning?.close()
    store.close()
    events.close()
    lock.release()
  }

  /// Puts `wanted` in the place of the routes, durably.
  ///
  /// - Throws: 400004 for what can't be used; then everything is as before.
  func replaceRouting(
    _ wanted: RoutingConfiguration,
    ifMatch condition: ETagCondition
  ) async throws(HubError) {
    try routing.replace(wanted, ifMatch: condition)
    guard routing.table.needsTwin else { return }
    // A change of a twin that began under the former routes tells nobody: once it is through, what was
    // read before it is forgotten.
    let routing = routing
    try await store.write { _ throws(HubError) in }
    routing.twins.reset(for: routing.table.twinProjection)
  }

  // MARK: Effects

  private func carryOut(_ effects: [HubEffect]) {
    for effect in effects {
      switch effect {
      case .identityChanged(let key, let change): identityChanged(key, change)
      case .policyChanged(let name):
        policyChanges.add(1, ordering: .acquiringAndReleasing)
        recheck { entry in
          if case .policy(name, _) = entry.device.credential.proved { true } else { false }
        }
      case .certificateAuthorityChanged:
        provisioning?.authorityChanges.add(1, ordering: .acquiringAndReleasing)
        recheck { entry in
          if case .authority = entry.device.credential.proved { true } else { false }
        }
      case .desiredChanged(let change):
        guard let entry = directory[change.key] else { continue }
        entry.handle.deliverDesired(
          version: Int64(clamping: change.version),
          body: change.body
        )
      case .cloudToDeviceAvailable(let deviceID):
        directory[IdentityKey(deviceID: deviceID)]?.handle.cloudToDeviceWaits()
      case .feedbackAvailable: feedbackChanges.add(1, ordering: .acquiringAndReleasing)
      case .eventsWaiting: outbox.wake()
      case .twinChanged(let twin): routing.twins.changed(twin)
      case .fileNotificationAvailable:
        fileNotificationChanges.add(1, ordering: .acquiringAndReleasing)
      case .filesDiscarded: files.discarded()
      }
    }
  }

  private func identityChanged(_ key: IdentityKey, _ change: IdentityChange) {
    directory.changed()
    if change != .created, directory.hasChained {
      recheck { $0.device.credential.isChained(to: key.deviceID) }
    }
    switch change {
    case .created, .updated: return
    case .credentialsReplaced: recheck { $0.device.identity == key }
    case .disabled, .deleted:
      if change == .deleted { routing.twins.removed(key) }
      let reason: DropReason = change == .deleted ? .deleted : .disabled
      let ended = directory.entries {
        $0.device.identity == key
          || (key.moduleID == nil && $0.device.identity.deviceID == key.deviceID)
      }
      for entry in ended { entry.handle.drop(reason) }
      methods.identityGone(key)
    }
  }

  /// Drops those of the connections whose credential is no longer what the registry says.
  private func recheck(_ affected: (DeviceDirectory.Entry) -> Bool) {
    directory.changed()
    let entries = directory.entries(where: affected)
    guard !entries.isEmpty else { return }
    Task {
      for entry in entries where await !stillHolds(entry.device) {
        entry.handle.drop(.credentialChanged)
      }
    }
  }

  private func stillHolds(_ device: AdmittedDevice) async -> Bool {
    var (key, credential) = (device.identity, device.credential)
    if case .edgeHub(let chain, let proved) = credential {
      let child = key
      let edge = try? await store.read { view throws(HubError) in
        try view.actingEdgeDevice(for: child, authChain: chain)
      }
      guard let edge else { return false }
      (key, credential) = (edge.edgeHub, proved)
    }
    var policy: String?
    if case .policy(let name, _) = credential { policy = name }
    guard let facts = try? await facts(of: key, policy: policy) else { return false }
    return authenticator.stillHolds(credential, of: key, facts)
  }

  func facts(
    of key: IdentityKey,
    policy: String?
  ) async throws(HubError) -> DeviceAuthenticator.Facts {
    try await store.read { view throws(HubError) in
      do throws(StorageFault) {
        let storage = view.storage
        return DeviceAuthenticator.Facts(
          device: try storage.device(key.deviceID),
          module: try storage.module(key),
          policy: try policy.flatMap { name throws(StorageFault) in
            try storage.policy(name).flatMap(DeviceAuthenticator.ConnectPolicy.init)
          },
          authorities: try storage.certificateAuthorities()
            .filter(\.isVerified).map(\.certificate),
          session: try storage.subscriptions(of: key)?.map { ($0.filter, $0.quality) }
        )
      } catch {
        throw HubError(.serverError, "The hub's storage failed; its log says more.")
      }
    }
  }
}

extension DeviceAuthenticator.ConnectPolicy {
  /// The policy, unless it may not connect devices.
  fileprivate init?(_ policy: PolicyRecord) {
    guard policy.rights.contains(.deviceConnect) else { return nil }
    self.init(name: policy.name, keys: [policy.primaryKey, policy.secondaryKey])
  }
}

/// Hands effects on to a hub that does not exist yet when the store is made.
private final class EffectRelay: Sendable {
  private let target = Mutex<(@Sendable ([HubEffect]) -> Void)?>(nil)

  func set(_ target: @escaping @Sendable ([HubEffect]) -> Void) {
    self.target.withLock { $0 = target }
  }

  func carryOut(_ effects: [HubEffect]) { target.withLock { $0 }?(effects) }
}

extension Hub {
  /// All policies with their keys, for the operator who starts the hub.
  package func policies() async throws(HubError) -> [PolicyRecord] {
    try await store.read { view throws(HubError) in try view.policies() }
  }
}

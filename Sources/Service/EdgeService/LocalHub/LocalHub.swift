import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import JSONTree
import Logging
import MQTT
import MessageLog
import Platform
import Synchronization

/// The local hub: what an IoT hub is to modules and leaf devices, whether the one above is there or
/// not (edge contract section 5).
final class LocalHub: Sendable {
  let options: LocalHubOptions
  let identity: EdgeIdentity
  let scope: ScopeService
  let store: StoreService
  let router: EdgeRouter
  let directory = DeviceDirectory()
  let methods: MethodService
  let authenticator = DeviceAuthenticator(
    skewSeconds: SharedAccessSignature.defaultSkewSeconds
  )
  let twins: any TwinsBelow
  let commands: any CommandsFromAbove
  let sessions: SessionStore
  let clients = Mutex(HubClients())
  let quotas = Quotas()
  let logger: Logger

  init(
    options: LocalHubOptions,
    scope: ScopeService,
    store: StoreService,
    twins: any TwinsBelow,
    commands: any CommandsFromAbove,
    sessions: SessionStore,
    logger: Logger
  ) {
    self.options = options
    identity = options.identity
    self.scope = scope
    self.store = store
    self.twins = twins
    self.commands = commands
    self.sessions = sessions
    self.logger = logger
    router = EdgeRouter(deviceID: options.identity.deviceID)
    methods = MethodService(directory: directory, payloadLimit: quotas.methodPayloadBytes)
    scope.onChange { [weak self] keys in self?.identitiesChanged(keys) }
  }

  /// Routes as `configuration` says.
  ///
  /// - Throws: Why its queues can't be made; then everything is as before.
  func use(_ configuration: HubConfiguration) throws {
    let table = RouteTable(configuration)
    let names = table.endpoints.map { router.name(of: $0) }
    // What waits for the hub above outlives a configuration without a route there: nothing that was
    // acknowledged is given up by a change that may be a mistake.
    let all =
      names.contains(StoreService.Store.upstream) ? names : names + [StoreService.Store.upstream]
    let numbers = try store.configure(
      all,
      maxSizeBytes: configuration.maxSizeBytes.map { UInt64(clamping: $0) }
    )
    router.use(table, endpoints: Array(numbers.prefix(names.count)))
  }

  /// Drops those who may not be here any more, and has the others shown what they came with again.
  private func identitiesChanged(_ keys: [IdentityKey]) {
    directory.changed()
    let gone = keys.filter { !scope.isKnown($0) }
    if !gone.isEmpty { twins.removed(gone) }
    let keys = Set(keys)
    let affected = directory.entries {
      keys.contains($0.device.identity) || keys.contains($0.device.identity.device)
    }
    for entry in affected {
      let key = entry.device.identity
      if !scope.isAllowed(key) {
        entry.handle.drop(.deleted)
        methods.identityGone(key)
      } else if !authenticator.stillHolds(
        entry.device.credential.proved,
        of: key,
        scope.facts(of: key)
      ) {
        entry.handle.drop(.credentialChanged)
      }
    }
  }

  /// Routes the change of a client's reported properties as a message of its own kind (edge contract
  /// section 8.2).
  func routeChange(_ identity: IdentityKey, _ body: [UInt8]) {
    let bag = Self.changeBag
    let routing = router.decide(.twinChange, identity, bag: bag.span, body: body.span)
    guard !routing.isNowhere else { return }
    let batch = TelemetryBatch(limits: LogLimits())
    batch.records.beginRecord(partition: 0)
    EventEncoder.append(
      stamp: EventStamp(identity: identity),
      source: .twinChange,
      routing: routing,
      bag: bag.span,
      body: body.span,
      to: &batch.records
    )
    guard (try? batch.records.endRecord()) != nil else { return }
    store.submit(batch) { [logger] result in
      guard case .failure(let fault) = result else { return }
      logger.warning(
        "a change of reported properties was not routed",
        metadata: ["identity": "\(identity)", "fault": "\(fault)"]
      )
    }
  }

  private static let changeBag: [UInt8] = {
    var bag = PropertyBagWriter()
    bag.append(.contentType, "application/json")
    bag.append(.contentEncoding, "utf-8")
    bag.append(.schema, "twinChangeNotification")
    return bag.bytes
  }()

  /// Ends what is under way.
  func close() {
    methods.close()
    store.close()
  }
}

/// The twins of those who connect here.
protocol TwinsBelow: Sendable {
  /// Reads a twin for its client.
  func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void)
  /// Takes a client's patch.
  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    reply: @escaping @Sendable (TwinReply) -> Void
  )
  /// A client is there.
  func connected(_ identity: IdentityKey, _ handle: DeviceHandle)
  /// It wants to hear of changes of its desired properties.
  func desiredWanted(_ identity: IdentityKey)
  /// It is gone.
  func disconnected(_ identity: IdentityKey)
  /// These identities are no longer below this edge.
  func removed(_ identities: [IdentityKey])
}

/// What the hub above sends to those who connect here, and never keeps here.
protocol CommandsFromAbove: Sendable {
  /// A client takes direct methods now.
  func methodsWanted(_ identity: IdentityKey)
  /// It takes none any more.
  func methodsUnwanted(_ identity: IdentityKey)
  /// Takes up to `limit` cloud-to-device messages for the connection.
  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  )
  /// Gives one back that was not sent.
  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// The device has one.
  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// The connection is gone.
  func disconnected(_ identity: IdentityKey)
}

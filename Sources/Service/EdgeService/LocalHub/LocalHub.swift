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
  /// The registry of the hub above.
  let registry: any RegistryAbove
  let store: StoreService
  let router: EdgeRouter
  let figures: HubFigures
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
  /// What was refused over AMQP.
  let refusals: CredentialRefusals
  let logger: Logger

  init(
    options: LocalHubOptions,
    scope: ScopeService,
    registry: any RegistryAbove,
    store: StoreService,
    twins: any TwinsBelow,
    commands: any CommandsFromAbove,
    sessions: SessionStore,
    figures: HubFigures,
    logger: Logger
  ) {
    self.options = options
    identity = options.identity
    self.scope = scope
    self.registry = registry
    self.store = store
    self.twins = twins
    self.commands = commands
    self.sessions = sessions
    self.figures = figures
    self.logger = logger
    refusals = CredentialRefusals(logger: logger)
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
    dropRefused()
  }

  /// Drops those whom none of the leaf devices' authorities vouches for any more.
  func authoritiesChanged() {
    directory.changed()
    dropRefused()
  }

  private func dropRefused() {
    // A change of an edge below matters to all behind it.
    for entry in directory.entries(where: { !stillHolds($0.device) }) {
      let key = entry.device.identity
      if scope.isAllowed(key) {
        entry.handle.drop(.credentialChanged)
      } else {
        entry.handle.drop(.deleted)
        methods.identityGone(key)
      }
    }
  }

  /// Routes the change of a client's reported properties as a message of its own kind (edge contract
  /// section 8.2).
  func routeChange(_ identity: IdentityKey, _ body: [UInt8]) {
    let bag = Self.changeBag
    let routing = router.decide(.twinChange, identity, bag: bag.span, body: body.span)
    guard !routing.isNowhere else { return }
    submit(.twinChange, of: identity, routing, bag, body)
  }

  /// Sends a message of the local hub itself, whatever the routes are; it may wait a day, and gives way
  /// when the store is full.
  func sendUpstream(_ body: [UInt8], bag: [UInt8]) {
    let upstream = store.endpoints(prefix: StoreService.Store.upstream).first {
      $0.endpoint.name == StoreService.Store.upstream
    }
    guard let upstream else { return }
    let delivery = StoreDelivery(
      endpoint: upstream.number,
      lifetimeSeconds: 86_400,
      dropsOldest: true
    )
    submit(.telemetry, of: identity.edgeHub, EventRouting([delivery]), bag, body)
  }

  private func submit(
    _ source: EventSource,
    of identity: IdentityKey,
    _ routing: EventRouting,
    _ bag: [UInt8],
    _ body: [UInt8]
  ) {
    let batch = TelemetryBatch(limits: LogLimits())
    batch.records.beginRecord(partition: 0)
    EventEncoder.append(
      stamp: EventStamp(identity: identity),
      source: source,
      routing: routing,
      bag: bag.span,
      body: body.span,
      to: &batch.records
    )
    guard (try? batch.records.endRecord()) != nil else { return }
    store.submit(batch) { [logger] result in
      guard case .failure(let fault) = result else { return }
      logger.warning(
        "a message of the local hub's own was not kept",
        metadata: ["identity": "\(identity)", "kind": "\(source)", "fault": "\(fault)"]
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
  ///
  /// Where nothing of it is known here, the answer is an empty twin, or 503 if `isForEdge`: an edge below
  /// may know better, and must not take emptiness for news.
  func twin(
    of identity: IdentityKey,
    isForEdge: Bool,
    reply: @escaping @Sendable (TwinReply) -> Void
  )
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
  /// The device refuses one, which is not sent again.
  func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// The connection is gone.
  func disconnected(_ identity: IdentityKey)
}

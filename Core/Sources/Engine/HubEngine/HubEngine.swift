internal import ByteIO
public import HubContract
internal import JSONTree

/// The hub's rules over identities, twins, cloud-to-device queues, policies and authorities.
///
/// A command takes what a client asks and the time, changes the storage and answers or refuses. It
/// checks before it writes: a refusal leaves nothing behind (but for bulk calls, whose elements
/// stand for themselves). What else must happen is collected as effects.
///
/// The driver runs any number of commands in one write transaction of the storage, then either
/// commits it and carries out `takeEffects()`, or undoes it and calls `transactionUndone()`. It must
/// undo when `fault` is set after a command, and answer every command of that transaction with an
/// error, because none of them is durable.
///
/// Not its business: connections (the driver maps `IdentityKey` to them), packets, direct methods
/// (`MethodBroker`, which keeps nothing) and rates (`Throttles`).
public struct HubEngine<Storage: HubStorage>: StorageRules {
  /// Where everything is kept.
  public var storage: Storage
  /// The limits that commands enforce.
  public let quotas: Quotas
  /// How cloud-to-device messages and feedback are handled.
  public let cloudToDeviceRules: CloudToDeviceRules
  /// How scheduled jobs are run.
  public var jobRules = JobRules()
  /// How uploaded files are handled.
  public var fileRules = FileRules()
  /// Answers the routes as they are now: whether and where the hub's own events go.
  private let routes: () -> RoutingTable
  /// The storage's failure in this transaction, which then must be undone.
  public package(set) var fault: StorageFault?
  /// Feedback batches that a consumer holds; forgotten at a restart, so that they come again.
  var heldFeedback: [LockToken: HeldFeedback] = [:]
  /// The same as of the last transaction that was committed.
  private var committedFeedback: [LockToken: HeldFeedback] = [:]
  /// Notifications of files that a consumer holds, and those as of the last commit, likewise.
  var heldFileNotifications: [LockToken: HeldFeedback] = [:]
  private var committedFileNotifications: [LockToken: HeldFeedback] = [:]
  /// Devices of which this transaction has changed something that configurations may depend on.
  var touchedDevices: Set<String> = []
  /// The configurations as they were last compiled.
  var compiledConfigurations: CompiledConfigurations?
  /// Methods of jobs that were handed to the driver; forgotten at a restart, so that they come again.
  var jobInvocations = JobInvocations()

  package let entropy: (Int) -> [UInt8]
  private var effects: [HubEffect] = []

  /// Creates the rules over `storage`.
  ///
  /// - Parameters:
  ///   - storage: where everything is kept.
  ///   - quotas: the limits to enforce.
  ///   - cloudToDeviceRules: how cloud-to-device messages and feedback are handled.
  ///   - routes: answers the routes; without them no event of the hub's own is made.
  ///   - entropy: answers that many random bytes, fit for keys.
  public init(
    storage: Storage,
    quotas: Quotas = Quotas(),
    cloudToDeviceRules: CloudToDeviceRules = CloudToDeviceRules(),
    routes: @escaping () -> RoutingTable = { .builtIn },
    entropy: @escaping (Int) -> [UInt8]
  ) {
    self.storage = storage
    self.quotas = quotas
    self.cloudToDeviceRules = cloudToDeviceRules
    self.routes = routes
    self.entropy = entropy
  }

  /// What can be read, as of the commands so far.
  public var view: HubView<Storage> { HubView(storage: storage, quotas: quotas) }

  /// Hands over what must be done once the transaction is durable, in order.
  public mutating func takeEffects() -> [HubEffect] {
    committedFeedback = heldFeedback
    committedFileNotifications = heldFileNotifications
    defer {
      effects = []
      touchedDevices = []
      jobInvocations.committed()
    }
    return effects
  }

  /// Forgets the effects, the holds of feedback and of notifications, and the fault of a transaction that was undone.
  public mutating func transactionUndone() {
    effects = []
    heldFeedback = committedFeedback
    heldFileNotifications = committedFileNotifications
    fault = nil
    touchedDevices = []
    compiledConfigurations = nil
    jobInvocations.undone()
  }

  /// Adds to what must be done.
  mutating func emit(_ effect: HubEffect) {
    if case .identityChanged(let key, _) = effect { touchedDevices.insert(key.deviceID) }
    effects.append(effect)
  }

  /// Whether `effect` was the last to be added, so that a second in a row says nothing new.
  func isLast(_ effect: HubEffect) -> Bool { effects.last == effect }

  /// Tells of a twin that is new or has changed, if routes ask for twins.
  mutating func noteTwin(_ twin: TwinRecord) {
    if routes().needsTwin { emit(.twinChanged(twin)) }
  }

  /// Keeps an event for the log, if routes send it anywhere; `body` is only made if they may, and nil says
  /// that nothing has happened.
  ///
  /// It is part of the transaction of its cause, so that neither is durable without the other.
  /// `twin` is the identity's, nil if it is to be read.
  mutating func emit(
    _ operation: HubEvent.Operation,
    of key: IdentityKey,
    at now: Timestamp,
    twin: TwinRecord?,
    body: () throws(HubError) -> [UInt8]?
  ) throws(HubError) {
    let routes = routes()
    guard routes.wants(operation.source), let body = try body() else { return }
    var known: JSONValue?
    if routes.needsTwin {
      var record = twin
      if record == nil {
        record = try stored { storage throws(StorageFault) in try storage.twin(key) }
      }
      known = record.map { routes.twinProjection($0) }
    }
    let event = HubEvent(key: key, operation: operation, operationTime: now, body: body)
    let correlationID = Hex.encode(random(16))
    guard let record = event.record(routes, correlationID: correlationID, twin: known) else {
      return
    }
    let outgoing = OutgoingEvent(deviceID: key.deviceID, record: record)
    try stored { storage throws(StorageFault) in try storage.append(outgoing) }
    if !isLast(.eventsWaiting) { emit(.eventsWaiting) }
  }

  /// `count` random bytes.
  func random(_ count: Int) -> [UInt8] { entropy(count) }

  /// A new lock token of 16 random bytes.
  func mintToken() throws(HubError) -> LockToken {
    guard let token = LockToken(bytes: entropy(16)) else {
      throw HubError(.serverError, "The source of randomness did not answer 16 bytes.")
    }
    return token
  }

  /// The next ETag of an identity.
  ///
  /// One counter for the hub, so that an ETag of a deleted identity never fits the one that
  /// follows it under the same ID.
  mutating func nextIdentityETag() throws(HubError) -> UInt64 {
    try stored { storage throws(StorageFault) in
      let next = try storage.counter(.identityETag) &+ 1
      try storage.setCounter(.identityETag, to: next)
      return next
    }
  }

  /// The next generation ID: ticks since year 1, later than any before (contract §1.3).
  mutating func nextGeneration(_ now: Timestamp) throws(HubError) -> String {
    let ticks = UInt64(clamping: now.ticks &- Timestamp.never.ticks)
    return try stored { storage throws(StorageFault) in
      let next = try max(storage.counter(.generation) &+ 1, ticks)
      try storage.setCounter(.generation, to: next)
      return String(next)
    }
  }
}

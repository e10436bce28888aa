import Dispatch
import GRDB
import HubContract
import HubEngine
import Platform
import Synchronization

/// The registry is missing or empty, though it had been made.
struct RegistryLost: Error {}

/// The registry database and the rules over it: one writer with group commit, many readers.
///
/// Commands run in the order in which they were submitted. All that wait when the writer gets to
/// them share one transaction and one sync, and are answered when it is durable; only then are their
/// effects carried out. When the storage fails inside a shared transaction, it is undone and each
/// command runs again in one of its own, so that a broken row answers for itself alone.
final class HubStore: Sendable {
  typealias Engine = HubEngine<SQLiteStorage>

  /// Commands at most in one transaction: bounds how long the first one waits for the last.
  private static let batchLimit = 256

  private struct Queue {
    var jobs: [any StoreJob] = []
    var isDraining = false
  }

  private let pool: DatabasePool
  private let writer = DispatchQueue(label: "orrery.store")
  private let queue = Mutex(Queue())
  /// Protected by the pool's writer: touched only inside `writeWithoutTransaction`, one at a time.
  private nonisolated(unsafe) var engine: Engine?
  private let quotas: Quotas
  /// When the registry was made.
  let creationTime: Timestamp
  private let facts: @Sendable (IdentityKey) -> ConnectionFacts
  /// Carries out what durable commands caused; called on the writer's thread, in order.
  private let carryOut: @Sendable ([HubEffect]) -> Void

  /// Opens or makes the database and brings it to the newest schema.
  ///
  /// - Parameters:
  ///   - path: The database file.
  ///   - mayBeNew: Whether a database may be made; false where a hub has been at work.
  ///   - isDurable: Whether a commit waits for the disk; false for `--ephemeral`.
  ///   - quotas: The limits to enforce.
  ///   - rules: How cloud-to-device messages are handled.
  ///   - fileRules: How uploaded files are handled.
  ///   - routes: Answers the routes, which the hub's own events take.
  ///   - facts: What is known of an identity's connection, for the conditions of configurations.
  ///   - carryOut: Told the effects of durable commands.
  /// - Throws: What SQLite says of the file; `RegistryLost`.
  init(
    path: String,
    mayBeNew: Bool,
    isDurable: Bool,
    quotas: Quotas,
    rules: CloudToDeviceRules,
    fileRules: FileRules,
    routes: @escaping @Sendable () -> RoutingTable,
    facts: @escaping @Sendable (IdentityKey) -> ConnectionFacts,
    carryOut: @escaping @Sendable ([HubEffect]) -> Void
  ) throws {
    var configuration = GRDB.Configuration()
    configuration.label = "orrery.registry"
    configuration.maximumReaderCount = 4
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA synchronous = \(isDurable ? "FULL" : "OFF")")
      try database.execute(sql: "PRAGMA cache_size = -4096")
      try database.execute(sql: "PRAGMA temp_store = MEMORY")
    }
    pool = try DatabasePool(path: path, configuration: configuration)
    let migrator = Schema.migrator()
    if !mayBeNew, try pool.read({ try migrator.appliedMigrations($0).isEmpty }) {
      try? pool.close()
      throw RegistryLost()
    }
    try migrator.migrate(pool)
    let milliseconds = try pool.read { database in
      try Int64.fetchOne(database, sql: "SELECT milliseconds FROM creation")
    }
    creationTime = Timestamp(milliseconds: milliseconds ?? 0)
    self.quotas = quotas
    self.facts = facts
    self.carryOut = carryOut
    pool.writeWithoutTransaction { database in
      engine = Engine(
        storage: SQLiteStorage(database: database),
        quotas: quotas,
        cloudToDeviceRules: rules,
        routes: routes,
        entropy: { Entropy.bytes($0) }
      )
      engine?.fileRules = fileRules
    }
  }

  /// Runs `command` with the others and answers when it is durable.
  ///
  /// - Throws: What the rules refuse, or that the storage failed.
  func write<Value: Sendable>(
    _ command: @escaping @Sendable (inout Engine) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    let result = await withCheckedContinuation { continuation in
      submit(command) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Runs `command` with the others; `completion` gets the answer on the writer's thread.
  func submit<Value: Sendable>(
    _ command: @escaping @Sendable (inout Engine) throws(HubError) -> Value,
    completion: @escaping @Sendable (Result<Value, HubError>) -> Void
  ) {
    let starts = queue.withLock { queue in
      queue.jobs.append(Job(command: command, completion: completion))
      defer { queue.isDraining = true }
      return !queue.isDraining
    }
    if starts { writer.async { self.drain() } }
  }

  /// Runs a command that nobody waits for and that must not be lost: a release, a completion.
  ///
  /// When the storage fails it is tried again every second; what the rules refuse is over.
  func submitOwed(
    _ command: @escaping @Sendable (inout Engine) throws(HubError) -> Void
  ) {
    submit(command) { result in
      guard case .failure(let error) = result,
        error.code == .serverError || error.code == .serviceUnavailable
      else { return }
      // Ends with the store: a closed one fails every command at once, once a second.
      Task { [weak self] in
        try? await Pause.sleep(for: .seconds(1))
        self?.submitOwed(command)
      }
    }
  }

  /// Reads one consistent view, which shows every command answered so far.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (HubView<SQLiteStorage>) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    let quotas = quotas
    let result: Result<Value, HubError>
    do {
      result = try await pool.read { database in
        do throws(HubError) {
          return .success(
            try body(HubView(storage: SQLiteStorage(database: database), quotas: quotas))
          )
        } catch {
          return .failure(error)
        }
      }
    } catch {
      throw HubError(.serverError, "The hub's storage failed; its log says more.")
    }
    return try result.get()
  }

  /// Reads a twin at once, on the caller's thread: some 50 µs; nil if there is none.
  ///
  /// - Throws: what SQLite says.
  func twinNow(_ key: IdentityKey) throws -> TwinRecord? {
    try pool.read { database in try SQLiteStorage(database: database).twin(key) }
  }

  /// The same on the caller's thread: for the start, before anybody waits.
  func readNow<Value>(
    _ body: (HubView<SQLiteStorage>) throws(HubError) -> Value
  ) throws -> Value {
    try pool.read { database in
      try body(HubView(storage: SQLiteStorage(database: database), quotas: quotas))
    }
  }

  /// Reads a device's identity at once, on the caller's thread; nil if there is none.
  ///
  /// - Throws: what SQLite says.
  func identityNow(_ deviceID: String) throws -> DeviceIdentity? {
    try pool.read { database in try SQLiteStorage(database: database).device(deviceID) }
  }

  /// Copies the database, as of one moment, into a new file at `path`, while commands go on.
  func backUp(to path: String) throws {
    let destination = try DatabaseQueue(path: path)
    try pool.backup(to: destination)
    try destination.close()
  }

  /// Waits for what was submitted, then closes the database.
  func close() {
    writer.sync { drain() }
    // So that the file alone is the registry: somebody may copy it without what stands beside it.
    _ = try? pool.writeWithoutTransaction { database in try database.checkpoint(.truncate) }
    try? pool.close()
  }

  private func drain() {
    while true {
      let jobs = queue.withLock { queue -> [any StoreJob] in
        let count = min(queue.jobs.count, Self.batchLimit)
        let taken = Array(queue.jobs[..<count])
        queue.jobs.removeFirst(count)
        if taken.isEmpty { queue.isDraining = false }
        return taken
      }
      if jobs.isEmpty { return }
      switch run(jobs) {
      case .success(let effects): finish(jobs, effects)
      case .failure(let fault) where jobs.count == 1: jobs[0].finish(HubError(fault))
      case .failure:
        for job in jobs {
          switch run([job]) {
          case .success(let effects): finish([job], effects)
          case .failure(let fault): job.finish(HubError(fault))
          }
        }
      }
    }
  }

  /// Answers `jobs`, which are durable, and carries out what they caused.
  ///
  /// Answers go before effects: a client that asked for its twin before a change must not hear of the
  /// change first.
  private func finish(_ jobs: [any StoreJob], _ effects: [HubEffect]) {
    let early = effects.filter(\.precedesAnswers)
    if !early.isEmpty { carryOut(early) }
    for job in jobs { job.finish(nil) }
    if effects.count > early.count { carryOut(effects.filter { !$0.precedesAnswers }) }
  }

  /// Runs `jobs` in one transaction; answers what they caused, or the fault if it was undone.
  private func run(_ jobs: [any StoreJob]) -> Result<[HubEffect], StorageFault> {
    do {
      let effects = try pool.writeWithoutTransaction { database -> [HubEffect] in
        guard engine != nil else { throw StorageFault(.failed, "the store is closed") }
        engine?.storage = SQLiteStorage(database: database)
        do {
          try database.beginTransaction(.immediate)
          for job in jobs {
            guard engine?.run(job) == true else {
              throw engine?.fault ?? StorageFault(.failed, "a command failed")
            }
          }
          let now = Timestamp(ticks: SystemClock.wallTicks())
          guard engine?.settle(facts: facts, now: now) == true else {
            throw engine?.fault ?? StorageFault(.failed, "the configurations did not settle")
          }
          try database.commit()
        } catch {
          if database.isInsideTransaction { try? database.rollback() }
          engine?.transactionUndone()
          throw error
        }
        return engine?.takeEffects() ?? []
      }
      return .success(effects)
    } catch let fault as StorageFault {
      return .failure(fault)
    } catch {
      return .failure(StorageFault(sqlite: error))
    }
  }
}

/// A command that waits for its transaction.
private protocol StoreJob: AnyObject {
  func run(_ engine: inout HubStore.Engine)
  /// Answers the submitter; `undone` is why nothing of it is durable.
  func finish(_ undone: HubError?)
}

extension HubStore.Engine {
  /// Runs `job`; false if the storage failed meanwhile.
  fileprivate mutating func run(_ job: any StoreJob) -> Bool {
    job.run(&self)
    return fault == nil
  }

  /// Lets the configurations follow what the jobs have changed; false if the storage failed.
  fileprivate mutating func settle(
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) -> Bool {
    do throws(HubError) {
      try settleConfigurations(facts: facts, now: now)
      return true
    } catch {
      return false
    }
  }
}

/// Confined to the store's writer once submitted.
private final class Job<Value: Sendable>: StoreJob {
  private let command: @Sendable (inout HubStore.Engine) throws(HubError) -> Value
  private let completion: @Sendable (Result<Value, HubError>) -> Void
  private var result: Result<Value, HubError>?

  init(
    command: @escaping @Sendable (inout HubStore.Engine) throws(HubError) -> Value,
    completion: @escaping @Sendable (Result<Value, HubError>) -> Void
  ) {
    self.command = command
    self.completion = completion
  }

  func run(_ engine: inout HubStore.Engine) {
    do throws(HubError) {
      result = .success(try command(&engine))
    } catch {
      result = .failure(error)
    }
  }

  func finish(_ undone: HubError?) {
    if let undone {
      completion(.failure(undone))
    } else {
      completion(result ?? .failure(HubError(.serverError, "The command did not run.")))
    }
  }
}

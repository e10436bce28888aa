import GRDB
import HubContract
import HubEngine
import Platform
import ProvisioningEngine
import Synchronization

/// The provisioning database and the rules over it: one writer, many readers.
final class ProvisioningStore: Sendable {
  typealias Engine = ProvisioningEngine<SQLiteProvisioningStorage>
  typealias View = ProvisioningView<SQLiteProvisioningStorage>

  /// The ID scope that devices name, made with the database.
  let scope: String
  let rules: ProvisioningRules
  /// Counts the changes of enrollments, so that what was found by them is known to be old.
  let enrollmentChanges = Atomic<UInt64>(0)
  private let pool: DatabasePool
  private let inspectNow: @Sendable (String, String) -> ProvisioningResult?
  /// Protected by the pool's writer: touched only inside `writeWithoutTransaction`, one at a time.
  private nonisolated(unsafe) let running = RunningOperations()

  /// Opens or makes the database.
  ///
  /// - Parameters:
  ///   - path: The database file.
  ///   - isDurable: Whether a commit waits for the disk.
  ///   - hubs: The hubs that devices are assigned to.
  ///   - quotas: What a twin may hold.
  ///   - issuers: The authorities that issue certificates to devices, by name.
  ///   - inspectNow: Inspects a hub on the writer's thread, if that takes no asking.
  /// - Throws: What SQLite says of the file.
  init(
    path: String,
    isDurable: Bool,
    hubs: [LinkedHub],
    quotas: Quotas,
    issuers: Set<String>,
    inspectNow: @escaping @Sendable (String, String) -> ProvisioningResult?
  ) throws {
    var configuration = Configuration()
    configuration.label = "orrery.provisioning"
    configuration.maximumReaderCount = 2
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA synchronous = \(isDurable ? "FULL" : "OFF")")
      try database.execute(sql: "PRAGMA cache_size = -2048")
    }
    let pool = try DatabasePool(path: path, configuration: configuration)
    try SQLiteProvisioningStorage.migrator().migrate(pool)
    let scope = try pool.write { database in
      var storage = SQLiteProvisioningStorage(database: database)
      if let scope = try storage.scope() { return scope }
      let digits = Array("0123456789ABCDEF")
      let scope =
        "0ne" + String(Entropy.bytes(4).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
      try storage.setScope(scope)
      return scope
    }
    self.pool = pool
    self.inspectNow = inspectNow
    self.scope = scope
    var rules = ProvisioningRules(scope: scope, hubs: hubs)
    rules.quotas = quotas
    rules.issuers = issuers
    self.rules = rules
  }

  /// Runs `command` in a transaction of its own and answers when it is durable.
  ///
  /// - Throws: What the rules refuse, which leaves nothing behind, or that the storage failed.
  func write<Value: Sendable>(
    _ command: @escaping @Sendable (inout Engine) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    do {
      return try await pool.writeWithoutTransaction { [self] database in
        try transact(database, command)
      }
    } catch let error as HubError {
      throw error
    } catch let fault as StorageFault {
      throw HubError(fault)
    } catch {
      throw HubError(StorageFault(sqlite: error))
    }
  }

  private func transact<Value>(
    _ database: Database,
    _ command: (inout Engine) throws(HubError) -> Value
  ) throws -> Value {
    var engine = Engine(
      storage: SQLiteProvisioningStorage(database: database, running: running),
      rules: rules,
      readCertificate: { CertificateSummary(PresentedCertificate([UInt8]($0.utf8))) },
      inspectNow: inspectNow,
      entropy: { Entropy.bytes($0) }
    )
    do {
      try database.beginTransaction(.immediate)
      let value = try command(&engine)
      if let fault = engine.fault { throw fault }
      try database.commit()
      if running.hasEnrollmentChanged {
        running.hasEnrollmentChanged = false
        enrollmentChanges.add(1, ordering: .acquiringAndReleasing)
      }
      return value
    } catch {
      running.forget()
      if database.isInsideTransaction { try? database.rollback() }
      throw error
    }
  }

  /// Reads one consistent view, which shows every command answered so far.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (View) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    let rules = rules
    do {
      return try await pool.read { database in
        try body(View(storage: SQLiteProvisioningStorage(database: database), rules: rules))
      }
    } catch let error as HubError {
      throw error
    } catch {
      throw HubError(StorageFault(sqlite: error))
    }
  }

  /// Reads a few rows at once, on the caller's thread: some 50 µs, less than the way to another one.
  func readNow<Value>(_ body: (View) throws(HubError) -> Value) throws(HubError) -> Value {
    do {
      return try pool.read { database in
        try body(View(storage: SQLiteProvisioningStorage(database: database), rules: rules))
      }
    } catch let error as HubError {
      throw error
    } catch {
      throw HubError(StorageFault(sqlite: error))
    }
  }

  /// Copies the database, as of one moment, into a new file at `path`.
  func backUp(to path: String) throws {
    let destination = try DatabaseQueue(path: path)
    try pool.backup(to: destination)
    try destination.close()
  }

  func close() { try? pool.close() }
}

extension CertificateSummary {
  /// What is kept of a certificate; nil for none.
  init?(_ presented: PresentedCertificate?) {
    guard let presented, let sha1 = Thumbprint(hex: presented.sha1Thumbprint),
      let sha256 = Thumbprint(hex: presented.sha256Thumbprint)
    else { return nil }
    let validity = presented.validity
    self.init(
      der: presented.der,
      subjectName: presented.subject,
      issuerName: presented.issuer,
      sha1: sha1,
      sha256: sha256,
      notBefore: Timestamp(seconds: validity.from),
      notAfter: Timestamp(seconds: validity.to),
      serialNumber: presented.serialNumber,
      version: 3,
      isAuthority: presented.isAuthority
    )
  }
}

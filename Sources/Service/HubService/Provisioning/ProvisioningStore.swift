import GRDB
import HubContract
import HubEngine
import Platform
import ProvisioningEngine

/// The provisioning database and the rules over it: one writer, many readers.
final class ProvisioningStore: Sendable {
  typealias Engine = ProvisioningEngine<SQLiteProvisioningStorage>
  typealias View = ProvisioningView<SQLiteProvisioningStorage>

  /// The ID scope that devices name, made with the database.
  let scope: String
  let rules: ProvisioningRules
  private let pool: DatabasePool

  /// Opens or makes the database; `isDurable` says whether a commit waits for the disk.
  init(path: String, isDurable: Bool, hubs: [LinkedHub], quotas: Quotas) throws {
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
    self.scope = scope
    var rules = ProvisioningRules(scope: scope, hubs: hubs)
    rules.quotas = quotas
    rules.issuers = [DeviceIssuer.name]
    self.rules = rules
  }

  /// Runs `command` in a transaction of its own and answers when it is durable.
  ///
  /// - Throws: What the rules refuse, which leaves nothing behind, or that the storage failed.
  func write<Value: Sendable>(
    _ command: @escaping @Sendable (inout Engine) throws(HubError) -> Value
  ) async throws(HubError) -> Value {
    let rules = rules
    do {
      return try await pool.write { database in
        var engine = Engine(
          storage: SQLiteProvisioningStorage(database: database),
          rules: rules,
          readCertificate: { CertificateSummary(PresentedCertificate([UInt8]($0.utf8))) },
          entropy: { Entropy.bytes($0) }
        )
        let value = try command(&engine)
        if let fault = engine.fault { throw fault }
        return value
      }
    } catch let error as HubError {
      throw error
    } catch let fault as StorageFault {
      throw HubError(fault)
    } catch {
      throw HubError(StorageFault(sqlite: error))
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

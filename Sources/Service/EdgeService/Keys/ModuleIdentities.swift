import ByteIO
import HubContract
import JSONTree
package import Logging
import Platform

/// The module identities of one device: asks the hub, or its parent, with the device's credential, and
/// answers from what it last heard where there is no network (contract §4.3).
///
/// Keys are made here and given to the hub, never the other way round.
package actor ModuleIdentities {
  /// The vendor's service asks with a preview of the same calls.
  private static let version = "2021-04-12"

  private let account: DeviceAccount
  private let settings: EdgeSettings
  private let store: KeyStore
  private let time: KnownTime
  private let environment: [String: String]
  private var client: CloudClient?
  private let logger: Logger
  private var cache: IdentityCache
  /// Whether the last request got no answer: told once.
  private var isOffline = false

  /// The identities of the device; `close` them.
  package init(
    account: DeviceAccount,
    settings: EdgeSettings,
    store: KeyStore,
    time: KnownTime,
    environment: [String: String],
    logger: Logger
  ) {
    self.account = account
    self.settings = settings
    self.store = store
    self.time = time
    self.environment = environment
    self.logger = logger
    cache = IdentityCache(
      directory: settings.paths.data(of: .keys),
      identity: account.identity
    )
  }

  /// What is known of a module without asking anybody.
  package func known(_ moduleID: String) -> ModuleIdentityRecord? { cache.modules[moduleID] }

  /// All that is known without asking anybody.
  package var allKnown: [ModuleIdentityRecord] { cache.all }

  package func close() async { await client?.close() }

  /// The files of the device's certificate have another one: what comes now shows that.
  func proofChanged() {
    guard let old = client else { return }
    client = nil
    // Nobody waits for it: requests that are under way end first.
    Task { [seconds = settings.cloudTimeoutSeconds] in
      try? await Pause.sleep(for: .seconds(seconds * 2 + 20))
      await old.close()
    }
  }

  /// All modules of the device.
  ///
  /// - Throws: `IdentityFault`.
  package func list() async throws -> [ModuleIdentityRecord] {
    if settings.prefersIdentityCache, !cache.modules.isEmpty { return cache.all }
    do throws(IdentityFault) {
      let answer = try await call("GET", nil)
      let records = (answer.arrayValue ?? []).compactMap(ModuleIdentityRecord.init)
      try replace(records)
      return records.sorted { $0.moduleID < $1.moduleID }
    } catch {
      guard case .noNetwork = error else { throw error }
      return cache.all
    }
  }

  /// A module of the device.
  ///
  /// - Throws: `IdentityFault`.
  package func get(_ moduleID: String) async throws(IdentityFault) -> ModuleIdentityRecord {
    if settings.prefersIdentityCache, let known = cache.modules[moduleID] { return known }
    do throws(IdentityFault) {
      let record = try record(try await call("GET", moduleID))
      try keep(record)
      return record
    } catch {
      if case .notFound = error {
        try forget(moduleID)
      }
      guard case .noNetwork = error, let known = cache.modules[moduleID] else { throw error }
      return known
    }
  }

  /// Makes a module, or finds it, and lets the hub have the keys that it has here.
  ///
  /// `managedBy` of a module that exists is changed where it is given and differs.
  ///
  /// - Throws: `IdentityFault`; without a network a module that is known is answered as it is.
  package func put(
    _ moduleID: String,
    managedBy: String?
  ) async throws(IdentityFault) -> ModuleIdentityRecord {
    guard ModuleID.isValid(moduleID) else {
      throw .refused(status: 400, "'\(moduleID)' is no valid module ID")
    }
    if settings.prefersIdentityCache, let known = cache.modules[moduleID],
      managedBy == nil || managedBy == known.managedBy
    {
      return known
    }
    do throws(IdentityFault) {
      let record = try await ensured(moduleID, managedBy)
      try keep(record)
      return record
    } catch {
      guard case .noNetwork = error, let known = cache.modules[moduleID] else { throw error }
      return known
    }
  }

  /// Removes a module; one that is not there is no fault.
  ///
  /// - Throws: `IdentityFault`, without a network too.
  package func delete(_ moduleID: String) async throws(IdentityFault) {
    do throws(IdentityFault) {
      _ = try await call("DELETE", moduleID, headers: [("If-Match", "*")])
    } catch {
      guard case .notFound = error else { throw error }
    }
    try forget(moduleID)
  }

  private func ensured(
    _ moduleID: String,
    _ managedBy: String?
  ) async throws(IdentityFault) -> ModuleIdentityRecord {
    var answer: JSONValue
    do throws(IdentityFault) {
      answer = try await call("GET", moduleID)
    } catch {
      guard case .notFound = error else { throw error }
      answer = try await create(moduleID, managedBy)
    }
    let found = try record(answer)
    let record = ModuleIdentityRecord(
      moduleID: moduleID,
      generationID: found.generationID,
      managedBy: managedBy ?? found.managedBy
    )
    guard let primary = key(.primary, of: record), let secondary = key(.secondary, of: record)
    else {
      throw .refused(status: 500, "no key")
    }
    let atHub = answer["authentication"]?["symmetricKey"]
    if atHub?["primaryKey"]?.stringValue == primary,
      atHub?["secondaryKey"]?.stringValue == secondary, record == found
    {
      return record
    }
    var body = body(moduleID, record.managedBy)
    body["generationId"] = .string(record.generationID)
    body["authentication"] = [
      "type": "sas",
      "symmetricKey": ["primaryKey": .string(primary), "secondaryKey": .string(secondary)],
    ]
    _ = try await call("PUT", moduleID, headers: [("If-Match", "*")], body: .object(body))
    return record
  }

  private func create(
    _ moduleID: String,
    _ managedBy: String?
  ) async throws(IdentityFault) -> JSONValue {
    var body = body(moduleID, managedBy ?? "")
    body["authentication"] = ["type": "none"]
    do throws(IdentityFault) {
      return try await call("PUT", moduleID, body: .object(body))
    } catch {
      // Somebody else, or this request before its answer was lost.
      guard case .refused(status: 409, _) = error else { throw error }
      return try await call("GET", moduleID)
    }
  }

  private func body(_ moduleID: String, _ managedBy: String) -> JSONObject {
    var body: JSONObject = [
      "moduleId": .string(moduleID), "deviceId": .string(account.identity.deviceID),
    ]
    if !managedBy.isEmpty { body["managedBy"] = .string(managedBy) }
    return body
  }

  private func key(_ use: KeyStore.Use, of record: ModuleIdentityRecord) -> String? {
    store.key(use, moduleID: record.moduleID, generationID: record.generationID)?.base64
  }

  private func record(_ answer: JSONValue) throws(IdentityFault) -> ModuleIdentityRecord {
    guard let record = ModuleIdentityRecord(json: answer) else {
      throw .noNetwork("the hub's answer is no module")
    }
    return record
  }

  private func keep(_ record: ModuleIdentityRecord) throws(IdentityFault) {
    do throws(FileFault) {
      try cache.set(record)
    } catch {
      throw unkept(error)
    }
  }

  private func forget(_ moduleID: String) throws(IdentityFault) {
    do throws(FileFault) {
      try cache.remove(moduleID)
    } catch {
      throw unkept(error)
    }
  }

  private func replace(_ records: [ModuleIdentityRecord]) throws(IdentityFault) {
    do throws(FileFault) {
      try cache.replace(records)
    } catch {
      throw unkept(error)
    }
  }

  /// Unkept, the next start without a network would not know it.
  private func unkept(_ fault: FileFault) -> IdentityFault { .refused(status: 500, "\(fault)") }
}

extension ModuleIdentities {
  private func call(
    _ method: String,
    _ moduleID: String?,
    headers: [(String, String)] = [],
    body: JSONValue? = nil
  ) async throws(IdentityFault) -> JSONValue {
    let identity = account.identity
    let module = moduleID.map { "/" + PercentCoding.encode($0) } ?? ""
    let url =
      "https://\(settings.authority(of: identity))/devices/"
      + PercentCoding.encode(identity.deviceID) + "/modules\(module)?api-version=\(Self.version)"
    let proof: [(String, String)]
    do {
      proof = try await account.headers(now: time.seconds)
    } catch {
      throw .refused(status: 500, "the device's key does not sign: \(error)")
    }
    let client: CloudClient
    do throws(SettingsFault) {
      if let made = self.client { client = made } else { client = try makeClient() }
    } catch {
      // A file that is missing today may be there tomorrow; what is known here goes on meanwhile.
      throw offline("\(error)")
    }
    self.client = client
    let answer: CloudClient.Answer
    do throws(CloudClient.Failure) {
      answer = try await client.send(method, url, headers: proof + headers, body: body)
    } catch {
      throw offline("\(error)")
    }
    switch answer.status {
    case 200..<300:
      tell(nil)
      return answer.body
    case 404: throw .notFound(answer.message)
    // An answer 500 of a parent tells of its own link (contract §4.3).
    case 408, 429, 500...: throw offline("it answered \(answer.message)")
    default: throw .refused(status: answer.status, answer.message)
    }
  }

  private func makeClient() throws(SettingsFault) -> CloudClient {
    var files: (chain: String, privateKey: String)?
    if case .certificate(let chain, let privateKey) = account.credential {
      files = (chain, privateKey)
    }
    return try CloudClient(
      authorities: settings.upstreamAuthorities,
      identity: files,
      proxy: settings.proxy(environment, for: account.identity.upstreamHostName),
      seconds: settings.cloudTimeoutSeconds,
      retries: settings.cloudRetries,
      saw: { [time] in time.saw($0) }
    )
  }

  private func offline(_ reason: String) -> IdentityFault {
    tell(reason)
    return .noNetwork(reason)
  }

  private func tell(_ reason: String?) {
    guard isOffline != (reason != nil) else { return }
    isOffline = reason != nil
    let host: Logger.Metadata = ["host": "\(account.identity.upstreamHostName)"]
    if let reason {
      logger.warning(
        "the hub does not answer; identities are answered as they were last known",
        metadata: host.merging(["reason": "\(reason)"]) { first, _ in first }
      )
    } else {
      logger.notice("the hub answers again", metadata: host)
    }
  }
}

/// Why an identity call did not do what it should.
package enum IdentityFault: Error, Equatable, Sendable {
  /// The hub did not answer, and nothing is known here.
  case noNetwork(String)
  /// There is no such module, or no such device.
  case notFound(String)
  /// The hub refuses.
  case refused(status: Int, String)
}

extension EdgeSettings {
  /// Host and port of what is above.
  func authority(of identity: EdgeIdentity) -> String {
    let host = identity.upstreamHostName
    let name = SASResource(decoded: host).host
    guard name.utf8.count == host.utf8.count else { return host }
    let isAddress = host.utf8.contains(UInt8(ascii: ":")) && !host.hasPrefix("[")
    let bracketed = isAddress ? "[\(host)]" : host
    return upstream.httpsPort == 443 ? bracketed : "\(bracketed):\(upstream.httpsPort)"
  }
}

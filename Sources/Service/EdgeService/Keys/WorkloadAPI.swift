import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import JSONTree
package import Logging
import Platform

/// What modules ask for on their sockets: signatures, encryption, certificates (contract §4.4).
///
/// Whoever can reach a module's socket is that module (DIFF 11). The generation in a path must be the
/// module's own; the two system modules may also say `0`, for what has to work before the hub was ever
/// reached: certificates, and secrets that outlive a new identity.
package struct WorkloadAPI: Sendable {
  /// Who is at the other end.
  package enum Caller: Equatable, Sendable {
    /// This module.
    case module(String)
    /// Any module of the device: a socket for all, in development.
    case anyModule
  }

  /// The versions that clients may ask for; all have the same calls.
  package static let versions = [
    "2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05", "2020-07-07", "2021-12-07",
    "2022-08-03",
  ]
  /// The version that our own clients ask for.
  package static let newestVersion = LocalClient.newestVersion
  /// The generation that the system modules may say before the hub told them theirs.
  package static let noGeneration = "0"

  private let settings: EdgeSettings
  private let device: EdgeDevice
  private let store: KeyStore
  private let authority: EdgeAuthority
  private let time: KnownTime
  private let logger: Logger

  package init(
    settings: EdgeSettings,
    device: EdgeDevice,
    store: KeyStore,
    authority: EdgeAuthority,
    time: KnownTime,
    logger: Logger
  ) {
    self.settings = settings
    self.device = device
    self.store = store
    self.authority = authority
    self.time = time
    self.logger = logger
  }

  /// Answers a request.
  ///
  /// - Throws: `LocalRefusal`.
  package func respond(to request: LocalRequest, from caller: Caller) async throws -> LocalAnswer {
    try Self.checkVersion(request)
    let call = try Self.call(request)
    if let moduleID = call.moduleID, caller != .anyModule, caller != .module(moduleID) {
      throw LocalRefusal(.forbidden, "this socket is not that of module \(moduleID)")
    }
    do {
      return try await answer(call, request.body, caller)
    } catch let fault as WorkloadBody.Fault {
      throw LocalRefusal(.badRequest, "\(fault)")
    }
  }

  private static func call(_ request: LocalRequest) throws(LocalRefusal) -> WorkloadCall {
    do throws(WorkloadCall.Fault) {
      return try WorkloadCall(method: request.method.rawValue, target: request.target)
    } catch {
      switch error {
      case .unknown: throw unknownPath(request)
      case .moduleID: throw LocalRefusal(.badRequest, "the path has no valid module ID")
      }
    }
  }

  private func answer(
    _ call: WorkloadCall,
    _ body: [UInt8],
    _ caller: Caller
  ) async throws -> LocalAnswer {
    switch call {
    case .trustBundle: return try await trustBundle()
    case .manifestTrustBundle: return LocalAnswer(.ok, ["certificate": ""])
    case .modules: return try await modules()
    case .identity: return try await identity(caller)
    case .identityCertificate(let moduleID): return try await identityCertificate(moduleID)
    case .serverCertificate(let subject):
      try await check(subject)
      let name = try WorkloadBody(body).hostName("commonName")
      return try await serverCertificate(subject.moduleID, name)
    case .sign(let subject): return try await sign(subject, WorkloadBody(body))
    case .encrypt(let subject): return try await encrypt(subject, WorkloadBody(body))
    case .decrypt(let subject): return try await decrypt(subject, WorkloadBody(body))
    }
  }

  static func checkVersion(_ request: LocalRequest) throws(LocalRefusal) {
    guard let version = request.target.query["api-version"] else {
      throw LocalRefusal(.badRequest, "the query parameter api-version is missing")
    }
    guard versions.contains(version) else {
      throw LocalRefusal(
        .badRequest,
        "api-version \(version.prefix(32)) is not known; use \(newestVersion)"
      )
    }
  }

  static func unknownPath(_ request: LocalRequest) -> LocalRefusal {
    LocalRefusal(.notFound, "there is no \(request.method) /\(request.path.joined(separator: "/"))")
  }

  private func check(_ subject: WorkloadCall.Subject) async throws(LocalRefusal) {
    if subject.generationID == Self.noGeneration, ModuleID.isReserved(subject.moduleID) { return }
    _ = try await record(subject)
  }

  private func record(
    _ subject: WorkloadCall.Subject
  ) async throws(LocalRefusal) -> ModuleIdentityRecord {
    let (_, modules) = try await device.known()
    guard let record = await modules.known(subject.moduleID) else {
      throw LocalRefusal(.notFound, "there is no module \(subject.moduleID)")
    }
    guard record.generationID == subject.generationID else {
      throw LocalRefusal(.notFound, "module \(subject.moduleID) has another generation")
    }
    return record
  }

  private func sign(
    _ subject: WorkloadCall.Subject,
    _ body: WorkloadBody
  ) async throws -> LocalAnswer {
    // Without an identity at the hub nobody could tell what it signed.
    let record = try await record(subject)
    let digest = store.sign(
      try body.bytes("data"),
      moduleID: subject.moduleID,
      generationID: record.generationID
    )
    return LocalAnswer(.ok, ["digest": .string(Base64.encode(digest))])
  }

  private func encrypt(
    _ subject: WorkloadCall.Subject,
    _ body: WorkloadBody
  ) async throws -> LocalAnswer {
    try await check(subject)
    let ciphertext = try store.encrypt(
      try body.bytes("plaintext"),
      vector: try body.bytes("initializationVector"),
      moduleID: subject.moduleID,
      generationID: subject.generationID
    )
    return LocalAnswer(.ok, ["ciphertext": .string(Base64.encode(ciphertext))])
  }

  private func decrypt(
    _ subject: WorkloadCall.Subject,
    _ body: WorkloadBody
  ) async throws -> LocalAnswer {
    try await check(subject)
    let plaintext = store.decrypt(
      try body.bytes("ciphertext"),
      vector: try body.bytes("initializationVector"),
      moduleID: subject.moduleID,
      generationID: subject.generationID
    )
    guard let plaintext else {
      throw LocalRefusal(
        .badRequest,
        "this was not encrypted for module \(subject.moduleID) of this generation with this vector"
      )
    }
    return LocalAnswer(.ok, ["plaintext": .string(Base64.encode(plaintext))])
  }
}

extension WorkloadAPI {
  /// What names the edge CA: the device, or this machine while that is not known.
  private var authorityName: String {
    get async { await device.identity?.deviceID ?? settings.hostName }
  }

  private func serverCertificate(
    _ moduleID: String,
    _ name: String
  ) async throws -> LocalAnswer {
    var names = [name, moduleID.first == "$" ? String(moduleID.dropFirst()) : moduleID]
    if moduleID == ModuleID.edgeHub {
      names += [settings.hostName] + settings.aliases + ["localhost"] + SystemName.addresses()
    }
    var unique: [String] = []
    for name in names where HostName.isValid(name) && !unique.contains(name) {
      unique.append(name)
    }
    let credential = try authority.serverCredential(
      names: unique,
      deviceID: await authorityName,
      now: time.judged
    )
    return answer(credential)
  }

  private func identityCertificate(_ moduleID: String) async throws -> LocalAnswer {
    let (identity, modules) = try await device.known()
    guard await modules.known(moduleID) != nil else {
      throw LocalRefusal(.notFound, "there is no module \(moduleID)")
    }
    let credential = try authority.clientCredential(
      moduleID: moduleID,
      uri: "azureiot://\(identity.hubName)/devices/\(identity.deviceID)/modules/\(moduleID)",
      deviceID: identity.deviceID,
      now: time.judged
    )
    return answer(credential)
  }

  private func answer(_ credential: EdgeAuthority.Credential) -> LocalAnswer {
    LocalAnswer(
      .created,
      [
        "privateKey": ["type": "key", "bytes": .string(credential.privateKeyPEM)],
        "certificate": .string(credential.chainPEM),
        "expiration": .string(Timestamp(seconds: credential.expirySeconds).iso8601),
      ]
    )
  }

  /// The edge's own anchor, and what the operator adds.
  private func trustBundle() async throws -> LocalAnswer {
    var pem = try authority.anchor(deviceID: await authorityName, now: time.judged)
    if let path = settings.trustBundle {
      do throws(FileFault) {
        let bytes = try PrivateFile.read(path, limit: 1 << 20)
        pem += "\n" + String(decoding: bytes, as: UTF8.self)
      } catch {
        throw SettingsFault("trust_bundle_cert: \(error)", remedy: error.remedy)
      }
    }
    return LocalAnswer(.ok, ["certificate": .string(pem)])
  }

  /// The modules as the agent tells them.
  private func modules() async throws -> LocalAnswer {
    let agent = LocalClient(.unix(path: settings.paths.managementSocket))
    let answer: Result<JSONValue, LocalClient.Failure>
    do throws(LocalClient.Failure) {
      answer = .success(try await agent.call("GET", ["modules"]))
    } catch {
      answer = .failure(error)
    }
    await agent.close()
    switch answer {
    case .success(let body): return LocalAnswer(.ok, body)
    case .failure: throw LocalRefusal(.serviceUnavailable, "the agent does not answer")
    }
  }

  /// Who the caller is; ours: roles learn from it what the provisioning service said.
  private func identity(_ caller: Caller) async throws -> LocalAnswer {
    let (identity, modules) = try await device.known()
    var body: JSONObject = [
      "hubHostName": .string(identity.hubHostName),
      "deviceId": .string(identity.deviceID),
      "hostName": .string(settings.hostName),
      "time": .string(time.timestamp.iso8601),
    ]
    body["parentHostName"] = identity.parentHostName.map { .string($0) }
    if case .module(let moduleID) = caller {
      body["moduleId"] = .string(moduleID)
      let known = await modules.known(moduleID)
      body["generationId"] = .string(known?.generationID ?? Self.noGeneration)
    }
    return LocalAnswer(.ok, .object(body))
  }
}

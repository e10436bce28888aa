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
    let path = request.path
    switch (request.method, path.count) {
    case (.get, 1) where path[0] == "trust-bundle": return try await trustBundle()
    case (.get, 1) where path[0] == "manifest-trust-bundle":
      return LocalAnswer(.ok, ["certificate": ""])
    case (.get, 1) where path[0] == "modules": return try await modules()
    case (.get, 1) where path[0] == "identity": return try await identity(caller)
    case (.post, 4) where path[0] == "modules" && path[2] == "certificate" && path[3] == "identity":
      return try await identityCertificate(try Self.module(path[1], caller))
    case (.post, 5) where path[0] == "modules" && path[2] == "genid":
      let moduleID = try Self.module(path[1], caller)
      return try await keyed(path[4], moduleID, path[3], request)
    case (.post, 6)
    where path[0] == "modules" && path[2] == "genid" && path[4] == "certificate"
      && path[5] == "server":
      let moduleID = try Self.module(path[1], caller)
      try await check(path[3], of: moduleID)
      return try await serverCertificate(moduleID, try request.object())
    default: throw Self.unknownPath(request)
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

  /// The module of a path, if the caller may speak for it.
  private static func module(_ moduleID: String, _ caller: Caller) throws(LocalRefusal) -> String {
    guard ModuleID.isValid(moduleID) else {
      throw LocalRefusal(.badRequest, "the path has no valid module ID")
    }
    guard caller == .anyModule || caller == .module(moduleID) else {
      throw LocalRefusal(.forbidden, "this socket is not that of module \(moduleID)")
    }
    return moduleID
  }

  private func check(_ generationID: String, of moduleID: String) async throws(LocalRefusal) {
    if generationID == Self.noGeneration, ModuleID.isReserved(moduleID) { return }
    _ = try await record(moduleID, generationID)
  }

  private func record(
    _ moduleID: String,
    _ generationID: String
  ) async throws(LocalRefusal) -> ModuleIdentityRecord {
    let (_, modules) = try await device.known()
    guard let record = await modules.known(moduleID) else {
      throw LocalRefusal(.notFound, "there is no module \(moduleID)")
    }
    guard record.generationID == generationID else {
      throw LocalRefusal(.notFound, "module \(moduleID) has another generation")
    }
    return record
  }

  private func keyed(
    _ call: String,
    _ moduleID: String,
    _ generationID: String,
    _ request: LocalRequest
  ) async throws -> LocalAnswer {
    switch call {
    case "sign":
      let body = try request.object()
      // Without an identity at the hub nobody could tell what it signed.
      let record = try await record(moduleID, generationID)
      let digest = store.sign(
        try Self.bytes(body, "data"),
        moduleID: moduleID,
        generationID: record.generationID
      )
      return LocalAnswer(.ok, ["digest": .string(Base64.encode(digest))])
    case "encrypt":
      let body = try request.object()
      try await check(generationID, of: moduleID)
      let ciphertext = try store.encrypt(
        try Self.bytes(body, "plaintext"),
        vector: try Self.bytes(body, "initializationVector"),
        moduleID: moduleID,
        generationID: generationID
      )
      return LocalAnswer(.ok, ["ciphertext": .string(Base64.encode(ciphertext))])
    case "decrypt":
      let body = try request.object()
      try await check(generationID, of: moduleID)
      let plaintext = store.decrypt(
        try Self.bytes(body, "ciphertext"),
        vector: try Self.bytes(body, "initializationVector"),
        moduleID: moduleID,
        generationID: generationID
      )
      guard let plaintext else {
        throw LocalRefusal(
          .badRequest,
          "this was not encrypted for module \(moduleID) of this generation with this vector"
        )
      }
      return LocalAnswer(.ok, ["plaintext": .string(Base64.encode(plaintext))])
    default: throw Self.unknownPath(request)
    }
  }

  private static func bytes(_ body: JSONObject, _ name: String) throws(LocalRefusal) -> [UInt8] {
    guard let text = body[name]?.stringValue else {
      throw LocalRefusal(.badRequest, "the body's \(name) is missing or no text")
    }
    guard let bytes = Base64.decode(text) else {
      throw LocalRefusal(.badRequest, "the body's \(name) is not base64")
    }
    return bytes
  }
}

extension WorkloadAPI {
  /// What names the edge CA: the device, or this machine while that is not known.
  private var authorityName: String {
    get async { await device.identity?.deviceID ?? settings.hostName }
  }

  private func serverCertificate(
    _ moduleID: String,
    _ body: JSONObject
  ) async throws -> LocalAnswer {
    guard let name = body["commonName"]?.stringValue, CertificateMaker.isName(name) else {
      throw LocalRefusal(.badRequest, "the body's commonName must be a host name or an address")
    }
    var names = [name, moduleID.first == "$" ? String(moduleID.dropFirst()) : moduleID]
    if moduleID == ModuleID.edgeHub {
      names += [settings.hostName] + settings.aliases + ["localhost"] + SystemName.addresses()
    }
    var unique: [String] = []
    for name in names where CertificateMaker.isName(name) && !unique.contains(name) {
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

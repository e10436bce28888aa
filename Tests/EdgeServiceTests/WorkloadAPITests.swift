import ByteIO
import EdgeService
import Endpoints
import HTTPTypes
import HubContract
import JSONTree
import Logging
import Platform
import Testing
import X509

@Suite("The workload API (contract §4.4)")
struct WorkloadAPITests {
  private let directory: TemporaryDirectory
  private let store: KeyStore
  private let device = EdgeDevice()
  private let settings: EdgeSettings
  private let api: WorkloadAPI
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  init() throws {
    directory = try TemporaryDirectory()
    settings = try EdgeSettings(
      Array(("prefer_module_identity_cache = true\n" + EdgeSettingsTests.manual).utf8),
      file: "edge.toml",
      paths: EdgePaths(data: directory.path, run: directory.path)
    )
    let keys = settings.paths.data(of: .keys)
    try PrivateFile.makeDirectory(keys)
    store = try KeyStore(directory: keys)
    api = WorkloadAPI(
      settings: settings,
      device: device,
      store: store,
      authority: EdgeAuthority(directory: keys, settings: settings.edgeAuthority),
      time: KnownTime(directory: keys),
      logger: logger
    )
  }

  /// Lets the device be known, with module `m` and `$edgeHub` of generation `g`.
  private func provision() async throws {
    let cached: JSONValue = [
      "owner": "hub.example/e1",
      "modules": [
        ["moduleId": "m", "generationId": "g", "managedBy": "IotEdge"],
        ["moduleId": "$edgeHub", "generationId": "g"],
      ],
    ]
    try PrivateFile.replace(
      settings.paths.data(of: .keys) + "/identities.json",
      with: JSON.bytes(cached)
    )
    let time = KnownTime(directory: directory.path)
    let key = try #require(SymmetricKey(bytes: [UInt8](repeating: 1, count: 32)))
    let account = DeviceAccount(
      identity: EdgeIdentity(hubHostName: "hub.example", deviceID: "e1"),
      credential: .key(HeldKey(key))
    )
    let modules = ModuleIdentities(
      account: account,
      settings: settings,
      store: store,
      time: time,
      environment: [:],
      logger: logger
    )
    await device.isKnown(account, modules)
    // Its connections are none: the cache is preferred.
    await modules.close()
  }

  private func call(
    _ method: HTTPRequest.Method,
    _ target: String,
    _ body: String = "",
    from caller: WorkloadAPI.Caller = .module("m")
  ) async -> (status: Int, body: JSONValue) {
    do {
      let request = LocalRequest(
        method: method,
        target: try RequestTarget(target),
        body: Array(body.utf8)
      )
      let answer = try await api.respond(to: request, from: caller)
      return (answer.status.code, answer.body ?? .null)
    } catch let refusal as LocalRefusal {
      return (refusal.status.code, ["message": .string(refusal.message)])
    } catch {
      return (500, ["message": .string("\(error)")])
    }
  }

  private static let version = "?api-version=2018-06-28"

  @Test("sign: the HMAC under the key that the hub has, whatever keyId and algo say")
  func sign() async throws {
    try await provision()
    let body = "{\"keyId\":\"x\",\"algo\":\"y\",\"data\":\"AQID\"}"
    let answer = await call(.post, "/modules/m/genid/g/sign" + Self.version, body)
    let digest = Hashing.hmacSHA256(
      key: try #require(store.key(.primary, moduleID: "m", generationID: "g")).bytes,
      message: [1, 2, 3]
    )
    #expect(answer.status == 200)
    #expect(answer.body["digest"]?.stringValue == Base64.encode(digest))
  }

  @Test("encrypt and decrypt")
  func encryption() async throws {
    try await provision()
    let base = "/modules/m/genid/g/"
    let plain = "{\"plaintext\":\"AQID\",\"initializationVector\":\"BA==\"}"
    let sealed = await call(.post, base + "encrypt" + Self.version, plain)
    #expect(sealed.status == 200)
    let text = sealed.body["ciphertext"]?.stringValue ?? ""
    for (vector, status) in [("BA==", 200), ("BQ==", 400)] {
      let body = "{\"ciphertext\":\"\(text)\",\"initializationVector\":\"\(vector)\"}"
      let opened = await call(.post, base + "decrypt" + Self.version, body)
      #expect(opened.status == status)
      #expect((opened.body["plaintext"]?.stringValue == "AQID") == (status == 200))
    }
  }

  @Test("the hub's certificate has every name and address; a module's has its own")
  func serverCertificate() async throws {
    try await provision()
    let body = "{\"commonName\":\"gate.example\",\"expiration\":\"2020-01-01T00:00:00Z\"}"
    let path = "/modules/%24edgeHub/genid/g/certificate/server" + Self.version
    let hub = await call(.post, path, body, from: .module("$edgeHub"))
    #expect(hub.status == 201)
    #expect(hub.body["privateKey"]?["type"]?.stringValue == "key")
    let names = try names(hub.body)
    for name in ["gate.example", "edgeHub", "localhost"] { #expect(names.contains("\"\(name)\"")) }
    let module = await call(.post, "/modules/m/genid/g/certificate/server" + Self.version, body)
    #expect(try !self.names(module.body).contains("localhost"))
    let client = await call(.post, "/modules/m/certificate/identity" + Self.version, "{}")
    #expect(client.status == 201)
    let uri = "URI: azureiot://hub.example/devices/e1/modules/m"
    #expect(try self.names(client.body).contains(uri))
  }

  private func names(_ body: JSONValue) throws -> String {
    let pem = body["certificate"]?.stringValue ?? ""
    let leaf = pem.split(separator: "-----END CERTIFICATE-----").first ?? ""
    let certificate = try #require(
      PresentedCertificate(Array((leaf + "-----END CERTIFICATE-----").utf8))
    )
    let names = try certificate.certificate.extensions.subjectAlternativeNames
    return "\(try #require(names))"
  }

  @Test("what is wrong is refused with a message, before and after the device is known")
  func refusals() async throws {
    let sign = "/modules/m/genid/g/sign" + Self.version
    let data = "{\"data\":\"AQID\"}"
    #expect(await call(.post, sign, data).status == 503)
    #expect(await call(.get, "/identity" + Self.version).status == 503)
    try await provision()
    let rows: [(HTTPRequest.Method, String, String, Int)] = [
      (.post, "/modules/m/genid/g/sign", data, 400),
      (.post, "/modules/m/genid/g/sign?api-version=2017-01-01", data, 400),
      (.get, sign, "", 404),
      (.post, "/modules/m/genid/h/sign" + Self.version, data, 404),
      (.post, "/modules/m/genid/0/sign" + Self.version, data, 404),
      (.post, "/modules/n/genid/g/sign" + Self.version, data, 403),
      (.post, "/modules/%24edgeHub/genid/g/sign" + Self.version, data, 403),
      (.post, "/modules/m%2F..%2Fn/genid/g/sign" + Self.version, data, 400),
      (.post, "/modules/%24other/genid/g/sign" + Self.version, data, 400),
      (.post, sign, "", 400),
      (.post, sign, "{", 400),
      (.post, sign, "[]", 400),
      (.post, sign, "{}", 400),
      (.post, sign, "{\"data\":1}", 400),
      (.post, sign, "{\"data\":\"*\"}", 400),
      (.post, "/modules/m/genid/g/encrypt" + Self.version, "{\"plaintext\":\"AQ==\"}", 400),
      (.post, "/modules/m/genid/g/nothing" + Self.version, data, 404),
      (.post, "/modules/m/genid/g/certificate/server" + Self.version, "{}", 400),
      (
        .post, "/modules/m/genid/g/certificate/server" + Self.version,
        "{\"commonName\":\"a b\"}", 400
      ),
      (.post, "/modules/m/genid/g/certificate/client" + Self.version, "{}", 404),
      (.get, "/" + Self.version, "", 404),
      (.get, "/modules" + Self.version, "", 503),
    ]
    for (method, target, body, status) in rows {
      let answer = await call(method, target, body)
      #expect(answer.status == status, "\(method) \(target) \(body)")
      #expect(answer.body["message"]?.stringValue?.isEmpty == false, "\(target)")
    }
  }

  @Test("before the hub was ever reached the local hub has a certificate and keeps secrets")
  func firstStartOffline() async throws {
    let hub = WorkloadAPI.Caller.module("$edgeHub")
    let base = "/modules/$edgeHub/genid/0/"
    let certificate = "{\"commonName\":\"gate.example\"}"
    let path = base + "certificate/server" + Self.version
    #expect(await call(.post, path, certificate, from: hub).status == 201)
    let plain = "{\"plaintext\":\"AQID\",\"initializationVector\":\"BA==\"}"
    #expect(await call(.post, base + "encrypt" + Self.version, plain, from: hub).status == 200)
    #expect(await call(.get, "/trust-bundle" + Self.version, from: hub).status == 200)
    // No other module has such a right.
    let other = "/modules/m/genid/0/certificate/server" + Self.version
    #expect(await call(.post, other, certificate).status == 503)
  }

  @Test("our own client over a socket: signature, certificate, secret, token")
  func client() async throws {
    try await provision()
    let address = SocketAddressURI.unix(path: directory.path + "/w.sock")
    let api = api
    let listener = LocalListener(address, queue: RequestQueue(limit: 10), logger: logger) {
      try await api.respond(to: $0, from: .module("$edgeHub"))
    }
    let serving = Task { try await listener.run() }
    let client = WorkloadClient(address, moduleID: "$edgeHub")
    var identity: WorkloadIdentity?
    while identity == nil {
      identity = try? await client.identity()
      try await Pause.sleep(for: .milliseconds(5))
    }
    let known = try #require(identity)
    #expect(directory.mode("w.sock") == 0o666)
    #expect(known.edge == EdgeIdentity(hubHostName: "hub.example", deviceID: "e1"))
    #expect(known.isSettled)
    let sealed = try await client.encrypt([1, 2], vector: [3], generationID: "g")
    #expect(try await client.decrypt(sealed, vector: [3], generationID: "g") == [1, 2])
    let server = try await client.serverCertificate(commonName: "gate.example", generationID: "g")
    #expect(server.chainPEM.contains("BEGIN CERTIFICATE"))
    #expect(try await client.trustBundle().contains("BEGIN CERTIFICATE"))
    let credential = ModuleCredential(client, known)
    let token = try await credential.token(now: known.seconds)
    let key = try #require(store.key(.primary, moduleID: "$edgeHub", generationID: "g"))
    let signature = try SharedAccessSignature(token.text)
    #expect(signature.resource.description == "hub.example/devices/e1/modules/$edgeHub")
    #expect(signature.expirySeconds == known.seconds + 3_600)
    #expect(signature.isSigned(by: key, hmacSHA256: Hashing.hmacSHA256))
    await #expect(throws: LocalClient.Failure.self) {
      try await client.sign([1], generationID: "h")
    }
    await client.close()
    await listener.stop()
    try await serving.value
  }
}

import Endpoints
import Foundation
import HTTPTypes
import HubContract
import HubEngine
import HubService
import HummingbirdCore
import JSONTree
import Logging
import NIOCore
import Platform
import Testing

/// A hub on a folder of its own, asked by REST without a socket.
struct RESTHub {
  /// The name it answers to.
  static let host = "hub.test"

  let hub: Hub
  let service: RESTService
  let metrics: PrometheusMetrics
  /// The default policies by name.
  let policies: [String: PolicyRecord]

  /// Runs `body` on a new hub and removes it afterwards.
  static func run(
    settings: [(String, String)] = [],
    _ body: (RESTHub) async throws -> Void
  ) async throws {
    try await inFolder { try await run(in: $0, settings: settings, body) }
  }

  /// Runs `body` with an empty folder and removes it afterwards.
  static func inFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("orrery-rest-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
  }

  /// Runs `body` on the hub whose data is in `folder`, and closes it.
  static func run(
    in folder: String,
    settings: [(String, String)] = [],
    _ body: (RESTHub) async throws -> Void
  ) async throws {
    let metrics = PrometheusMetrics()
    let hub = try Hub(
      settings: try HubSettings(
        file: nil,
        environment: [:],
        overrides: [("hub.names", host), ("log.segment_bytes", "1048576")] + settings,
        isEphemeral: true
      ),
      dataDirectory: folder,
      metrics: metrics,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    try await hub.recover()
    let policies = try await hub.policies()
    let rest = RESTHub(
      hub: hub,
      service: RESTService(hub: hub),
      metrics: metrics,
      policies: Dictionary(policies.map { ($0.name, $0) }) { first, _ in first }
    )
    do {
      try await body(rest)
    } catch {
      hub.close()
      throw error
    }
    hub.close()
  }

  /// What is asked with.
  enum Credential {
    case none
    /// A token of a default policy for the whole hub.
    case policy(String)
    /// A device's or module's key.
    case key(String, device: String, module: String? = nil)
    /// The header as it is.
    case header(String)
    /// Certificates in the handshake, DER, leaf first.
    case chain([[UInt8]])
  }

  /// A token as a client makes it.
  static func token(
    _ resource: String,
    _ key: SymmetricKey,
    policy: String? = nil,
    secondsLeft: Int64 = 3600
  ) -> String {
    SharedAccessSignature.make(
      resource: resource,
      key: key,
      policy: policy,
      expirySeconds: SystemClock.wallMilliseconds() / 1000 + secondsLeft,
      hmacSHA256: { Hashing.hmacSHA256(key: $0, message: $1) }
    )
  }

  /// Sends one request; `path` is encoded already and gets the api-version unless it has a query
  /// with one, or `isVersioned` is false.
  func send(
    _ method: HTTPRequest.Method,
    _ path: String,
    as credential: Credential = .policy("iothubowner"),
    headers: [(String, String)] = [],
    body: [UInt8] = [],
    isVersioned: Bool = true
  ) async throws -> Reply {
    var fields = HTTPFields()
    for (name, value) in headers {
      fields.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value))
    }
    if !body.isEmpty, fields[.contentLength] == nil {
      fields[.contentLength] = String(body.count)
    }
    var chain: [[UInt8]] = []
    switch credential {
    case .none: break
    case .policy(let name):
      let policy = try #require(policies[name])
      fields[.authorization] = Self.token(Self.host, policy.primaryKey, policy: name)
    case .key(let base64, let device, let module):
      let key = try #require(SymmetricKey(base64: base64))
      let suffix = module.map { "/modules/\($0)" } ?? ""
      fields[.authorization] = Self.token("\(Self.host)/devices/\(device)\(suffix)", key)
    case .header(let text): fields[.authorization] = text
    case .chain(let certificates): chain = certificates
    }
    var target = path
    if isVersioned { target += (path.contains("?") ? "&" : "?") + "api-version=2021-04-12" }
    let request = Request(
      head: HTTPRequest(
        method: method,
        scheme: "https",
        authority: Self.host,
        path: target,
        headerFields: fields
      ),
      body: RequestBody(buffer: ByteBuffer(bytes: body))
    )
    let presented = chain
    let response = await service.respond(
      to: request,
      over: RESTConnection(presentedChain: { PresentedChain(presented) })
    )
    let collector = BodyCollector()
    try await response.body.write(collector)
    return Reply(
      status: response.status.code,
      headers: response.headers,
      body: collector.bytes
    )
  }

  /// The same with a body of JSON text.
  func send(
    _ method: HTTPRequest.Method,
    _ path: String,
    as credential: Credential = .policy("iothubowner"),
    headers: [(String, String)] = [],
    json: String
  ) async throws -> Reply {
    try await send(method, path, as: credential, headers: headers, body: [UInt8](json.utf8))
  }

  /// Creates a device and answers its credential.
  func device(_ id: String) async throws -> Credential {
    let path = "/devices/\(encoded(id))"
    let reply = try await send(.put, path, json: #"{"deviceId":"\#(id)"}"#)
    #expect(reply.status == 200, "\(reply)")
    let keys = try reply.json()["authentication"]?["symmetricKey"]
    return .key(try #require(keys?["primaryKey"]?.stringValue), device: id)
  }

  /// An ID as it stands in a path.
  func encoded(_ id: String) -> String {
    id.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? id
  }
}

/// An answer with its whole body.
struct Reply: CustomStringConvertible {
  let status: Int
  let headers: HTTPFields
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }
  var description: String { "\(status) \(errorCode ?? "") \(text.prefix(300))" }
  var errorCode: String? { header("iothub-errorcode") }

  func json() throws -> JSONValue { try JSON.parse(body) }

  func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }

  /// The ETag without its quotes.
  var etag: String? { header("ETag").map { $0.trimmingCharacters(in: ["\""]) } }
}

/// Keeps what a response writes.
private final class BodyCollector: ResponseBodyWriter {
  var bytes: [UInt8] = []
  func write(_ buffer: ByteBuffer) async throws { bytes += buffer.readableBytesView }
  func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

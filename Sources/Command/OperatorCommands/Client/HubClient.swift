import HubContract
import JSONTree
import Platform

/// A way to carry requests to a hub.
package protocol HubTransport: Sendable {
  /// Sends a request with its token and waits for the whole answer, whatever its status.
  ///
  /// - Throws: `CommandFailure` when there is no answer.
  func send(_ request: HubRequest, authorization: String) async throws -> HubResponse

  /// The same for a long answer: hands the body of a success to `sink` as it comes.
  ///
  /// - Throws: `CommandFailure` when there is no answer, and what `sink` throws.
  func download(
    _ request: HubRequest,
    authorization: String,
    to sink: ([UInt8]) throws -> Void
  ) async throws -> HubResponse

  /// Reads a page of the hub's listener for operators, which takes no token.
  ///
  /// - Throws: `CommandFailure` when there is no answer.
  func fetch(_ url: String) async throws -> HubResponse

  /// Ends all connections.
  func close() async
}

/// Speaks the hub's REST interface with the rights of one policy (contract §7).
struct HubClient: Sendable {
  /// Which hub, and as whom.
  let connection: HubConnection
  private let transport: any HubTransport
  private let now: @Sendable () -> Timestamp

  /// How long the tokens of requests live, in seconds: a wrong clock of a few minutes is forgiven.
  private static let tokenSeconds: Int64 = 3600

  /// A client that sends by `transport`.
  init(
    _ connection: HubConnection,
    by transport: any HubTransport,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.connection = connection
    self.transport = transport
    self.now = now
  }

  /// The same hub with the rights of another policy.
  func `as`(_ policy: String, _ key: SymmetricKey) -> HubClient {
    var connection = connection
    connection.policy = policy
    connection.key = key
    return HubClient(connection, by: transport, now: now)
  }

  /// The time of day.
  var time: Timestamp { now() }

  /// Sends a request; the answer may be a refusal.
  func send(_ request: HubRequest) async throws -> HubResponse {
    try await transport.send(request, authorization: token)
  }

  /// Sends a request that must succeed, and hands the answer's body to `sink` as it comes.
  func download(
    _ request: HubRequest,
    _ subject: String,
    to sink: ([UInt8]) throws -> Void
  ) async throws {
    let response = try await transport.download(request, authorization: token, to: sink)
    guard response.isSuccess else { throw HubRefusal.failure(response, subject: subject) }
  }

  private var token: String {
    SharedAccessSignature.make(
      resource: connection.host,
      key: connection.key,
      policy: connection.policy,
      expirySeconds: now().adding(seconds: Self.tokenSeconds).seconds,
      hmacSHA256: Hashing.hmacSHA256
    )
  }

  /// What the hub says about its readiness, nil if it cannot be asked from here.
  func readiness() async -> (isReady: Bool, text: String)? {
    guard let url = connection.adminURL, let answer = try? await transport.fetch("\(url)/readyz")
    else { return nil }
    return (answer.isSuccess, String(decoding: answer.body, as: UTF8.self).trimmed)
  }

  /// Sends a request that must succeed.
  ///
  /// `subject` says what it is about, for the message.
  @discardableResult
  func perform(_ request: HubRequest, _ subject: String) async throws -> HubResponse {
    let response = try await send(request)
    guard response.isSuccess else { throw HubRefusal.failure(response, subject: subject) }
    return response
  }

  /// Sends a request about an identity that must succeed; `detail` says more for the message.
  @discardableResult
  func perform(
    _ request: HubRequest,
    of path: IdentityPath,
    _ detail: String? = nil
  ) async throws -> HubResponse {
    let response = try await send(request)
    guard response.isSuccess else {
      let subject = [path.subject, detail].compactMap(\.self).joined(separator: ", ")
      throw HubRefusal.failure(response, subject: subject, identity: path.identity)
    }
    return response
  }

  /// Reads a JSON value of an identity.
  func get(_ segments: [String], of path: IdentityPath) async throws -> JSONValue {
    try await perform(HubRequest(.get, segments), of: path).json()
  }

  /// Reads a JSON value.
  func get(_ path: [String], _ subject: String) async throws -> JSONValue {
    try await perform(HubRequest(.get, path), subject).json()
  }
}

extension HubRequest {
  /// With a JSON body.
  func body(_ json: JSONValue) -> HubRequest {
    var request = self
    request.body = JSON.bytes(json)
    request.headers.append((name: "Content-Type", value: "application/json; charset=utf-8"))
    return request
  }

  /// With another header; nil adds none.
  func header(_ name: String, _ value: String?) -> HubRequest {
    guard let value else { return self }
    var request = self
    request.headers.append((name: name, value: value))
    return request
  }

  /// With another query parameter; nil adds none.
  func query(_ name: String, _ value: String?) -> HubRequest {
    guard let value else { return self }
    var request = self
    request.query.append((name: name, value: value))
    return request
  }

  /// With the condition that the object is still the one of `etag`; `*` takes any, nil sets none.
  func ifMatch(_ etag: String?) -> HubRequest {
    header("If-Match", etag.map { $0 == "*" || $0.hasPrefix("\"") ? $0 : ETags.quoted($0) })
  }

  /// Waiting this long for the answer.
  func timeout(seconds: Int64) -> HubRequest {
    var request = self
    request.timeoutSeconds = seconds
    return request
  }
}

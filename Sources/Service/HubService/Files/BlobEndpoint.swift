import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import NIOCore

/// Serves blobs as the storage service's REST interface does, as far as uploads and their readers use
/// it: `/<container>/<name>?<signature>` on the hub's HTTPS port.
///
/// A request passes these gates in this order: signature (401, 403), what is not served (400), the
/// signature's permissions (403), the operation's own rules.
struct BlobEndpoint {
  /// Bytes of a refused body that are read all the same: a client that still sends hears no answer.
  private static let strangerDrain: Int64 = 4 << 20
  private static let drain: Int64 = 256 << 20

  let hub: Hub
  let request: Request
  let target: RequestTarget
  let connection: RESTConnection
  let now: Timestamp

  /// Whether the body was read to its end.
  private(set) var hasReadBody = false
  /// Whether reading it has begun, which can be done once.
  private var hasBegunBody = false
  /// Whether the signature held.
  private var isAuthentic = false

  /// A request to the blob endpoint is known by what only the storage service's clients send.
  static func takes(_ request: Request, _ target: RequestTarget) -> Bool {
    target.query["sig"] != nil || request.headers[.storageVersion] != nil
  }

  init(
    hub: Hub,
    request: Request,
    target: RequestTarget,
    connection: RESTConnection,
    now: Timestamp
  ) {
    self.hub = hub
    self.request = request
    self.target = target
    self.connection = connection
    self.now = now
  }

  /// Answers the request, a refusal in the storage service's shape.
  mutating func respond(_ id: RequestID) async -> Response {
    var response: Response
    do {
      response = try await answer()
    } catch {
      let refusal = Self.refusal(error)
      if refusal.code == "AuthenticationFailed" || refusal.status == 401 {
        hub.refusals.tell(
          .https,
          "blob request refused",
          client: "signature",
          address: connection.address(),
          reason: refusal.message
        )
      }
      response =
        refusal.status == 304
        ? Response(status: .notModified)
        : BlobXML.response(BlobXML.error(refusal, id, now), status: refusal.status)
      response.headers[.field("x-ms-error-code")] = refusal.code
      await drain()
    }
    response.headers[.storageVersion] = request.headers[.storageVersion] ?? BlobHeaders.version
    if let clientID = request.headers[.field("x-ms-client-request-id")],
      clientID.utf8.count <= 1_024
    {
      response.headers[.field("x-ms-client-request-id")] = clientID
    }
    return response
  }

  private mutating func answer() async throws -> Response {
    guard let container = target.segments.first, BlobKey.isContainer(container) else {
      throw Self.badName
    }
    let signature = try BlobSignature(query: target.query)
    if target.segments.count == 1 {
      try check(signature, container: container, name: nil)
      return try await answerContainer(container, signature)
    }
    let name = target.segments.dropFirst().joined(separator: "/")
    let key = try check(signature, container: container, name: name)
    guard let key else { throw Self.badName }
    try BlobHeaders.check(request.headers)
    let operation = target.query["comp"] ?? ""
    switch (request.method, operation) {
    case (.put, ""): return try await putBlob(key, signature)
    case (.put, "block"): return try await putBlock(key, signature)
    case (.put, "blocklist"): return try await putBlockList(key, signature)
    case (.put, "appendblock"): return try await appendBlock(key, signature)
    case (.get, ""), (.head, ""): return try await getBlob(key, signature)
    case (.get, "blocklist"): return try await getBlockList(key, signature)
    case (.delete, ""): return try await deleteBlob(key, signature)
    case (.put, _), (.get, _), (.head, _), (.delete, _):
      throw BlobRefusal(
        400,
        "UnsupportedQueryParameter",
        "This hub does not serve comp=\(operation) for this method."
      )
    default:
      throw BlobRefusal(405, "UnsupportedHttpVerb", "A blob takes GET, HEAD, PUT and DELETE.")
    }
  }

  private func answerContainer(
    _ container: String,
    _ signature: BlobSignature
  ) async throws -> Response {
    guard request.method == .get, target.query["restype"] == "container",
      target.query["comp"] == "list"
    else {
      throw BlobRefusal(
        400,
        "UnsupportedQueryParameter",
        "Of a container this hub serves the list of its blobs alone: restype=container&comp=list."
      )
    }
    guard signature.permissions.contains(.list) else { throw BlobRefusal.permission }
    guard target.query["delimiter"]?.isEmpty ?? true else {
      throw BlobRefusal(400, "UnsupportedQueryParameter", "This hub does not serve delimiter.")
    }
    let asked = target.query["maxresults"].flatMap { Int($0) } ?? 5_000
    let (limit, marker) = (min(max(asked, 1), 5_000), target.query["marker"])
    let prefix = target.query["prefix"] ?? ""
    let page = try await hub.store.read { view throws(HubError) in
      try view.blobs(in: container, prefix: prefix, after: marker, limit: limit)
    }
    return BlobXML.response(
      BlobXML.list(
        page.blobs,
        container: container,
        prefix: prefix,
        next: page.hasMore ? page.blobs.last?.key.name : nil
      )
    )
  }

  /// Checks that the signature is for this blob or container, and answers which blob it is.
  @discardableResult
  private mutating func check(
    _ signature: BlobSignature,
    container: String,
    name: String?
  ) throws(BlobRefusal) -> BlobKey? {
    let key = try hub.files.check(
      signature,
      container: container,
      name: name,
      now: now,
      skewSeconds: Int64(hub.settings.skewSeconds)
    )
    isAuthentic = true
    connection.authenticated()
    return key
  }

  /// Refuses what the signature does not allow.
  func require(_ permissions: BlobPermissions, _ signature: BlobSignature) throws(BlobRefusal) {
    guard !signature.permissions.isDisjoint(with: permissions) else { throw .permission }
  }

  // MARK: Bodies

  /// The length of the body, which must be told beforehand.
  func declaredLength(limit: Int64 = FileService.requestLimit) throws(BlobRefusal) -> Int64 {
    guard let text = request.headers[.contentLength], let length = Int64(text), length >= 0 else {
      throw BlobRefusal(411, "MissingContentLengthHeader", "The header Content-Length is missing.")
    }
    guard length <= limit else {
      throw BlobRefusal(413, "RequestBodyTooLarge", "The body has more than \(limit) bytes.")
    }
    return length
  }

  /// Takes the body into a file.
  mutating func receive(
    block: String = "",
    _ digest: inout ContentDigest
  ) async throws -> BlobPart {
    let length = try declaredLength()
    try hub.files.reserve(length)
    announce()
    let part = try await hub.files.receive(
      request.body,
      byteCount: length,
      block: block,
      digest: &digest
    )
    hasReadBody = true
    return part
  }

  /// Takes a short body into memory.
  mutating func collect(limit: Int64, _ digest: inout ContentDigest) async throws -> [UInt8] {
    _ = try declaredLength(limit: limit)
    announce()
    var bytes: [UInt8] = []
    for try await buffer in request.body {
      bytes.append(contentsOf: buffer.readableBytesView)
      guard bytes.count <= limit else { break }
    }
    hasReadBody = true
    digest.update(bytes)
    try digest.check()
    return bytes
  }

  private mutating func announce() {
    hasBegunBody = true
    BodyReader(request: request, connection: connection, limit: 0).announce()
  }

  /// Reads on after a refusal, within bounds, so that the client gets to the answer.
  private mutating func drain() async {
    guard !hasBegunBody, let length = try? declaredLength(),
      length <= (isAuthentic ? Self.drain : Self.strangerDrain)
    else { return }
    announce()
    do {
      for try await _ in request.body {}
      hasReadBody = true
    } catch {}
  }

  private static let badName = BlobRefusal(
    400,
    "InvalidResourceName",
    "The path is not /<container>/<name> with a container of 3 to 63 lower-case letters, digits and hyphens."
  )

  private static func refusal(_ error: any Error) -> BlobRefusal {
    switch error {
    case let refusal as BlobRefusal: refusal
    case let error as HubError where error.code == .serviceUnavailable:
      BlobRefusal(503, "ServerBusy", error.message)
    case let error as HubError: BlobRefusal(500, "InternalError", error.message)
    case is CancellationError: BlobRefusal(503, "ServerBusy", "The hub is stopping.")
    default: BlobRefusal(500, "InternalError", "The request failed; the hub's log says more.")
    }
  }
}

extension HTTPField.Name {
  static let storageVersion = field("x-ms-version")
}

import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Platform

/// Uploaded files, for those who work with them: our own addition.
enum FileRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/files",
      id: "listFiles",
      tag: tag,
      "Lists the files of a container, a page at a time.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      parameters: ["Container", "FilePrefix", "MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page of files in the order of their names.",
          schema: "File",
          isArray: true,
          headers: ["Continuation"]
        )
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      "/files/{containerName}/{blobName}",
      id: "downloadFile",
      tag: tag,
      "Reads a file; slashes in its name are escaped.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The content.",
          schema: "Bytes",
          contentType: "application/octet-stream",
          headers: ["ETag"]
        )
      ],
      handle: download
    ),
    RESTRoute(
      .delete,
      "/files/{containerName}/{blobName}",
      id: "deleteFile",
      tag: tag,
      "Deletes a file; slashes in its name are escaped.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      parameters: ["IfMatch"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.preconditionFailed],
      handle: delete
    ),
    RESTRoute(
      .post,
      "/files/signatures",
      id: "signFile",
      tag: tag,
      "Makes a URL that lets whoever holds it do some things with a file, or with a container, for some time.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      body: .json("FileSignatureRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The URL: a secret.", schema: "FileSignature")
      ],
      handle: sign
    ),
  ]

  private static let tag = "Files"

  /// Refuses a container that its caller has no right to.
  ///
  /// Devices' uploads are for services. Other containers may hold exports with the keys of devices.
  private static func authorize(
    _ container: String,
    _ request: RESTRequest,
    _ service: RESTService
  ) throws(HubError) {
    guard case .policy(let policy) = request.caller,
      container != service.hub.settings.fileRules.container
    else { return }
    try policy.authorize(.registryWrite)
  }

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let container = request.query("container") ?? service.hub.settings.fileRules.container
    guard BlobKey.isContainer(container) else { throw badName }
    try authorize(container, request, service)
    let page = try request.page(service)
    let prefix = request.query("prefix") ?? ""
    let (blobs, hasMore) = try await service.hub.store.read { view throws(HubError) in
      try view.blobs(
        in: container,
        prefix: prefix,
        after: page.continuation.flatMap { PercentCoding.decode($0) },
        limit: page.size
      )
    }
    var response = Response.json(.array(blobs.map(\.json)))
    // A name is no header's value as it is.
    response.headers[.continuation] =
      hasMore ? blobs.last.map { PercentCoding.encode($0.key.name) } : nil
    return response
  }

  private static func download(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try key(request, service)
    guard let found = try await service.hub.files.content(of: key) else { throw missing(key) }
    return Response(
      status: .ok,
      headers: BlobHeaders.fields(of: found.record),
      body: service.hub.files.body(found, 0..<found.record.byteCount)
    )
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try key(request, service)
    let conditions = BlobConditions(ifMatch: request.header(.ifMatch))
    let result = try await service.hub.store.write { engine throws(HubError) in
      try engine.deleteBlob(key, conditions: conditions)
    }
    switch result {
    case .success: return .noContent
    case .failure(.notFound): throw missing(key)
    case .failure:
      throw HubError(
        .preconditionFailed,
        "The ETag in If-Match is not that of the file; list it again."
      )
    }
  }

  private static func sign(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let wish = try FileSignatureRequest(json: try request.json())
    let container = wish.container ?? service.hub.settings.fileRules.container
    try authorize(container, request, service)
    if let name = wish.blobName {
      guard BlobKey(container: container, name: name) != nil else { throw badName }
    }
    guard BlobKey.isContainer(container) else { throw badName }
    let expiry = Timestamp(seconds: request.now.adding(seconds: wish.seconds).seconds)
    let query = service.hub.files.sign(
      container: container,
      name: wish.blobName,
      wish.permissions,
      until: expiry
    )
    let name = wish.blobName?.utf8.split(separator: UInt8(ascii: "/")) ?? []
    let path = [container] + name.map { String(Substring($0)) }
    let host = request.hostName(of: service.hub)
    let text = path.map { PercentCoding.encode($0) }.joined(separator: "/")
    return .json([
      "url": .string("https://\(host)/\(text)?\(query)"),
      "expiryTime": .string(expiry.iso8601),
    ])
  }

  private static func key(
    _ request: RESTRequest,
    _ service: RESTService
  ) throws -> BlobKey {
    guard
      let key = BlobKey(
        container: request.parameter("containerName"),
        name: request.parameter("blobName")
      )
    else { throw badName }
    try authorize(key.container, request, service)
    return key
  }

  private static func missing(_ key: BlobKey) -> RESTRefusal {
    .notFound("There is no file \(key.name) in \(key.container).")
  }

  private static let badName = HubError(
    .argumentInvalid,
    "A container has 3 to 63 lower-case letters, digits and hyphens; a file's name at most \(BlobKey.nameLimit) bytes, and no part between slashes that is empty, . or .. ."
  )
}

extension RESTRequest {
  /// The name by which the client reached the hub, with the port that it used.
  func hostName(of hub: Hub) -> String {
    let named = http.head.authority ?? ""
    return hub.answers(to: SASResource(decoded: named).host)
      ? named : hub.settings.names.first ?? "localhost"
  }
}

extension BlobRecord {
  /// The file as lists show it.
  fileprivate var json: JSONValue {
    [
      "containerName": .string(key.container), "blobName": .string(key.name),
      "blobSizeInBytes": .int(byteCount), "contentType": .string(contentType),
      "contentMd5": md5Text.map { .string($0) } ?? .null, "etag": .string(etag),
      "createdTime": .string(createdTime.iso8601),
      "lastUpdatedTime": .string(modifiedTime.iso8601),
    ]
  }
}

import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore

// Bytes become durable first; then one transaction lets the blob have them, and the client is told.
extension BlobEndpoint {
  mutating func putBlob(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require([.create, .write], signature)
    guard let type = request.headers[.field("x-ms-blob-type")] else {
      throw BlobRefusal(400, "MissingRequiredHeader", "The header x-ms-blob-type is missing.")
    }
    guard let kind = BlobRecord.Kind(rawValue: type) else {
      throw BlobRefusal.unsupported("blobs of the type \(type)")
    }
    var write = try write(key, signature)
    if write.properties.headers["content-type"] == nil {
      write.properties.headers["content-type"] = request.headers[.contentType]
    }
    var digest = try contentDigest()
    guard kind == .block else {
      guard try declaredLength() == 0 else {
        throw BlobRefusal.header("Content-Length", "must be 0 for a new append blob.")
      }
      return try await answer(write, kind: kind, file: nil)
    }
    try await checkFirst(write)
    let file = try await receive(&digest)
    if write.properties.md5 == nil { write.properties.md5 = digest.value }
    var response = try await answer(write, kind: kind, file: file)
    response.headers[.contentMD5] = Base64.encode(digest.value)
    return response
  }

  private func answer(
    _ write: BlobWrite,
    kind: BlobRecord.Kind,
    file: BlobPart?
  ) async throws -> Response {
    let now = hub.now
    let blob = try await commit(file) { engine throws(HubError) in
      try engine.putBlob(write, kind: kind, file: file, now: now)
    }
    return Response(status: .created, headers: BlobHeaders.written(blob))
  }

  mutating func putBlock(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require([.create, .write], signature)
    guard let id = target.query["blockid"], BlockList.isID(id) else {
      throw BlobRefusal(
        400,
        "InvalidQueryParameterValue",
        "blockid must be base64 of 1 to 64 bytes."
      )
    }
    var digest = try contentDigest()
    let part = try await receive(block: id, &digest)
    try await hub.files.record(part) { engine throws(HubError) in
      try engine.putBlock(part, of: key)
    }
    return Response(
      status: .created,
      headers: [
        .contentMD5: Base64.encode(digest.value), .field("x-ms-request-server-encrypted"): "false",
      ]
    )
  }

  mutating func putBlockList(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require([.create, .write], signature)
    let write = try write(key, signature)
    var digest = try contentDigest()
    let body = try await collect(limit: Int64(BlockList.byteLimit), &digest)
    let list = try BlockList(body)
    let now = hub.now
    let blob = try await commit(nil) { engine throws(HubError) in
      try engine.putBlockList(write, list, now: now)
    }
    return Response(status: .created, headers: BlobHeaders.written(blob))
  }

  mutating func appendBlock(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require([.add, .write], signature)
    let write = try write(key, signature)
    let position = try number("x-ms-blob-condition-appendpos")
    let limit = try number("x-ms-blob-condition-maxsize")
    var digest = try contentDigest()
    let part = try await receive(&digest)
    let now = hub.now
    let blob = try await commit(part) { engine throws(HubError) in
      try engine.appendBlock(part, to: write, at: position, limit: limit, now: now)
    }
    var headers = BlobHeaders.written(blob)
    headers[.contentMD5] = Base64.encode(digest.value)
    headers[.field("x-ms-blob-append-offset")] = String(blob.byteCount - part.byteCount)
    return Response(status: .created, headers: headers)
  }

  func deleteBlob(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require(.delete, signature)
    let conditions = BlobHeaders.conditions(request.headers)
    _ = try await commit(nil) { engine throws(HubError) in
      try engine.deleteBlob(key, conditions: conditions)
    }
    return Response(status: .accepted)
  }

  /// Carries out a command; a refused one's file is removed.
  private func commit(
    _ file: BlobPart?,
    _ command:
      @escaping @Sendable (inout HubStore.Engine) throws(HubError) -> HubStore.Engine.BlobResult
  ) async throws -> BlobRecord {
    switch try await hub.files.record(file, command) {
    case .success(let blob): return blob
    case .failure(let refusal):
      if let file { hub.files.discard(file) }
      throw refusal
    }
  }

  /// Refuses before the body what would be refused after it.
  private func checkFirst(_ write: BlobWrite) async throws {
    let key = write.key
    let old = try await hub.store.read { view throws(HubError) in try view.blob(key)?.record }
    try write.conditions.check(old?.etag)
    guard old == nil || write.mayReplace else { throw BlobRefusal.overwrite }
  }

  private func write(
    _ key: BlobKey,
    _ signature: BlobSignature
  ) throws(BlobRefusal) -> BlobWrite {
    BlobWrite(
      key: key,
      conditions: BlobHeaders.conditions(request.headers),
      mayReplace: signature.permissions.contains(.write),
      properties: try BlobHeaders.properties(request.headers)
    )
  }

  private func contentDigest() throws(BlobRefusal) -> ContentDigest {
    try ContentDigest(
      md5: request.headers[.contentMD5],
      crc64: request.headers[.field("x-ms-content-crc64")]
    )
  }

  private func number(_ name: String) throws(BlobRefusal) -> Int64? {
    guard let text = request.headers[.field(name)] else { return nil }
    guard let number = Int64(text), number >= 0 else {
      throw .header(name, "must be a number of bytes.")
    }
    return number
  }
}

extension HTTPField.Name {
  static let contentMD5 = field("Content-MD5")
}

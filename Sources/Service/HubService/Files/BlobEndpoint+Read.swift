import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import Platform

extension BlobEndpoint {
  /// Bytes at most of a range whose MD5 is asked for.
  private static let digestLimit: Int64 = 4 << 20

  func getBlob(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require(.read, signature)
    guard let found = try await hub.files.content(of: key) else { throw BlobRefusal.notFound }
    let blob = found.record
    let conditions = BlobHeaders.conditions(request.headers)
    guard conditions.ifNoneMatch == .absent || !conditions.ifNoneMatch.allows(blob.etag) else {
      throw BlobRefusal(304, "ConditionNotMet", "The blob is as it was.")
    }
    guard conditions.ifMatch.allows(blob.etag) else { throw BlobRefusal.condition }
    var headers = BlobHeaders.fields(of: blob)
    let text = request.headers[.field("x-ms-range")] ?? request.headers[.range]
    guard let text, request.method == .get else {
      headers[.contentMD5] = blob.md5Text
      return Response(
        status: .ok,
        headers: headers,
        body: hub.files.body(found, 0..<blob.byteCount)
      )
    }
    let range = try Self.range(text, in: blob.byteCount)
    headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(blob.byteCount)"
    headers[.field("x-ms-blob-content-md5")] = blob.md5Text
    if request.headers[.field("x-ms-range-get-content-md5")]?.lowercased() == "true" {
      guard range.upperBound - range.lowerBound <= Self.digestLimit else {
        throw BlobRefusal(400, "OutOfRangeInput", "MD5 is made of ranges of up to 4 MiB.")
      }
      var md5 = MD5Digest()
      for piece in hub.files.pieces(of: found, range) {
        md5.update(try await hub.files.read(piece))
      }
      headers[.contentMD5] = Base64.encode(md5.finalize())
    }
    return Response(
      status: .partialContent,
      headers: headers,
      body: hub.files.body(found, range)
    )
  }

  func getBlockList(_ key: BlobKey, _ signature: BlobSignature) async throws -> Response {
    try require(.read, signature)
    let blocks = try await hub.store.read { view throws(HubError) in try view.blocks(of: key) }
    guard !blocks.committed.isEmpty || !blocks.waiting.isEmpty else { throw BlobRefusal.notFound }
    let kind = target.query["blocklisttype"]?.lowercased() ?? "committed"
    return BlobXML.response(
      BlobXML.blocks(
        committed: kind == "uncommitted" ? [] : blocks.committed,
        waiting: kind == "committed" ? [] : blocks.waiting
      )
    )
  }

  /// Reads `bytes=<first>-[<last>]`, the only form that the storage service knows.
  static func range(_ text: String, in byteCount: Int64) throws(BlobRefusal) -> Range<Int64> {
    let parts = text.dropFirst("bytes=".count)
      .split(separator: "-", omittingEmptySubsequences: false)
    guard text.hasPrefix("bytes="), parts.count == 2, let first = Int64(parts[0]), first >= 0,
      first < byteCount
    else { throw .range }
    guard !parts[1].isEmpty else { return first..<byteCount }
    guard let last = Int64(parts[1]), last >= first else { throw .range }
    return first..<min(last, byteCount - 1) + 1
  }
}

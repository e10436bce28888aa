import ByteIO
import HTTPTypes
import HubContract
import HubEngine

/// What a blob carries besides its bytes, as headers.
enum BlobHeaders {
  /// The version that answers are of, where the request names none.
  static let version = "2021-12-02"
  /// Bytes of metadata at most, names and values together.
  private static let metadataLimit = 8_192

  /// What can be set, by the header of an answer; requests have it with `x-ms-blob-` before it.
  private static let settable = [
    "content-type", "content-encoding", "content-language", "content-disposition", "cache-control",
  ]
  /// Headers that would change what a request means, and are not served.
  private static let unsupported = [
    "if-modified-since", "if-unmodified-since", "x-ms-lease-id", "x-ms-if-tags", "x-ms-tags",
    "x-ms-encryption-key", "x-ms-encryption-scope", "x-ms-copy-source", "x-ms-structured-body",
    "x-ms-snapshot", "x-ms-legal-hold", "x-ms-immutability-policy-until-date",
  ]

  /// Refuses a request whose meaning depends on what is not served.
  static func check(_ headers: HTTPFields) throws(BlobRefusal) {
    let found = unsupported.first { name in
      headers[.field(name)].map { !$0.isEmpty && $0 != "false" } ?? false
    }
    if let found { throw .unsupported("the header \(found)") }
  }

  /// The conditions of a request.
  static func conditions(_ headers: HTTPFields) -> BlobConditions {
    BlobConditions(ifMatch: headers[.ifMatch], ifNoneMatch: headers[.ifNoneMatch])
  }

  /// The properties that a write sets.
  static func properties(_ headers: HTTPFields) throws(BlobRefusal) -> BlobRecord.Properties {
    var properties = BlobRecord.Properties()
    for name in settable { properties.headers[name] = headers[.field("x-ms-blob-\(name)")] }
    if let text = headers[.field("x-ms-blob-content-md5")] {
      guard let md5 = Base64.decode(text), md5.count == 16 else {
        throw .header("x-ms-blob-content-md5", "must be 16 bytes in base64.")
      }
      properties.md5 = md5
    }
    let prefix = "x-ms-meta-"
    var byteCount = 0
    for field in headers where field.name.canonicalName.hasPrefix(prefix) {
      byteCount += field.name.rawName.utf8.count + field.value.utf8.count
      guard byteCount <= metadataLimit else {
        throw BlobRefusal(400, "MetadataTooLarge", "Metadata has at most \(metadataLimit) bytes.")
      }
      properties.metadata[String(field.name.rawName.dropFirst(prefix.count))] = field.value
    }
    return properties
  }

  /// The headers of an answer about `blob`.
  static func fields(of blob: BlobRecord) -> HTTPFields {
    var fields = written(blob)
    for (name, value) in blob.properties.headers { fields[.field(name)] = value }
    fields[.contentType] = blob.contentType
    for (name, value) in blob.properties.metadata {
      if let name = HTTPField.Name("x-ms-meta-\(name)") { fields[name] = value }
    }
    fields[.acceptRanges] = "bytes"
    fields[.field("x-ms-blob-type")] = blob.kind.rawValue
    fields[.field("x-ms-creation-time")] = blob.createdTime.httpDate
    fields[.field("x-ms-lease-status")] = "unlocked"
    fields[.field("x-ms-lease-state")] = "available"
    fields[.field("x-ms-server-encrypted")] = "false"
    // A device chose the content: a browser must neither guess what it is nor run it here.
    fields[.xContentTypeOptions] = "nosniff"
    fields[.contentSecurityPolicy] = "sandbox"
    return fields
  }

  /// The headers of an answer to a write.
  static func written(_ blob: BlobRecord) -> HTTPFields {
    [
      .eTag: ETags.quoted(blob.etag), .lastModified: blob.modifiedTime.httpDate,
      .field("x-ms-request-server-encrypted"): "false",
    ]
  }
}

extension BlobRecord {
  /// What the content is.
  var contentType: String { properties.headers["content-type"] ?? "application/octet-stream" }

  /// MD5 of the content in base64, nil unless known.
  var md5Text: String? { properties.md5.map { Base64.encode($0) } }
}

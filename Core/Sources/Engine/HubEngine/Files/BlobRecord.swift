public import HubContract
internal import ByteIO
internal import JSONTree

/// A blob as it is listed: everything but its bytes, which are in its parts.
public struct BlobRecord: Equatable, Sendable {
  /// What kind of writes made it.
  public enum Kind: String, Sendable {
    /// One write, or a list of blocks.
    case block = "BlockBlob"
    /// Appended blocks.
    case append = "AppendBlob"
  }

  /// What a client gives with a blob and gets back with it.
  public struct Properties: Equatable, Sendable {
    /// Headers by their names in lower case, such as `content-type`.
    public var headers: [String: String] = [:]
    /// MD5 of the whole content; nil unless known.
    public var md5: [UInt8]?
    /// The client's own names and values.
    public var metadata: [String: String] = [:]

    /// Creates properties without any.
    public init() {}
  }

  /// Its name.
  public var key: BlobKey
  /// What kind of writes made it.
  public var kind: Kind
  /// How many bytes it has.
  public var byteCount: Int64
  /// Changes with every write.
  public var etag: String
  /// When the name was first written.
  public var createdTime: Timestamp
  /// When it was written last.
  public var modifiedTime: Timestamp
  /// What its writer gave with it.
  public var properties: Properties

  /// Creates a record.
  public init(
    key: BlobKey,
    kind: Kind,
    byteCount: Int64,
    etag: String,
    createdTime: Timestamp,
    modifiedTime: Timestamp,
    properties: Properties = Properties()
  ) {
    self.key = key
    self.kind = kind
    self.byteCount = byteCount
    self.etag = etag
    self.createdTime = createdTime
    self.modifiedTime = modifiedTime
    self.properties = properties
  }

  /// The text to keep it as, its key left out: compact JSON.
  public var document: [UInt8] {
    var object: JSONObject = [
      "kind": .string(kind.rawValue), "size": .int(byteCount), "etag": .string(etag),
      "created": .string(createdTime.iso8601), "modified": .string(modifiedTime.iso8601),
    ]
    object["md5"] = properties.md5.map { .string(Base64.encode($0)) }
    object["headers"] = Self.object(properties.headers)
    object["metadata"] = Self.object(properties.metadata)
    return JSON.bytes(.object(object))
  }

  /// Reads what `document` wrote; nil for anything else.
  public init?(key: BlobKey, document: [UInt8]) {
    guard let object = (try? JSON.parse(document))?.objectValue,
      let kind = object["kind"]?.stringValue.flatMap(Kind.init),
      let byteCount = object["size"]?.int64Value, let etag = object["etag"]?.stringValue,
      let created = object["created"]?.stringValue.flatMap({ Timestamp(iso8601: $0) }),
      let modified = object["modified"]?.stringValue.flatMap({ Timestamp(iso8601: $0) })
    else { return nil }
    self.init(
      key: key,
      kind: kind,
      byteCount: byteCount,
      etag: etag,
      createdTime: created,
      modifiedTime: modified
    )
    properties.md5 = object["md5"]?.stringValue.flatMap { Base64.decode($0) }
    properties.headers = Self.strings(object["headers"])
    properties.metadata = Self.strings(object["metadata"])
  }

  private static func object(_ strings: [String: String]) -> JSONValue? {
    guard !strings.isEmpty else { return nil }
    var object = JSONObject()
    for (name, value) in strings.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
    return .object(object)
  }

  private static func strings(_ value: JSONValue?) -> [String: String] {
    var strings: [String: String] = [:]
    for (name, value) in value?.objectValue ?? [:] { strings[name] = value.stringValue }
    return strings
  }
}

/// One file of a blob's bytes, which never changes once it is recorded.
public struct BlobPart: Equatable, Sendable {
  /// What a part is for.
  public enum Role: Equatable, Sendable {
    /// The part of this number of the blob, from 0.
    case content(BlobKey, position: Int)
    /// A block that waits to become part of the blob.
    case waiting(BlobKey)
    /// Nothing any more: the file is to be removed.
    case garbage
  }

  /// The file's name: 32 hexadecimal digits.
  public var file: String
  /// What it is for.
  public var role: Role
  /// The block's ID, empty for a blob that was written at once.
  public var block: String
  /// How many bytes it has.
  public var byteCount: Int64
  /// When it was written.
  public var time: Timestamp

  /// Creates a part.
  public init(file: String, role: Role, block: String, byteCount: Int64, time: Timestamp) {
    self.file = file
    self.role = role
    self.block = block
    self.byteCount = byteCount
    self.time = time
  }

  /// What a part takes of the disk: whole pages, so that many small ones are not free.
  public static func cost(of byteCount: Int64) -> Int64 {
    let page: Int64 = 4_096
    guard byteCount < .max - page else { return .max }
    return max(1, (byteCount + page - 1) / page) * page
  }
}

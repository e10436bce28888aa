public import JSONTree

/// An export of all identities into a blob, or an import out of one (contract §7.9).
public struct TransferJob: Equatable, Sendable {
  /// Which way.
  public enum Kind: String, Sendable {
    /// Into a blob.
    case export
    /// Out of a blob.
    case `import`
  }

  /// How far it has come.
  public enum Status: String, Sendable {
    /// It waits.
    case enqueued
    /// Under way.
    case running
    /// Over; some lines of an import may have failed.
    case completed
    /// Over before its end.
    case failed
    /// Ended by its owner.
    case cancelled

    /// Whether nothing follows.
    public var isFinal: Bool {
      switch self {
      case .enqueued, .running: false
      case .completed, .failed, .cancelled: true
      }
    }
  }

  /// Its ID, made by the hub.
  public var id: String
  /// Which way.
  public var kind: Kind
  /// What is read, nil for an export.
  public var input: BlobKey?
  /// What is written: the identities, or the errors of an import.
  public var output: BlobKey
  /// Whether an export leaves keys out.
  public var excludesKeys: Bool
  /// The hub's own address, such as `https://hub.example`.
  public var endpoint: String
  /// How far it has come.
  public var status = Status.enqueued
  /// The same, 0 to 100.
  public var progress = 0
  /// Why it failed.
  public var failureReason: String?
  /// When it was made.
  public var createdTime: Timestamp
  /// When it began.
  public var startTime: Timestamp?
  /// When it ended.
  public var endTime: Timestamp?

  /// Creates a job that waits.
  public init(
    id: String,
    kind: Kind,
    input: BlobKey?,
    output: BlobKey,
    excludesKeys: Bool,
    endpoint: String,
    createdTime: Timestamp
  ) {
    self.id = id
    self.kind = kind
    self.input = input
    self.output = output
    self.excludesKeys = excludesKeys
    self.endpoint = endpoint
    self.createdTime = createdTime
  }

  /// The object of answers: JobProperties, in which URIs have no signature.
  public var json: JSONObject {
    var object: JSONObject = [
      "jobId": .string(id), "type": .string(kind.rawValue), "status": .string(status.rawValue),
      "progress": .int(Int64(progress)), "excludeKeysInExport": .bool(excludesKeys),
      "createdTimeUtc": .string(createdTime.iso8601),
      "outputBlobContainerUri": .string("\(endpoint)/\(output.container)"),
    ]
    if let input {
      object["inputBlobContainerUri"] = .string("\(endpoint)/\(input.container)")
      object["inputBlobName"] = .string(input.name)
    } else {
      object["outputBlobName"] = .string(output.name)
    }
    object["startTimeUtc"] = startTime.map { .string($0.iso8601) }
    object["endTimeUtc"] = endTime.map { .string($0.iso8601) }
    object["failureReason"] = failureReason.map { .string($0) }
    return object
  }

  /// The text to keep it as: compact JSON.
  public var document: [UInt8] {
    var object = json
    object["endpoint"] = .string(endpoint)
    object["output"] = [.string(output.container), .string(output.name)]
    object["input"] = input.map { [.string($0.container), .string($0.name)] }
    return JSON.bytes(.object(object))
  }

  /// Reads what `document` wrote; nil for anything else.
  public init?(document: [UInt8]) {
    guard let object = (try? JSON.parse(document))?.objectValue else { return nil }
    func text(_ name: String) -> String? { object[name]?.stringValue }
    func time(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp(iso8601: $0) } }
    func key(_ name: String) -> BlobKey? {
      guard let parts = object[name]?.arrayValue, parts.count == 2,
        let container = parts[0].stringValue, let name = parts[1].stringValue
      else { return nil }
      return BlobKey(container: container, name: name)
    }
    guard let id = text("jobId"), let kind = text("type").flatMap(Kind.init),
      let status = text("status").flatMap(Status.init), let output = key("output"),
      let endpoint = text("endpoint"), let created = time("createdTimeUtc")
    else { return nil }
    self.init(
      id: id,
      kind: kind,
      input: key("input"),
      output: output,
      excludesKeys: object["excludeKeysInExport"]?.boolValue ?? true,
      endpoint: endpoint,
      createdTime: created
    )
    self.status = status
    progress = object["progress"]?.int64Value.flatMap { Int(exactly: $0) } ?? 0
    failureReason = text("failureReason")
    startTime = time("startTimeUtc")
    endTime = time("endTimeUtc")
  }
}

/// A wish for such a job: the body of `POST /jobs/create`.
public struct TransferJobRequest: Equatable, Sendable {
  /// Which way.
  public let kind: TransferJob.Kind
  /// The container to read from, nil for an export.
  public let inputURI: String?
  /// The container to write to, nil where an import names none.
  public let outputURI: String?
  /// The blob to read.
  public let inputName: String
  /// The blob to write.
  public let outputName: String
  /// Whether an export leaves keys out.
  public let excludesKeys: Bool
  /// Whether the caller's own right is enough, so that the URIs need no signature.
  public let isIdentityBased: Bool

  /// Reads the body.
  ///
  /// - Throws: 400004 for a value that is none, or asks for what is not served, 400005 for a missing
  ///   member, 400012 for one of another type.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    guard let kind = TransferJob.Kind(rawValue: try fields.requiredString("type")) else {
      throw fields.invalid("type", "must be export or import.")
    }
    self.kind = kind
    inputURI = try fields.nonEmptyString("inputBlobContainerUri")
    outputURI = try fields.nonEmptyString("outputBlobContainerUri")
    guard kind == .export ? outputURI != nil : inputURI != nil else {
      let name = kind == .export ? "outputBlobContainerUri" : "inputBlobContainerUri"
      throw HubError(.argumentNull, "\(name) is missing; send the URI of a container of this hub.")
    }
    inputName = try fields.nonEmptyString("inputBlobName") ?? "devices.txt"
    outputName = try fields.nonEmptyString("outputBlobName") ?? "devices.txt"
    excludesKeys = try fields.bool("excludeKeysInExport") ?? false
    guard try fields.bool("includeConfigurations") != true else {
      throw fields.invalid("includeConfigurations", "is not served; leave it out.")
    }
    switch try fields.nonEmptyString("storageAuthenticationType")?.lowercased() {
    case nil, "keybased": isIdentityBased = false
    case "identitybased": isIdentityBased = true
    default:
      throw fields.invalid("storageAuthenticationType", "must be keyBased or identityBased.")
    }
  }
}

public import JSONTree

/// A device's wish to upload a file: the body of `POST /devices/<d>/files` (contract §5).
public struct FileUploadRequest: Equatable, Sendable {
  /// The file's name under the device's own folder.
  public let blobName: String

  /// Reads the body.
  ///
  /// - Throws: 400005 without a name, 400012 for a name that is no string.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    guard let name = try fields.nonEmptyString("blobName") else {
      throw HubError(.argumentNull, "blobName is missing; send the file's name.")
    }
    blobName = name
  }
}

/// What became of an upload: the body of `POST /devices/<d>/files/notifications` (contract §5).
public struct FileUploadOutcome: Equatable, Sendable {
  /// Which upload.
  public let correlationID: String
  /// Whether the device says that the file is there.
  public let isSuccess: Bool
  /// The status of the storage request, as the device tells it.
  public let statusCode: Int64?
  /// The same in words.
  public let statusDescription: String?

  /// Reads the body.
  ///
  /// - Throws: 400005 for a missing member, 400012 for one of another type.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    correlationID = try fields.requiredString("correlationId")
    guard let isSuccess = try fields.bool("isSuccess") else {
      throw HubError(.argumentNull, "isSuccess is missing; send true or false.")
    }
    self.isSuccess = isSuccess
    statusCode = try fields.integer("statusCode")
    statusDescription = try fields.string("statusDescription")
  }
}

/// A wish for a URL of a file or of a container: the body of `POST /files/signatures`.
public struct FileSignatureRequest: Equatable, Sendable {
  /// The longest life of a signature, in seconds.
  public static let longestSeconds: Int64 = 365 * 86_400

  /// The container; nil for that of uploads.
  public let container: String?
  /// The file; nil for the whole container.
  public let blobName: String?
  /// What is allowed.
  public let permissions: BlobPermissions
  /// For how many seconds.
  public let seconds: Int64

  /// Reads the body.
  ///
  /// - Throws: 400004 for letters or a time that are none, 400005 without permissions, 400012 for a
  ///   member of another type.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    container = try fields.nonEmptyString("containerName")
    blobName = try fields.nonEmptyString("blobName")
    let letters = try fields.requiredString("permissions")
    permissions = BlobPermissions(letters: letters)
    guard !letters.isEmpty, Set(letters) == Set(permissions.letters) else {
      throw fields.invalid("permissions", "must be letters of racwdl.")
    }
    seconds = try fields.integer("expirySeconds") ?? 3_600
    guard (1...Self.longestSeconds).contains(seconds) else {
      throw fields.invalid("expirySeconds", "must be 1 to \(Self.longestSeconds).")
    }
  }
}

/// Why a request to the blob endpoint is refused: what the storage service's error body says.
public struct BlobRefusal: Error, Equatable, Sendable {
  /// The HTTP status.
  public let status: Int
  /// The name that programs match on, in the body and in the header `x-ms-error-code`.
  public let code: String
  /// What a person is told.
  public let message: String

  /// Creates a refusal.
  public init(_ status: Int, _ code: String, _ message: String) {
    self.status = status
    self.code = code
    self.message = message
  }

  /// The signature is wrong, over, not yet valid, or not for this resource.
  public static func authentication(_ reason: String) -> BlobRefusal {
    BlobRefusal(403, "AuthenticationFailed", reason)
  }

  /// The signature does not allow the operation.
  public static let permission = BlobRefusal(
    403,
    "AuthorizationPermissionMismatch",
    "The signature does not allow this operation; look at its parameters sp and sr."
  )

  /// The signature allows new blobs alone, and there is one.
  public static let overwrite = BlobRefusal(
    403,
    "UnauthorizedBlobOverwrite",
    "The signature does not allow a blob to be replaced."
  )

  /// There is no such blob.
  public static let notFound = BlobRefusal(404, "BlobNotFound", "There is no such blob.")

  /// There is a blob, and the request wanted a new one.
  public static let alreadyExists = BlobRefusal(
    409,
    "BlobAlreadyExists",
    "There is a blob of this name already."
  )

  /// A condition on the blob's ETag does not hold.
  public static let condition = BlobRefusal(
    412,
    "ConditionNotMet",
    "The blob is not in the state that If-Match or If-None-Match asks for."
  )

  /// The blob is of a kind that the operation does not fit.
  public static let blobType = BlobRefusal(
    409,
    "InvalidBlobType",
    "The blob is of another type than the operation is for."
  )

  /// A block list that names a block that is not there, or one block twice.
  public static func blockList(_ reason: String) -> BlobRefusal {
    BlobRefusal(400, "InvalidBlockList", reason)
  }

  /// More blocks than a blob may have.
  public static let blockCount = BlobRefusal(
    409,
    "BlockCountExceedsLimit",
    "A blob has at most \(BlockList.limit) blocks."
  )

  /// A header that has a value that it can't have.
  public static func header(_ name: String, _ reason: String) -> BlobRefusal {
    BlobRefusal(400, "InvalidHeaderValue", "The header \(name) \(reason)")
  }

  /// Something that the blob service knows, and this endpoint does not.
  public static func unsupported(_ what: String) -> BlobRefusal {
    BlobRefusal(400, "UnsupportedHeader", "This hub does not serve \(what).")
  }

  /// The range lies behind the blob's end, or is none.
  public static let range = BlobRefusal(
    416,
    "InvalidRange",
    "The range is none, or it begins behind the end of the blob."
  )
}

internal import ByteIO

/// A service signature of the blob service: the query of a URL that lets its holder do some things with
/// one blob or one container for some time.
///
/// Signed as the service's version 2020-12-06 and later ones define it, so that their tools can sign for
/// this hub as well.
public struct BlobSignature: Sendable {
  /// What the signature is for.
  public enum Resource: String, Sendable {
    /// One blob.
    case blob = "b"
    /// A container with all its blobs.
    case container = "c"
  }

  /// The version that the hub signs with.
  private static let version = "2021-12-02"
  /// The first version whose text to sign is the one below.
  private static let oldestVersion = "2020-12-06"
  /// Fields that change what a signature means and that are not served; a signature with one is refused.
  private static let unsupported = [
    "si", "sip", "ses", "snapshot", "rscc", "rscd", "rsce", "rscl", "rsct",
  ]

  /// What it is for.
  public let resource: Resource
  /// What it allows.
  public let permissions: BlobPermissions
  /// When it begins, nil if it has begun.
  public let start: Timestamp?
  /// When it ends.
  public let expiry: Timestamp

  private let fields: [String: String]
  private let signature: [UInt8]

  /// Reads the query of a request, decoded.
  ///
  /// - Throws: 401 without a signature, 403 for a malformed one; which field is wrong is told.
  public init(query: [String: String]) throws(BlobRefusal) {
    guard let text = query["sig"] else {
      throw BlobRefusal(
        401,
        "NoAuthenticationInformation",
        "The URL has no signature: ask the hub for one."
      )
    }
    guard let bytes = Base64.decode(text), bytes.count == 32 else {
      throw .authentication("The signature sig is not 32 bytes in base64.")
    }
    signature = bytes
    if let field = Self.unsupported.first(where: { query[$0]?.isEmpty == false }) {
      throw .authentication("This hub does not serve signatures with the field \(field).")
    }
    guard let version = query["sv"], version >= Self.oldestVersion, version.utf8.count == 10 else {
      throw .authentication("The version sv must be \(Self.oldestVersion) or later.")
    }
    guard let resource = query["sr"].flatMap(Resource.init) else {
      throw .authentication("The resource sr must be b or c.")
    }
    self.resource = resource
    guard let expiry = query["se"].flatMap({ Timestamp(iso8601: $0) }) else {
      throw .authentication("The expiry se must be an ISO 8601 date and time.")
    }
    self.expiry = expiry
    switch query["st"] {
    case nil, "": start = nil
    case .some(let text):
      guard let time = Timestamp(iso8601: text) else {
        throw .authentication("The start st must be an ISO 8601 date and time.")
      }
      start = time
    }
    permissions = BlobPermissions(letters: query["sp"] ?? "")
    fields = query
  }

  /// Whether `key` signed this for a blob, or for a container without `name`, in time that does not
  /// depend on where signatures differ.
  public func isSigned(
    by key: SymmetricKey,
    account: String,
    container: String,
    name: String?,
    hmacSHA256: HMACSHA256
  ) -> Bool {
    let path = resource == .container ? container : name.map { "\(container)/\($0)" }
    guard let path else { return false }
    let text = Self.textToSign(fields, account: account, path: path)
    return ConstantTime.equals(hmacSHA256(key.bytes, [UInt8](text.utf8)), signature)
  }

  /// Makes the query of a URL, without the question mark.
  public static func make(
    account: String,
    container: String,
    name: String?,
    permissions: BlobPermissions,
    expiry: Timestamp,
    key: SymmetricKey,
    hmacSHA256: HMACSHA256
  ) -> String {
    // The service's tools write whole seconds.
    let end = Timestamp(seconds: expiry.seconds).iso8601.prefix(19) + "Z"
    let resource = name == nil ? Resource.container : .blob
    let fields: [(String, String)] = [
      ("sv", version), ("sr", resource.rawValue), ("se", String(end)),
      ("sp", permissions.letters), ("spr", "https"),
    ]
    let text = textToSign(
      Dictionary(uniqueKeysWithValues: fields),
      account: account,
      path: name.map { "\(container)/\($0)" } ?? container
    )
    let signature = Base64.encode(hmacSHA256(key.bytes, [UInt8](text.utf8)))
    return (fields + [("sig", signature)]).map { "\($0)=\(PercentCoding.encode($1))" }
      .joined(separator: "&")
  }

  private static func textToSign(
    _ fields: [String: String],
    account: String,
    path: String
  ) -> String {
    func field(_ name: String) -> String { fields[name] ?? "" }
    return [
      field("sp"), field("st"), field("se"), "/blob/\(account)/\(path)", field("si"), field("sip"),
      field("spr"), field("sv"), field("sr"), field("snapshot"), field("ses"), field("rscc"),
      field("rscd"), field("rsce"), field("rscl"), field("rsct"),
    ].joined(separator: "\n")
  }
}

extension BlobSignature: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// What it allows and when it ends; never the signature.
  public var description: String {
    "BlobSignature(\(resource.rawValue), \(permissions.letters), ends \(expiry.iso8601))"
  }
  /// What it allows and when it ends; never the signature.
  public var debugDescription: String { description }
  /// Shows nothing, so that `dump` shows no signature.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

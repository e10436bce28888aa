internal import ByteIO

/// A shared access signature that lacks its signature: for keys that are held elsewhere, such as in
/// another process or a chip (contract §2.1).
public struct UnsignedToken: Equatable, Sendable {
  /// What HMAC-SHA256 is to be computed of.
  public let signedBytes: [UInt8]
  private let resource: String
  private let policy: String?
  private let expirySeconds: Int64

  /// Prepares a token for `resource`, given decoded, that ends at `expirySeconds` since 1970 UTC.
  public init(resource: String, policy: String? = nil, expirySeconds: Int64) {
    self.resource = PercentCoding.encode(resource)
    self.policy = policy
    self.expirySeconds = expirySeconds
    signedBytes = [UInt8]("\(self.resource)\n\(expirySeconds)".utf8)
  }

  /// The token with the signature of its `signedBytes`.
  public func signed(_ signature: [UInt8]) -> String {
    let escaped = PercentCoding.encode(Base64.encode(signature))
    let name = policy.map { "&skn=\(PercentCoding.encode($0))" } ?? ""
    return "SharedAccessSignature sr=\(resource)&sig=\(escaped)&se=\(expirySeconds)\(name)"
  }
}

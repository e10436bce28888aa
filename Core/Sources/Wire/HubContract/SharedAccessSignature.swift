internal import ByteIO

/// Why a token is refused; the cases hold nothing secret.
public enum SASFault: Error, Equatable, Sendable {
  /// It has this many bytes, more than `SharedAccessSignature.lengthLimit`.
  case tooLong(Int)
  /// It does not begin with `SharedAccessSignature` and a blank.
  case notAToken
  /// This field is missing or empty.
  case missing(field: String)
  /// This field occurs twice.
  case duplicate(field: String)
  /// This field's value is not what it should be.
  case malformed(field: String)
  /// The key did not sign it.
  case signatureMismatch
  /// Its time is over, the tolerance for wrong clocks included.
  case expired
}

/// HMAC with SHA-256 of a message under a key, in this order: key, message.
public typealias HMACSHA256 = ([UInt8], [UInt8]) -> [UInt8]

/// A shared access signature: `SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>[&skn=<policy>]`.
///
/// Read as a set of fields, in any order, each at most once; unknown fields are ignored. What was
/// signed is the resource exactly as it stands in the token, since encoders differ (contract §2.1).
public struct SharedAccessSignature: Equatable, Sendable {
  /// The most bytes of a token.
  public static let lengthLimit = 4096
  /// How far a device's clock may be behind, in seconds, unless configured otherwise.
  public static let defaultSkewSeconds: Int64 = 300

  /// What it gives access to.
  public let resource: SASResource
  /// When it ends, in seconds since 1970 UTC.
  public let expirySeconds: Int64
  /// The policy that signed it; nil if a device, a module or an enrollment did.
  public let policy: String?

  private let signedResource: [UInt8]
  private let signedExpiry: [UInt8]
  private let signature: [UInt8]

  /// Reads a token.
  public init(_ token: some Collection<UInt8>) throws(SASFault) {
    guard token.count <= Self.lengthLimit else { throw .tooLong(token.count) }
    let token = [UInt8](token)
    let scheme = "sharedaccesssignature".utf8
    // The scheme of an Authorization header has no case (RFC 9110 §11.1).
    guard token.prefix(scheme.count).map({ $0 | 0x20 }).elementsEqual(scheme),
      token.dropFirst(scheme.count).first == UInt8(ascii: " ")
    else { throw .notAToken }
    let rest = token.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
    var fields = Fields()
    for pair in rest.split(separator: UInt8(ascii: "&")) {
      let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      try fields.set(String(decoding: pair[..<equals], as: UTF8.self), pair[equals...].dropFirst())
    }
    let signed = [UInt8](try fields.required("sr"))
    guard let text = String(validating: PercentCursor.decode(signed.span), as: UTF8.self) else {
      throw .malformed(field: "sr")
    }
    signedResource = signed
    resource = SASResource(decoded: text)
    guard !resource.host.isEmpty else { throw .malformed(field: "sr") }
    signedExpiry = [UInt8](try fields.required("se"))
    guard signedExpiry.count <= 18, signedExpiry.allSatisfy({ (0x30...0x39).contains($0) }),
      let expiry = Int64(String(decoding: signedExpiry, as: UTF8.self))
    else { throw .malformed(field: "se") }
    expirySeconds = expiry
    let encoded = [UInt8](try fields.required("sig"))
    guard let signature = Base64.decode(PercentCursor.decode(encoded.span)), signature.count == 32
    else { throw .malformed(field: "sig") }
    self.signature = signature
    let name = [UInt8](fields.values["skn"] ?? [])
    guard let policy = String(validating: PercentCursor.decode(name.span), as: UTF8.self) else {
      throw .malformed(field: "skn")
    }
    // Some SDKs always write the field.
    self.policy = policy.isEmpty ? nil : policy
  }

  /// Reads a token.
  public init(_ token: String) throws(SASFault) { try self.init(token.utf8) }

  /// When it ends.
  public var expiry: Timestamp { Timestamp(seconds: expirySeconds) }

  /// Whether it is over at `now`, with `skewSeconds` of tolerance for the sender's clock.
  public func isExpired(
    now: Timestamp,
    skewSeconds: Int64 = defaultSkewSeconds
  ) -> Bool {
    now > expiry.adding(seconds: skewSeconds)
  }

  /// Checks that `key` signed the token and that it is not over.
  ///
  /// The resource is not checked: ask `resource.covers`. Without `use`, the scheme of the resource
  /// decides how the key is used. If the resource as received does not verify, it is tried once more
  /// re-encoded with lower-case escapes.
  ///
  /// - Throws: `signatureMismatch` before `expired`, so that only a key's holder learns of expiry.
  public func verify(
    key: SymmetricKey,
    use: SASKeyUse? = nil,
    now: Timestamp,
    skewSeconds: Int64 = defaultSkewSeconds,
    hmacSHA256: HMACSHA256
  ) throws(SASFault) {
    guard isSigned(by: key, use: use, hmacSHA256: hmacSHA256) else { throw .signatureMismatch }
    guard !isExpired(now: now, skewSeconds: skewSeconds) else { throw .expired }
  }

  /// Whether `key` signed the token, in time that does not depend on where signatures differ.
  public func isSigned(
    by key: SymmetricKey,
    use: SASKeyUse? = nil,
    hmacSHA256: HMACSHA256
  ) -> Bool {
    let secret = Self.secret(key, use ?? resource.keyUse)
    let expected = hmacSHA256(secret, signedResource + [0x0A] + signedExpiry)
    if ConstantTime.equals(expected, signature) { return true }
    let again = Self.lowercaseEncoded(PercentCursor.decode(signedResource.span))
    guard again != signedResource else { return false }
    return ConstantTime.equals(hmacSHA256(secret, again + [0x0A] + signedExpiry), signature)
  }

  /// Makes a token for `resource`, given decoded, that ends at `expirySeconds` since 1970 UTC.
  public static func make(
    resource: String,
    key: SymmetricKey,
    policy: String? = nil,
    expirySeconds: Int64,
    hmacSHA256: HMACSHA256
  ) -> String {
    let token = UnsignedToken(resource: resource, policy: policy, expirySeconds: expirySeconds)
    let secret = secret(key, SASResource(decoded: resource).keyUse)
    return token.signed(hmacSHA256(secret, token.signedBytes))
  }

  private static func secret(_ key: SymmetricKey, _ use: SASKeyUse) -> [UInt8] {
    switch use {
    case .decoded: key.bytes
    case .text: [UInt8](key.base64.utf8)
    }
  }

  private static func lowercaseEncoded(_ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8]()
    for byte in bytes {
      if PercentCoding.isUnreserved(byte) {
        out.append(byte)
      } else {
        out += [UInt8(ascii: "%"), Hex.character(byte >> 4), Hex.character(byte & 15)]
      }
    }
    return out
  }

  private struct Fields {
    var values: [String: ArraySlice<UInt8>] = [:]

    mutating func set(_ name: String, _ value: ArraySlice<UInt8>) throws(SASFault) {
      guard ["sr", "sig", "se", "skn"].contains(name) else { return }
      guard values.updateValue(value, forKey: name) == nil else { throw .duplicate(field: name) }
    }

    func required(_ name: String) throws(SASFault) -> ArraySlice<UInt8> {
      guard let value = values[name], !value.isEmpty else { throw .missing(field: name) }
      return value
    }
  }
}

extension SharedAccessSignature: CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// Resource, policy and expiry; never the signature.
  public var description: String {
    "SharedAccessSignature(\(resource), policy \(policy ?? "-"), ends \(expirySeconds))"
  }
  /// Resource, policy and expiry; never the signature.
  public var debugDescription: String { description }
  /// Shows nothing, so that `dump` shows no signature.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

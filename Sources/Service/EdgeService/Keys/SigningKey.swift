package import HubContract
import Platform

/// A symmetric key that signs without being shown: in this process, in another or in a chip.
package protocol SigningKey: Sendable {
  /// HMAC-SHA256 of `message` under the key, 32 bytes.
  func sign(_ message: [UInt8]) async throws -> [UInt8]
}

/// A key that this process holds.
package struct HeldKey: SigningKey {
  private let key: SymmetricKey

  package init(_ key: SymmetricKey) { self.key = key }

  package func sign(_ message: [UInt8]) -> [UInt8] {
    Hashing.hmacSHA256(key: key.bytes, message: message)
  }
}

extension SigningKey {
  /// A token for `resource` that ends at `expirySeconds` since 1970.
  package func token(
    for resource: SASResource,
    policy: String? = nil,
    expirySeconds: Int64
  ) async throws -> String {
    let token = UnsignedToken(
      resource: resource.description,
      policy: policy,
      expirySeconds: expirySeconds
    )
    return token.signed(try await sign(token.signedBytes))
  }
}

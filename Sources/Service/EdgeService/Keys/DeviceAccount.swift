import HubContract

/// The device at its hub: who it is, and what it proves that with.
package struct DeviceAccount: Sendable {
  /// What it proves itself with.
  package enum Credential: Sendable {
    /// A key, which signs tokens.
    case key(any SigningKey)
    /// The PEM files of a certificate and its key.
    case certificate(chain: String, privateKey: String)
  }

  package let identity: EdgeIdentity
  package let credential: Credential

  /// How long a token is good, in seconds.
  private static let tokenSeconds: Int64 = 3_600

  package init(identity: EdgeIdentity, credential: Credential) {
    self.identity = identity
    self.credential = credential
  }

  /// The headers that prove who asks; none where TLS did.
  func headers(now: Int64) async throws -> [(String, String)] {
    guard case .key(let key) = credential else { return [] }
    let token = try await key.token(
      for: SASResource(
        host: identity.hubName,
        identity: IdentityKey(deviceID: identity.deviceID)
      ),
      expirySeconds: now + Self.tokenSeconds
    )
    return [("Authorization", token)]
  }
}

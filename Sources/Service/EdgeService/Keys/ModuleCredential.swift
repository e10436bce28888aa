package import Endpoints
import HubContract

/// What a module proves itself to the hub with: tokens that the keys process signs.
package struct ModuleCredential: SigningKey {
  /// A token and when to use the next one.
  package struct Token: Equatable, Sendable, CustomStringConvertible {
    /// The token; a secret.
    package let text: String
    /// When it ends, seconds since 1970.
    package let expirySeconds: Int64
    /// When the next one should be taken, seconds since 1970.
    package let renewalSeconds: Int64

    package var description: String { "a token that ends at \(expirySeconds)" }
  }

  private let client: WorkloadClient
  private let identity: WorkloadIdentity

  /// The credential of a module that is settled; the client stays the caller's to close.
  package init(_ client: WorkloadClient, _ identity: WorkloadIdentity) {
    self.client = client
    self.identity = identity
  }

  package func sign(_ message: [UInt8]) async throws -> [UInt8] {
    try await client.sign(message, generationID: identity.generationID)
  }

  /// A token for the module that is good for `seconds` from `now` on, and to be renewed after four
  /// fifths of that.
  package func token(now: Int64, for seconds: Int64 = 3_600) async throws -> Token {
    // A clock that is behind would make tokens that are over already.
    let now = max(now, identity.seconds)
    let text = try await token(
      for: SASResource(host: identity.edge.hubName, identity: identity.key),
      expirySeconds: now + seconds
    )
    return Token(text: text, expirySeconds: now + seconds, renewalSeconds: now + seconds / 5 * 4)
  }
}

/// What the local hub is given by whoever keeps its keys: the keys process, or a developer.
package protocol UpstreamCredentials: Sendable {
  /// A token of `$edgeHub` for the hub above, and when it ends, in seconds since 1970.
  ///
  /// - Throws: Why there is none now.
  func token() async throws -> (text: String, expirySeconds: Int64)
  /// The certificate that clients are shown, leaf first, and its key, both PEM.
  ///
  /// - Throws: Why there is none now.
  func serverCertificate() async throws -> (chainPEM: [UInt8], privateKeyPEM: [UInt8])
  /// Seals 32 bytes that the local hub keeps its state with; or opens what was sealed.
  ///
  /// - Throws: Why that can't be done now.
  func seal(_ key: [UInt8]) async throws -> [UInt8]
  func open(_ sealed: [UInt8]) async throws -> [UInt8]
  /// PEM of the authorities that the hub above is trusted by; nil for the system's.
  var upstreamAuthorities: [UInt8]? { get }
}

package import Endpoints
import HubContract
import Platform

/// Keys and certificates that the keys process keeps, asked for over the local hub's workload socket.
package struct WorkloadCredentials: UpstreamCredentials {
  private let client: WorkloadClient
  private let identity: WorkloadIdentity
  private let credential: ModuleCredential
  private let names: [String]
  package let upstreamAuthorities: [UInt8]?

  /// - Parameters:
  ///   - client: The local hub's own socket.
  ///   - identity: What it said of the local hub.
  ///   - names: What clients call the local hub.
  ///   - upstreamAuthorities: PEM of the authorities of the hub above.
  package init(
    _ client: WorkloadClient,
    _ identity: WorkloadIdentity,
    names: [String],
    upstreamAuthorities: [UInt8]?
  ) {
    self.client = client
    self.identity = identity
    self.names = names
    self.upstreamAuthorities = upstreamAuthorities
    credential = ModuleCredential(client, identity)
  }

  package func token() async throws -> (text: String, expirySeconds: Int64) {
    let token = try await credential.token(now: SystemClock.wallMilliseconds() / 1_000)
    return (token.text, token.expirySeconds)
  }

  package func serverCertificate() async throws -> (chainPEM: [UInt8], privateKeyPEM: [UInt8]) {
    let made = try await client.serverCertificate(
      commonName: names.first ?? identity.hostName,
      generationID: WorkloadAPI.noGeneration
    )
    return (Array(made.chainPEM.utf8), Array(made.privateKeyPEM.utf8))
  }

  /// What sealed bytes are bound to; the bytes are random, so one vector will do.
  private static let vector = Array("orrery-local-hub".utf8)

  // Not bound to the generation: what is kept outlives a new identity of the local hub.

  package func seal(_ key: [UInt8]) async throws -> [UInt8] {
    try await client.encrypt(key, vector: Self.vector, generationID: WorkloadAPI.noGeneration)
  }

  package func open(_ sealed: [UInt8]) async throws -> [UInt8] {
    do throws(LocalClient.Failure) {
      return try await client.decrypt(
        sealed,
        vector: Self.vector,
        generationID: WorkloadAPI.noGeneration
      )
    } catch {
      guard error.status == 400 else { throw error }
      throw StateSeal.Damaged()
    }
  }
}

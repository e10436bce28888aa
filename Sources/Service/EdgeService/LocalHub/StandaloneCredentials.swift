import ByteIO
import Crypto
package import HubContract
import Platform

/// Keys and certificates of a local hub that runs without the keys process, as developer tools start
/// one: the key of `$edgeHub` comes from the environment (edge contract section 13.2).
package struct StandaloneCredentials: UpstreamCredentials {
  /// How long a token is good.
  private static let tokenSeconds: Int64 = 3_600

  private let key: HubContract.SymmetricKey
  private let resource: String
  private let directory: String
  private let files: (chain: String, privateKey: String)?
  private let names: [String]
  package let upstreamAuthorities: [UInt8]?

  /// Prepares what is there; makes an authority and a certificate in `directory` where no `files` are
  /// given.
  ///
  /// - Throws: `FileFault` for a file that can't be read.
  package init(
    identity: EdgeIdentity,
    key: HubContract.SymmetricKey,
    directory: String,
    names: [String],
    files: (chain: String, privateKey: String)?,
    upstreamAuthorities path: String?
  ) throws {
    self.key = key
    self.directory = directory
    self.names = names
    self.files = files
    resource =
      "\(identity.hubHostName)/devices/\(identity.deviceID)/modules/\(ModuleID.edgeHub)"
    upstreamAuthorities = try path.map { try PrivateFile.read($0) }
    try PrivateFile.makeDirectory(directory)
  }

  /// The authority that clients have to trust, where one was made.
  package var authorityPath: String { directory + "/ca.pem" }

  package func token() async throws -> (text: String, expirySeconds: Int64) {
    let end = SystemClock.wallMilliseconds() / 1_000 + Self.tokenSeconds
    return (
      SharedAccessSignature.make(
        resource: resource,
        key: key,
        expirySeconds: end,
        hmacSHA256: Hashing.hmacSHA256
      ), end
    )
  }

  package func serverCertificate() async throws -> (chainPEM: [UInt8], privateKeyPEM: [UInt8]) {
    if let files {
      return (try PrivateFile.read(files.chain), try PrivateFile.read(files.privateKey))
    }
    let keyPath = directory + "/ca.key"
    if !PrivateFile.exists(authorityPath) {
      let made = try CertificateMaker.makeAuthority(commonName: "Orrery edge \(names[0]) root")
      // The key first: a certificate without its key would be taken for a whole authority.
      try PrivateFile.replace(keyPath, with: Array(made.privateKeyPEM.utf8))
      try PrivateFile.replace(authorityPath, with: Array(made.certificatePEM.utf8), mode: 0o644)
    }
    let authority = CertificateMaker.Issued(
      certificatePEM: String(decoding: try PrivateFile.read(authorityPath), as: UTF8.self),
      privateKeyPEM: String(decoding: try PrivateFile.read(keyPath), as: UTF8.self)
    )
    let server = try CertificateMaker.makeServer(names: names, authority: authority)
    return (Array(server.certificatePEM.utf8), Array(server.privateKeyPEM.utf8))
  }

  package func seal(_ bytes: [UInt8]) async throws -> [UInt8] {
    guard let sealed = try AES.GCM.seal(bytes, using: sealing()).combined else { return [] }
    return Array(sealed)
  }

  package func open(_ sealed: [UInt8]) async throws -> [UInt8] {
    Array(try AES.GCM.open(try AES.GCM.SealedBox(combined: sealed), using: sealing()))
  }

  /// The key that seals, made at the first start: without the keys process it has no better place
  /// than a file beside the data.
  private func sealing() throws -> Crypto.SymmetricKey {
    let path = directory + "/seal.key"
    if !PrivateFile.exists(path) { try PrivateFile.replace(path, with: Entropy.bytes(32)) }
    return Crypto.SymmetricKey(data: try PrivateFile.read(path, limit: 64))
  }
}

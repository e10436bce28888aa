import Crypto
import Foundation
import HubContract
import JSONTree
import Platform

/// The hub's certificates and keys in its data directory, made at the first start.
struct HubIdentity: Sendable {
  /// The trust anchor that clients are given, PEM; nil where the operator brought a certificate.
  let authorityPath: String?
  /// The server's chain, PEM.
  let certificateChain: [UInt8]
  /// The server's key, PEM.
  let privateKey: [UInt8]

  /// Days before the end at which the server's certificate is made anew, at a start.
  private static let renewalDays = 30

  /// Reads what is there and makes what is missing.
  ///
  /// The server's certificate is made anew when the names change or its end is near; the authority
  /// stays, so that clients keep trusting.
  ///
  /// - Throws: `FileFault`, or what is wrong with a certificate.
  init(settings: HubSettings, dataDirectory: String, now: Int64) throws {
    if let certificate = settings.certificatePath, let key = settings.privateKeyPath {
      authorityPath = nil
      certificateChain = try PrivateFile.read(certificate)
      privateKey = try PrivateFile.read(key)
      return
    }
    let tls = dataDirectory + "/tls"
    try PrivateFile.makeDirectory(tls)
    let authority = try Self.authority(in: tls, name: settings.names.first ?? "localhost")
    authorityPath = tls + "/ca.pem"
    let names = JSON.bytes(.array(settings.names.map { .string($0) }))
    if (try? PrivateFile.read(tls + "/server.names")) == names,
      let chain = try? PrivateFile.read(tls + "/server.pem"),
      let key = try? PrivateFile.read(tls + "/server.key"),
      let certificate = PresentedCertificate(chain),
      certificate.validity.to - now > Int64(Self.renewalDays) * 86_400
    {
      certificateChain = chain
      privateKey = key
      return
    }
    let server = try CertificateMaker.makeServer(names: settings.names, authority: authority)
    certificateChain = Array(server.certificatePEM.utf8)
    privateKey = Array(server.privateKeyPEM.utf8)
    try PrivateFile.replace(tls + "/server.key", with: privateKey)
    try PrivateFile.replace(tls + "/server.pem", with: certificateChain, mode: 0o644)
    try PrivateFile.replace(tls + "/server.names", with: names, mode: 0o644)
  }

  private static func authority(
    in directory: String,
    name: String
  ) throws -> CertificateMaker.Issued {
    let (certificatePath, keyPath) = (directory + "/ca.pem", directory + "/ca.key")
    if PrivateFile.exists(certificatePath) {
      return CertificateMaker.Issued(
        certificatePEM: String(decoding: try PrivateFile.read(certificatePath), as: UTF8.self),
        privateKeyPEM: String(decoding: try PrivateFile.read(keyPath), as: UTF8.self)
      )
    }
    let made = try CertificateMaker.makeAuthority(commonName: "Orrery hub \(name) root")
    // The key first: a certificate without its key would be taken for a whole authority.
    try PrivateFile.replace(keyPath, with: Array(made.privateKeyPEM.utf8))
    try PrivateFile.replace(certificatePath, with: Array(made.certificatePEM.utf8), mode: 0o644)
    return made
  }
}

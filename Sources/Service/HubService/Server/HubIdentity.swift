import Crypto
import Endpoints
import Foundation
import HubContract
import JSONTree
import Platform
import Synchronization

/// The hub's certificates and keys: its own in the data directory, made at the first start and made
/// anew while it runs, or the operator's, read again when they change.
final class HubIdentity: Sendable {
  /// The trust anchor that clients are given, PEM; nil where the operator brought a certificate.
  let authorityPath: String?
  /// The server's certificate and key, ready for connections.
  let tls: ServerTLS

  /// Days before the end at which the server's certificate is made anew.
  private static let renewalDays = 30

  private let settings: HubSettings
  private let dataDirectory: String
  private let present: Mutex<ServerPair>

  /// Reads what is there and makes what is missing.
  ///
  /// - Throws: `SettingsFault` or `FileFault`, with the file that cannot be used.
  init(settings: HubSettings, dataDirectory: String, now: Int64) throws {
    self.settings = settings
    self.dataDirectory = dataDirectory
    let files = try Self.files(settings, dataDirectory, now: now)
    let pair = try files.server.read()
    authorityPath = files.authorityPath
    tls = try files.server.open(pair)
    present = Mutex(pair)
  }

  /// When the server's certificate ends, in seconds since 1970; nil if that cannot be read.
  var end: Int64? { present.withLock { PresentedCertificate($0.chain)?.validity.to } }

  /// Lets new connections have the certificate that holds now, if it is another one.
  ///
  /// - Returns: whether it is.
  /// - Throws: like `init`; connections go on having the one before.
  func refresh(now: Int64) throws -> Bool {
    let files = try Self.files(settings, dataDirectory, now: now)
    let pair = try files.server.read()
    guard present.withLock({ $0 != pair }) else { return false }
    tls.replace(with: try files.server.open(pair))
    present.withLock { $0 = pair }
    return true
  }

  /// The server's files, after what is missing or near its end was made.
  ///
  /// The server's certificate is made anew when the names change, its end is near or the authority
  /// is another one; the authority stays, so that clients keep trusting.
  private static func files(
    _ settings: HubSettings,
    _ dataDirectory: String,
    now: Int64
  ) throws -> (server: ServerFiles, authorityPath: String?) {
    if let certificate = settings.certificatePath, let key = settings.privateKeyPath {
      return (ServerFiles(certificate: certificate, privateKey: key, isMadeByHub: false), nil)
    }
    let directory = dataDirectory + "/tls"
    try PrivateFile.makeDirectory(directory)
    let authority = try AuthorityFiles(
      certificate: directory + "/ca.pem",
      privateKey: directory + "/ca.key",
      name: "Orrery hub \(settings.names.first ?? "localhost") root",
      loss: "which every client must be given."
    )
    let server = ServerFiles(
      certificate: directory + "/server.pem",
      privateKey: directory + "/server.key",
      isMadeByHub: true
    )
    let namesPath = directory + "/server.names"
    let names = JSON.bytes(.array(settings.names.map { .string($0) }))
    let end = now + Int64(renewalDays) * 86_400
    if (try? PrivateFile.read(namesPath)) != names
      || !server.holds(until: end, signedBy: authority.anchor)
    {
      let made = try authority.sign(settings.names)
      try PrivateFile.replace(server.privateKey, with: Array(made.privateKeyPEM.utf8))
      let chain = Array(made.certificatePEM.utf8)
      try PrivateFile.replace(server.certificate, with: chain, mode: 0o644)
      try PrivateFile.replace(namesPath, with: names, mode: 0o644)
    }
    return (server, authority.certificate)
  }
}

/// What the server's two files hold.
private struct ServerPair: Equatable {
  let chain: [UInt8]
  let key: [UInt8]
}

/// The files of the server's certificate and key.
private struct ServerFiles {
  let certificate: String
  let privateKey: String
  /// Whether they are the hub's own and not the operator's.
  let isMadeByHub: Bool

  /// Whether both are there, and the certificate is valid until `end` and of `authority`.
  ///
  /// What is there but damaged is for `open` to tell.
  func holds(until end: Int64, signedBy authority: PresentedCertificate) -> Bool {
    guard PrivateFile.exists(privateKey), let chain = try? PrivateFile.read(certificate) else {
      return false
    }
    guard let leaf = PresentedCertificate(chain) else { return true }
    return leaf.validity.to > end && leaf.isSigned(by: authority)
  }

  func read() throws -> ServerPair {
    ServerPair(
      chain: try read(certificate, "tls.certificate"),
      key: try read(privateKey, "tls.private_key")
    )
  }

  func open(_ pair: ServerPair) throws -> ServerTLS {
    do throws(ServerTLS.Fault) {
      return try ServerTLS(certificateChainPEM: pair.chain, privateKeyPEM: pair.key)
    } catch {
      switch error {
      case .certificate:
        throw fault(certificate, "tls.certificate", "holds no certificate in PEM")
      case .privateKey:
        let problem = "holds no private key in PEM that can be read without a passphrase"
        throw fault(privateKey, "tls.private_key", problem)
      case .pair(let reason):
        let problem = "does not fit the certificate in \(certificate), or TLS takes neither"
        throw fault(privateKey, "tls.private_key", "\(problem) (\(reason))")
      }
    }
  }

  private func read(_ path: String, _ setting: String) throws -> [UInt8] {
    do throws(FileFault) {
      return try PrivateFile.read(path)
    } catch {
      let place = isMadeByHub ? "" : "\(setting): "
      throw SettingsFault("\(place)\(error)", remedy: error.remedy)
    }
  }

  private func fault(_ path: String, _ setting: String, _ problem: String) -> SettingsFault {
    guard isMadeByHub else {
      return SettingsFault(
        "\(setting): \(path) \(problem)",
        remedy: "tls.certificate takes the chain, leaf first; tls.private_key the leaf's key."
      )
    }
    return SettingsFault(
      "\(path) \(problem)",
      remedy:
        "Remove \(certificate) and \(privateKey): the next start makes new ones, which clients "
        + "trust as they do the old, for the authority stays."
    )
  }
}

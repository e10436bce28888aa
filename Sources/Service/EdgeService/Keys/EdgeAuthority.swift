import Platform
import Synchronization

/// The authority of this device: signs the certificates of the local hub and of modules (contract
/// §4.5).
///
/// Where the operator brings none, there are two: a root of ten years, which is what clients trust, and
/// the edge CA of 90 days under it. The edge CA is made anew while it is still good, live, and no client
/// notices, since the root stays (DIFF 13).
///
/// What is made here is valid from 1970 on: a client on a machine without a battery, whose clock is
/// wrong until the network is back, must not refuse it (DIFF 19).
package final class EdgeAuthority: Sendable {
  /// A certificate with its chain and key, for a server or a client.
  package struct Credential: Equatable, Sendable {
    /// The leaf first, then what leads to the trust anchor, PEM.
    package let chainPEM: String
    /// PKCS #8, PEM.
    package let privateKeyPEM: String
    /// When it ends, seconds since 1970.
    package let expirySeconds: Int64
  }

  /// What signs, and what clients need to follow it.
  private struct Signer {
    /// The signing certificate and its key.
    let issued: CertificateMaker.Issued
    /// When it ends, seconds since 1970.
    let until: Int64
    /// The signing certificate and what is above it but for an anchor that signs itself, PEM.
    let chain: String
    /// What clients trust, PEM.
    let anchor: String
  }

  private static let rootDays: Int64 = 3_650
  private static let daySeconds: Int64 = 86_400

  private let directory: String
  private let settings: EdgeAuthoritySettings
  /// Held while files are read and made: of two authorities made at once one file would survive, and
  /// leaves of the other could not be followed.
  private let turn = Mutex<Void>(())

  /// The authority that is kept in `directory`; nothing is read or made before it is asked for.
  package init(directory: String, settings: EdgeAuthoritySettings) {
    self.directory = directory
    self.settings = settings
  }

  /// A server certificate for names and addresses, the first of which is its common name.
  ///
  /// - Throws: `SettingsFault` or `FileFault` where the authority cannot be used.
  package func serverCredential(
    names: [String],
    deviceID: String,
    now: Int64
  ) throws -> Credential {
    try leaf(names.first ?? "localhost", .server(names: names), deviceID, now)
  }

  /// A client certificate of a module, whose alternative name holds `uri`.
  ///
  /// - Throws: like `serverCredential`.
  package func clientCredential(
    moduleID: String,
    uri: String,
    deviceID: String,
    now: Int64
  ) throws -> Credential {
    try leaf(moduleID, .client(names: ["URI: " + uri]), deviceID, now)
  }

  /// What clients trust, PEM.
  ///
  /// - Throws: like `serverCredential`.
  package func anchor(deviceID: String, now: Int64) throws -> String {
    try turn.withLock { _ in try signer(deviceID, now).anchor }
  }

  /// Makes the edge CA anew if that is due; returns when it ends, seconds since 1970.
  ///
  /// - Throws: like `serverCredential`.
  package func renew(deviceID: String, now: Int64) throws -> Int64 {
    try turn.withLock { _ in try signer(deviceID, now).until }
  }

  private func leaf(
    _ commonName: String,
    _ kind: CertificateProfile.Kind,
    _ deviceID: String,
    _ now: Int64
  ) throws -> Credential {
    try turn.withLock { _ in
      let signer = try signer(deviceID, now)
      let profile = CertificateProfile(
        commonName: commonName,
        kind: kind,
        from: 0,
        until: min(signer.until, now + Int64(settings.days) * Self.daySeconds)
      )
      let made = try CertificateMaker.make(profile, signedBy: signer.issued)
      return Credential(
        chainPEM: made.certificatePEM + "\n" + signer.chain,
        privateKeyPEM: made.privateKeyPEM,
        expirySeconds: profile.until
      )
    }
  }

  private func signer(_ deviceID: String, _ now: Int64) throws -> Signer {
    switch settings.source {
    case .preloaded(let chain, let privateKey):
      // Read each time, so that what the operator puts in their place needs no restart.
      let authority = try OperatorAuthority(chain: chain, privateKey: privateKey, "edge_ca")
      return Signer(
        issued: authority.issued,
        until: authority.certificate.validity.to,
        chain: authority.chainPEM,
        anchor: authority.topPEM
      )
    case .localAuthority(let chain, let privateKey):
      let setting = "cert_issuance.local_ca"
      let root = try OperatorAuthority(chain: chain, privateKey: privateKey, setting)
      let edge = try edgeAuthority(under: root.issued, root.certificate, deviceID, now)
      let isAnchor = root.certificate.isSigned(by: root.certificate)
      return Signer(
        issued: edge.issued,
        until: edge.until,
        chain: edge.issued.certificatePEM + (isAnchor ? "" : "\n" + root.chainPEM),
        anchor: root.topPEM
      )
    case .quickstart:
      let root = try kept("root", now, isGood: { $0.until > now + 365 * Self.daySeconds }) { _ in
        try CertificateMaker.make(
          CertificateProfile(
            // Its key tells it from others of that name; the device may be unknown yet.
            commonName: "Orrery edge root \(deviceID)",
            kind: .root,
            from: 0,
            until: now + Self.rootDays * Self.daySeconds
          ),
          signedBy: nil
        )
      }
      let edge = try edgeAuthority(under: root.issued, root.certificate, deviceID, now)
      return Signer(
        issued: edge.issued,
        until: edge.until,
        chain: edge.issued.certificatePEM,
        anchor: root.issued.certificatePEM
      )
    }
  }

  /// The edge CA under a root; a new one when its time has come, or root or device are others.
  private func edgeAuthority(
    under root: CertificateMaker.Issued,
    _ rootCertificate: PresentedCertificate,
    _ deviceID: String,
    _ now: Int64
  ) throws -> KeptAuthority {
    let name = "aziot-edge CA \(deviceID)"
    let life = Int64(settings.days) * Self.daySeconds
    let age = life * Int64(settings.renewalPercent) / 100
    return try kept(
      "edge-ca",
      now,
      isGood: { edge in
        edge.certificate.isSigned(by: rootCertificate)
          && edge.certificate.commonName == String(name.prefix(64))
          && now - edge.madeSeconds < age && now < edge.until
      },
      make: { old in
        try CertificateMaker.make(
          CertificateProfile(commonName: name, kind: .authority, from: 0, until: now + life),
          signedBy: root,
          privateKeyPEM: settings.rotatesKey ? nil : old?.issued.privateKeyPEM
        )
      }
    )
  }

  private func kept(
    _ name: String,
    _ now: Int64,
    isGood: (KeptAuthority) -> Bool,
    make: (KeptAuthority?) throws -> CertificateMaker.Issued
  ) throws -> KeptAuthority {
    let file = "\(directory)/\(name).json"
    let old = KeptAuthority(file: file)
    if let old, isGood(old) { return old }
    let made = try KeptAuthority(try make(old), madeSeconds: now)
    try made.store(file)
    return made
  }
}

package import EdgeEngine
import HTTPTypes
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
    /// Why it was not made anew although it is due.
    var fault: (any Error)?
  }

  private static let rootDays: Int64 = 3_650
  private static let daySeconds: Int64 = 86_400

  private let directory: String
  private let settings: EdgeAuthoritySettings
  private let rule: RenewalRule
  /// When the edge CA could not be made anew, seconds since 1970.
  ///
  /// Held while files are read and made: of two authorities made at once one file would survive, and
  /// leaves of the other could not be followed.
  private let turn = Mutex<Int64?>(nil)

  /// The authority that is kept in `directory`; nothing is read or made before it is asked for.
  package init(directory: String, settings: EdgeAuthoritySettings) {
    self.directory = directory
    self.settings = settings
    rule = RenewalRule(
      lifeSeconds: Int64(settings.days) * Self.daySeconds,
      renewalPercent: settings.renewalPercent,
      retryPercent: settings.retryPercent
    )
  }

  /// A server certificate for names and addresses, the first of which is its common name.
  ///
  /// - Throws: `SettingsFault` or `FileFault` where the authority cannot be used.
  package func serverCredential(
    names: [String],
    deviceID: String,
    now: JudgedTime
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
    now: JudgedTime
  ) throws -> Credential {
    try leaf(moduleID, .client(names: ["URI: " + uri]), deviceID, now)
  }

  /// What clients trust, PEM.
  ///
  /// - Throws: like `serverCredential`.
  package func anchor(deviceID: String, now: JudgedTime) throws -> String {
    try turn.withLock { try signer(deviceID, now, &$0).anchor }
  }

  /// Makes the edge CA anew if that is due; returns when it ends, seconds since 1970, and what went
  /// wrong where the old one has to serve on.
  ///
  /// - Throws: like `serverCredential`.
  package func renew(
    deviceID: String,
    now: JudgedTime
  ) throws -> (until: Int64, fault: (any Error)?) {
    try turn.withLock {
      let signer = try signer(deviceID, now, &$0)
      return (signer.until, signer.fault)
    }
  }

  private func leaf(
    _ commonName: String,
    _ kind: CertificateProfile.Kind,
    _ deviceID: String,
    _ now: JudgedTime
  ) throws -> Credential {
    try turn.withLock {
      let signer = try signer(deviceID, now, &$0)
      let profile = CertificateProfile(
        commonName: commonName,
        kind: kind,
        from: 0,
        until: rule.end(of: now, limit: signer.until)
      )
      let made = try CertificateMaker.make(profile, signedBy: signer.issued)
      return Credential(
        chainPEM: made.certificatePEM + "\n" + signer.chain,
        privateKeyPEM: made.privateKeyPEM,
        expirySeconds: profile.until
      )
    }
  }

  private func signer(
    _ deviceID: String,
    _ now: JudgedTime,
    _ failed: inout Int64?
  ) throws -> Signer {
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
      let (edge, fault) = try edgeAuthority(
        under: root.issued,
        root.certificate,
        deviceID,
        now,
        &failed
      )
      let isAnchor = root.certificate.isSigned(by: root.certificate)
      return Signer(
        issued: edge.issued,
        until: edge.until,
        chain: edge.issued.certificatePEM + (isAnchor ? "" : "\n" + root.chainPEM),
        anchor: root.topPEM,
        fault: fault
      )
    case .est(let wanted):
      // Made by an EST server: `CertificateIssuance` puts it there and renews it.
      guard let kept = KeptCertificate(file: "\(directory)/edge-ca.pem"),
        kept.question == wanted.question, now.seconds < kept.until
      else {
        throw LocalRefusal(
          .serviceUnavailable,
          "the EST server at \(wanted.server.url) has issued no edge CA yet, or it has ended"
        )
      }
      return Signer(
        issued: kept.issued,
        until: kept.until,
        chain: kept.shownPEM,
        anchor: kept.topPEM
      )
    case .quickstart:
      let root = try root(deviceID, now)
      let (edge, fault) = try edgeAuthority(
        under: root.issued,
        root.certificate,
        deviceID,
        now,
        &failed
      )
      return Signer(
        issued: edge.issued,
        until: edge.until,
        chain: edge.issued.certificatePEM,
        anchor: root.issued.certificatePEM,
        fault: fault
      )
    }
  }

  /// The root that is made here.
  ///
  /// Every client has it, so a clock that runs ahead must not have it replaced: only a time that is
  /// certain counts.
  private func root(_ deviceID: String, _ now: JudgedTime) throws -> KeptAuthority {
    let file = file("root")
    if let old = KeptAuthority(file: file), old.until > now.least + 365 * Self.daySeconds {
      return old
    }
    let profile = CertificateProfile(
      // Its key tells it from others of that name; the device may be unknown yet.
      commonName: "Orrery edge root \(deviceID)",
      kind: .root,
      from: 0,
      until: now.seconds + Self.rootDays * Self.daySeconds
    )
    let root = try KeptAuthority(
      CertificateMaker.make(profile, signedBy: nil),
      madeSeconds: now.seconds
    )
    try root.store(file)
    return root
  }

  /// The edge CA under a root; a new one when its time has come, or root or device are others.
  ///
  /// One that is due but cannot be made leaves the old one, which has time left.
  private func edgeAuthority(
    under root: CertificateMaker.Issued,
    _ rootCertificate: PresentedCertificate,
    _ deviceID: String,
    _ now: JudgedTime,
    _ failed: inout Int64?
  ) throws -> (edge: KeptAuthority, fault: (any Error)?) {
    let name = "aziot-edge CA \(deviceID)"
    let limit = rootCertificate.validity.to
    let file = file("edge-ca")
    let old = KeptAuthority(file: file)
    if let old, old.certificate.isSigned(by: rootCertificate),
      old.certificate.commonName == String(name.prefix(64))
    {
      let isDue = rule.isDue(made: old.madeSeconds, end: old.until, now: now, limit: limit)
      let mayTry = failed.map { rule.isRetryDue(failed: $0, end: old.until, now: now) } ?? true
      guard isDue, mayTry else { return (old, nil) }
    }
    do {
      let profile = CertificateProfile(
        commonName: name,
        kind: .authority,
        from: 0,
        until: rule.end(of: now, limit: limit)
      )
      let edge = try KeptAuthority(
        CertificateMaker.make(
          profile,
          signedBy: root,
          privateKeyPEM: settings.rotatesKey ? nil : old?.issued.privateKeyPEM
        ),
        madeSeconds: now.seconds
      )
      try edge.store(file)
      failed = nil
      return (edge, nil)
    } catch {
      failed = now.seconds
      guard let old, now.seconds < old.until, old.certificate.isSigned(by: rootCertificate) else {
        throw error
      }
      return (old, error)
    }
  }

  private func file(_ name: String) -> String { "\(directory)/\(name).json" }
}

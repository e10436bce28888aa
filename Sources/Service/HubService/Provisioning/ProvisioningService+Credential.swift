import Endpoints
import HubContract
import HubEngine
import Platform
import ProvisioningEngine
import Synchronization

extension ProvisioningService {
  /// Reads what a device presents: a token, or else its certificate with all that vouches for it.
  ///
  /// - Throws: 401002 for a token that is none.
  func credential(
    token: (some Collection<UInt8>)?,
    chain: PresentedChain,
    now: Timestamp
  ) async throws(HubError) -> PresentedCredential {
    if let token, !token.isEmpty {
      do throws(SASFault) {
        return .token(try SharedAccessSignature(token))
      } catch {
        throw HubError(.provisioningUnauthorized, "Unauthorized")
      }
    }
    // Read before what they count: a change in between makes what is found look older than it is.
    let epoch = ProvedLeaves.Epoch(
      enrollments: store.enrollmentChanges.load(ordering: .acquiring),
      authorities: authorityChanges.load(ordering: .acquiring)
    )
    if let leaf = provedLeaves.leaf(of: chain, epoch, at: now.seconds) {
      return .certificate(leaf)
    }
    let presented = chain.certificates.compactMap { PresentedCertificate($0) }
    guard let leaf = presented.first, let summary = CertificateSummary(leaf) else { return .none }
    var signers: [PresentedLeaf.Signer] = []
    var validity = leaf.validity
    let between =
      chain.isResumed
      ? intermediates.all
      : Array(presented.dropFirst().prefix(PresentedCertificate.longestPath))
    for anchor in try await anchors(called: Set([leaf.issuer] + between.map(\.issuer)), epoch) {
      let path = await leaf.path(
        among: [anchor.certificate],
        through: between,
        at: now.seconds
      )
      guard let path else { continue }
      intermediates.remember(path.intermediates)
      for certificate in path.intermediates + [path.root] {
        validity.from = max(validity.from, certificate.validity.from)
        validity.to = min(validity.to, certificate.validity.to)
      }
      signers.append(
        PresentedLeaf.Signer(
          certificate: anchor.summary,
          authorityName: anchor.name,
          isIssuer: anchor.certificate.der == issuer.certificate.der,
          distance: path.intermediates.count + 1
        )
      )
    }
    let proved = PresentedLeaf(
      certificate: summary,
      commonName: leaf.commonName,
      signers: signers
    )
    // An authority that is not valid yet may be soon, and nearer than those here.
    validity.to = min(validity.to, now.seconds + ProvedLeaves.lifetimeSeconds)
    provedLeaves.remember(proved, of: chain, epoch, validity)
    return .certificate(proved)
  }

  /// The certificates of groups with one of these subjects, and the verified authorities of the hub
  /// with their names.
  ///
  /// Most have nothing to do with this device: names are cheaper than signatures.
  private func anchors(
    called subjects: Set<String>,
    _ epoch: ProvedLeaves.Epoch
  ) async throws(HubError) -> [Anchor] {
    if let known = provedLeaves.anchors(called: subjects, epoch) { return known }
    let groups = try store.readNow { view throws(HubError) in
      try view.signingCertificates(subjects: subjects).map(\.der)
    }
    let authorities = try await hub.read { view throws(HubError) in
      try view.certificateAuthorities().filter { $0.isVerified && subjects.contains($0.subject) }
        .map { ($0.name, $0.certificate) }
    }
    var anchors: [Anchor] = []
    if subjects.contains(issuer.certificate.subject) {
      anchors += [Anchor(issuer.certificate, name: DeviceIssuer.name)].compactMap { $0 }
    }
    anchors += groups.compactMap { Anchor(PresentedCertificate($0)) }
    anchors += authorities.compactMap { Anchor(PresentedCertificate($1), name: $0) }
    provedLeaves.remember(anchors, called: subjects, epoch)
    return anchors
  }
}

/// A certificate that may vouch for devices.
struct Anchor: Sendable {
  let certificate: PresentedCertificate
  let summary: CertificateSummary
  /// The name by which it is registered, if it is.
  let name: String?

  /// The anchor of a certificate; nil for none.
  init?(_ certificate: PresentedCertificate?, name: String? = nil) {
    guard let certificate, let summary = CertificateSummary(certificate) else { return nil }
    self.certificate = certificate
    self.summary = summary
    self.name = name
  }
}

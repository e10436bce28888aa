import HubContract
import HubEngine
import Platform
import ProvisioningEngine
import Synchronization

/// The hub's own authority for the certificates of devices.
///
/// It is not the one of the server's certificate: who trusts the hub need not trust its devices. No hub
/// takes it for an authority of identities either; they have the thumbprints of what was issued.
final class DeviceIssuer: Sendable {
  /// The name by which enrollments refer to it.
  static let name = "internal"

  /// Its certificate.
  let certificate: PresentedCertificate
  /// Certificates issued since the start.
  let issuedCount = Atomic<UInt64>(0)
  private let issuer: CertificateIssuer
  private let lifetimeSeconds: Int64

  /// Reads the authority in the directory of the hub's data, or makes it.
  init(directory: String, hubName: String, lifetimeSeconds: Int64) throws {
    try PrivateFile.makeDirectory(directory + "/tls")
    let files = try AuthorityFiles(
      certificate: directory + "/tls/issuer.pem",
      privateKey: directory + "/tls/issuer.key",
      name: "Orrery hub \(hubName) devices",
      loss:
        "and devices that hold a certificate of the old one must get another by their enrollment."
    )
    certificate = files.anchor
    issuer = try files.issuer()
    self.lifetimeSeconds = lifetimeSeconds
  }

  /// A certificate with its chain, or why there is none.
  func issue(_ request: [UInt8], to registrationID: String, now: Timestamp) -> ProvisioningResult {
    do throws(CertificateIssuer.Fault) {
      let leaf = try issuer.issue(
        request,
        to: registrationID,
        validFor: lifetimeSeconds,
        now: now.seconds
      )
      let text = PresentedCertificate(leaf)?.sha256Thumbprint
      guard let thumbprint = text.flatMap({ Thumbprint(hex: $0) })
      else { return .refused(HubError(.serverError, "The issued certificate cannot be read.")) }
      issuedCount.add(1, ordering: .relaxed)
      return .issued(IssuedCertificate(chain: [leaf, certificate.der], thumbprint: thumbprint))
    } catch {
      return .refused(HubError(.argumentInvalid, error.message))
    }
  }
}

import JSONTree
import Platform

/// An authority that was made on this device, as it is kept: certificate and key in one file, so that
/// no crash leaves one of them without the other.
struct KeptAuthority: Sendable {
  let issued: CertificateMaker.Issued
  /// The parsed certificate.
  let certificate: PresentedCertificate
  /// When it was made, seconds since 1970; its validity begins long before that.
  let madeSeconds: Int64

  /// When it ends, seconds since 1970.
  var until: Int64 { certificate.validity.to }

  init(_ issued: CertificateMaker.Issued, madeSeconds: Int64) throws {
    guard let certificate = PresentedCertificate(Array(issued.certificatePEM.utf8)) else {
      throw CertificateMaker.AuthorityFault.certificate
    }
    self.issued = issued
    self.certificate = certificate
    self.madeSeconds = madeSeconds
  }

  /// Reads one, nil if there is none or it is damaged.
  init?(file: String) {
    guard let bytes = try? PrivateFile.read(file, limit: 65_536),
      let json = try? JSON.parse(bytes), let certificate = json["certificate"]?.stringValue,
      let privateKey = json["privateKey"]?.stringValue, let made = json["made"]?.int64Value,
      let kept = try? KeptAuthority(
        CertificateMaker.Issued(certificatePEM: certificate, privateKeyPEM: privateKey),
        madeSeconds: made
      )
    else { return nil }
    self = kept
  }

  func store(_ file: String) throws(FileFault) {
    let json: JSONValue = [
      "certificate": .string(issued.certificatePEM),
      "privateKey": .string(issued.privateKeyPEM),
      "made": .int(madeSeconds),
    ]
    try PrivateFile.replace(file, with: JSON.bytes(json))
  }
}

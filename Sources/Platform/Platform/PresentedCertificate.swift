import ByteIO
import FoundationEssentials
import SwiftASN1
@_spi(FixedExpiryValidationTime) package import X509

/// What the hub reads off certificates that devices and administrators present.
package struct PresentedCertificate: Sendable {
  /// The certificate's DER bytes.
  package let der: [UInt8]
  /// The parsed form.
  package let certificate: Certificate

  /// Parses one certificate given as DER, as PEM text, or as base64 of either; nil if it is none.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count <= 65_536 else { return nil }
    if let certificate = try? Certificate(derEncoded: bytes) {
      self.certificate = certificate
      self.der = bytes
      return
    }
    let text = String(decoding: bytes, as: UTF8.self)
    if text.contains("-----BEGIN"),
      let document = try? PEMDocument(pemString: text),
      let certificate = try? Certificate(pemDocument: document)
    {
      self.certificate = certificate
      self.der = document.derBytes
      return
    }
    let packed = text.utf8.filter { $0 > 0x20 }
    guard packed.count == bytes.count || packed.count > 0, let inner = Base64.decode(packed),
      inner.count < bytes.count, let decoded = PresentedCertificate(inner)
    else { return nil }
    self = decoded
  }

  /// The certificate as PEM text.
  package var pem: String { PEMDocument(type: "CERTIFICATE", derBytes: der).pemString }

  /// SHA-1 of the DER, hexadecimal in upper case.
  package var sha1Thumbprint: String { Hex.encode(Hashing.sha1(der)).uppercased() }
  /// SHA-256 of the DER, hexadecimal in upper case.
  package var sha256Thumbprint: String { Hex.encode(Hashing.sha256(der)).uppercased() }

  /// The subject's last common name, or nil.
  package var commonName: String? { certificate.subject.lastCommonName }

  /// The subject as text, such as `CN=device-1`.
  package var subject: String { "\(certificate.subject)" }

  /// The issuer as text.
  package var issuer: String { "\(certificate.issuer)" }

  /// The serial number, hexadecimal in upper case.
  package var serialNumber: String { Hex.encode(certificate.serialNumber.bytes).uppercased() }

  /// Seconds since 1970 at which its validity begins and ends.
  package var validity: (from: Int64, to: Int64) {
    (
      Int64(certificate.notValidBefore.timeIntervalSince1970),
      Int64(certificate.notValidAfter.timeIntervalSince1970)
    )
  }

  /// Whether `seconds` (since 1970) lies in its validity.
  package func isValid(at seconds: Int64) -> Bool {
    let (from, to) = validity
    return from <= seconds && seconds <= to
  }

  /// Whether `issuer`'s key made this certificate's signature.
  package func isSigned(by issuer: PresentedCertificate) -> Bool {
    issuer.certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
  }

  /// Whether it is of the key of a signing request (PKCS #10, DER).
  package func isFor(_ request: [UInt8]) -> Bool {
    let request = try? CertificateSigningRequest(derEncoded: request)
    return request?.publicKey == certificate.publicKey
  }

  /// Whether its owner may prove itself by it as a client: an extended key usage, if there is one, says
  /// so (RFC 5280 §4.2.1.12).
  package var isForClients: Bool {
    do {
      guard let usage = try certificate.extensions.extendedKeyUsage else { return true }
      return usage.contains(.clientAuth) || usage.contains(.any)
    } catch {
      return false
    }
  }

  /// The DNS names and URIs among its alternative names (RFC 5280 §4.2.1.6).
  package var alternativeNames: [String] {
    guard let names = try? certificate.extensions.subjectAlternativeNames else { return [] }
    return names.compactMap { name in
      switch name {
      case .dnsName(let text), .uniformResourceIdentifier(let text): text
      default: nil
      }
    }
  }

  /// Whether it may sign certificates: basicConstraints says CA and key usage, if any, allows it.
  package var isAuthority: Bool {
    guard let constraints = try? certificate.extensions.basicConstraints,
      case .isCertificateAuthority = constraints
    else { return false }
    do {
      guard let usage = try certificate.extensions.keyUsage else { return true }
      return usage.keyCertSign
    } catch {
      return false
    }
  }

  /// Certificates on the way that a peer may present; more are left out.
  package static let longestPath = 8

  private func isSameStep(as other: PresentedCertificate) -> Bool {
    certificate.subject == other.certificate.subject
      && certificate.issuer == other.certificate.issuer
      && certificate.publicKey == other.certificate.publicKey
  }

  /// The way from this leaf to one of `roots` through `intermediates` (RFC 5280 §6), nil for none.
  ///
  /// Checks signatures, validity, basicConstraints, path length and key usage at `seconds` since
  /// 1970.
  package func path(
    among roots: [PresentedCertificate],
    through intermediates: [PresentedCertificate],
    at seconds: Int64
  ) async -> CertificatePath? {
    // The policy below leaves key usage out. Of those that stand for the same step one is enough: a
    // search among many of the same name and key would not end.
    let intermediates = intermediates.filter { $0.isAuthority && $0.isValid(at: seconds) }
      .reduce(into: [PresentedCertificate]()) { kept, next in
        if !kept.contains(where: { $0.isSameStep(as: next) }) { kept.append(next) }
      }
    let date = Date(timeIntervalSince1970: Double(seconds))
    var verifier = Verifier(rootCertificates: CertificateStore(roots.map(\.certificate))) {
      RFC5280Policy(fixedExpiryValidationTime: date)
    }
    let result = await verifier.validate(
      leaf: certificate,
      intermediates: CertificateStore(intermediates.map(\.certificate))
    )
    guard case .validCertificate(let chain) = result else { return nil }
    guard let root = roots.first(where: { root in chain.contains(root.certificate) }) else {
      return nil
    }
    return CertificatePath(
      intermediates: intermediates.filter { chain.contains($0.certificate) },
      root: root
    )
  }
}

/// The certificates that lead from a leaf to an authority.
package struct CertificatePath: Sendable {
  /// Those between the two, each signed by the next or by the root.
  package let intermediates: [PresentedCertificate]
  /// The authority.
  package let root: PresentedCertificate
}

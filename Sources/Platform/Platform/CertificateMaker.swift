import ByteIO
import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// Makes the hub's own certificate authority and server certificates.
///
/// Keys are ECDSA P-256: small, fast to sign with, and accepted by every stock client.
package enum CertificateMaker {
  /// A certificate with its private key, both as PEM text.
  package struct Issued: Sendable {
    /// The certificate.
    package let certificatePEM: String
    /// The private key (PKCS #8).
    package let privateKeyPEM: String

    package init(certificatePEM: String, privateKeyPEM: String) {
      self.certificatePEM = certificatePEM
      self.privateKeyPEM = privateKeyPEM
    }

    /// Both as what an authority signs with.
    func opened() throws(AuthorityFault) -> (PresentedCertificate, Certificate.PrivateKey) {
      guard let certificate = PresentedCertificate(Array(certificatePEM.utf8)) else {
        throw .certificate
      }
      guard let key = try? Certificate.PrivateKey(pemEncoded: privateKeyPEM) else {
        throw .privateKey
      }
      // A signature by another key would only be found out by those who are shown it.
      guard key.publicKey == certificate.certificate.publicKey else { throw .pair }
      return (certificate, key)
    }
  }

  /// What is wrong with an authority that shall sign.
  package enum AuthorityFault: Error, Equatable {
    /// Its certificate is none.
    case certificate
    /// Its private key is none.
    case privateKey
    /// The private key is another certificate's.
    case pair
  }

  /// A new self-signed authority, valid ten years, that may sign leaves alone.
  package static func makeAuthority(commonName: String) throws -> Issued {
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let name = try DistinguishedName { CommonName(commonName) }
    let now = Date()
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: key.publicKey,
      notValidBefore: now.addingTimeInterval(-300),
      notValidAfter: now.addingTimeInterval(3_650 * 86_400),
      issuer: name,
      subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: key.publicKey)
      },
      issuerPrivateKey: key
    )
    return Issued(
      certificatePEM: try certificate.serializeAsPEM().pemString,
      privateKeyPEM: try key.serializeAsPEM().pemString
    )
  }

  /// A server certificate for `names` (DNS names and IP addresses), signed by `authority`.
  ///
  /// It is valid `days`, at most 397, the longest that current clients take.
  ///
  /// - Throws: `AuthorityFault`, or what keeps a name out of a certificate.
  package static func makeServer(
    names: [String],
    authority: Issued,
    days: Int = 397
  ) throws -> Issued {
    let (presented, issuerKey) = try authority.opened()
    let issuer = presented.certificate
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let now = Date()
    let subject = try DistinguishedName {
      CommonName(String((names.first ?? "localhost").prefix(64)))
    }
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: key.publicKey,
      notValidBefore: now.addingTimeInterval(-300),
      notValidAfter: min(
        now.addingTimeInterval(Double(days) * 86_400),
        issuer.notValidAfter
      ),
      issuer: issuer.subject,
      subject: subject,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames(names.map(generalName))
        AuthorityKeyIdentifier(
          keyIdentifier: SubjectKeyIdentifier(hash: issuer.publicKey).keyIdentifier
        )
        SubjectKeyIdentifier(hash: key.publicKey)
      },
      issuerPrivateKey: issuerKey
    )
    return Issued(
      certificatePEM: try certificate.serializeAsPEM().pemString,
      privateKeyPEM: try key.serializeAsPEM().pemString
    )
  }

  static func generalName(_ name: String) -> GeneralName {
    HostName.address(name).map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
      ?? .dnsName(name)
  }
}

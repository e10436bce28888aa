import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// What a certificate that the edge makes says, besides its key.
package struct CertificateProfile: Equatable, Sendable {
  /// What it is for.
  package enum Kind: Equatable, Sendable {
    /// An authority above another one.
    case root
    /// An authority that signs leaves alone.
    case authority
    /// A server of these DNS names and IP addresses.
    case server(names: [String])
    /// A client, with these DNS-typed alternative names.
    case client(names: [String])
  }

  /// The subject's common name; cut to 64 characters, the most that there may be (RFC 5280 §A.1).
  package let commonName: String
  package let kind: Kind
  /// Seconds since 1970.
  package let from: Int64
  /// Seconds since 1970; never later than the end of the authority that signs.
  package let until: Int64

  package init(commonName: String, kind: Kind, from: Int64, until: Int64) {
    self.commonName = commonName
    self.kind = kind
    self.from = from
    self.until = until
  }
}

extension CertificateMaker {
  /// A certificate with a private key, signed by an authority, or by itself without one.
  ///
  /// - Parameters:
  ///   - profile: What it says.
  ///   - authority: Who signs; of several certificates in its PEM text the first one is meant.
  ///   - privateKeyPEM: The key, nil for a new one (ECDSA P-256).
  /// - Returns: The certificate alone, without the authority's.
  /// - Throws: `AuthorityFault`, or what keeps a key or a name out of a certificate.
  package static func make(
    _ profile: CertificateProfile,
    signedBy authority: Issued?,
    privateKeyPEM: String? = nil
  ) throws -> Issued {
    let signer = try authority?.opened()
    let key =
      try privateKeyPEM.map { try Certificate.PrivateKey(pemEncoded: $0) }
      ?? Certificate.PrivateKey(P256.Signing.PrivateKey())
    let name = try DistinguishedName { CommonName(String(profile.commonName.prefix(64))) }
    let issuer = signer?.0.certificate
    let until = Date(timeIntervalSince1970: Double(profile.until))
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSince1970: Double(profile.from)),
      notValidAfter: min(until, issuer?.notValidAfter ?? until),
      issuer: issuer?.subject ?? name,
      subject: name,
      extensions: try extensions(profile, of: key, issuer: issuer),
      issuerPrivateKey: signer?.1 ?? key
    )
    return Issued(
      certificatePEM: try certificate.serializeAsPEM().pemString,
      privateKeyPEM: try key.serializeAsPEM().pemString
    )
  }

  /// A signing request (PKCS #10, DER) for another authority, and the key that it is for.
  ///
  /// - Parameters:
  ///   - commonName: The subject's; cut to 64 characters.
  ///   - isAuthority: Whether it asks for a certificate that may sign leaves.
  ///   - privateKeyPEM: The key, nil for a new one (ECDSA P-256).
  /// - Returns: The request, and the key as PKCS #8 in PEM.
  /// - Throws: What keeps a key or a name out of a request.
  package static func makeRequest(
    commonName: String,
    isAuthority: Bool,
    privateKeyPEM: String? = nil
  ) throws -> (request: [UInt8], privateKeyPEM: String) {
    let key =
      try privateKeyPEM.map { try Certificate.PrivateKey(pemEncoded: $0) }
      ?? Certificate.PrivateKey(P256.Signing.PrivateKey())
    let extensions = try Certificate.Extensions {
      if isAuthority {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
      } else {
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.clientAuth])
      }
    }
    let request = try CertificateSigningRequest(
      version: .v1,
      subject: try DistinguishedName { CommonName(String(commonName.prefix(64))) },
      privateKey: key,
      attributes: CertificateSigningRequest.Attributes([
        try CertificateSigningRequest.Attribute(ExtensionRequest(extensions: extensions))
      ])
    )
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return (serializer.serializedBytes, try key.serializeAsPEM().pemString)
  }

  /// Whether a private key is that of a certificate, and both can be read.
  package static func isPair(_ issued: Issued) -> Bool { (try? issued.opened()) != nil }

  private static func extensions(
    _ profile: CertificateProfile,
    of key: Certificate.PrivateKey,
    issuer: Certificate?
  ) throws -> Certificate.Extensions {
    let authorityKey = SubjectKeyIdentifier(hash: issuer?.publicKey ?? key.publicKey)
    return try Certificate.Extensions {
      switch profile.kind {
      case .root:
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
      case .authority:
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
      case .server(let names):
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames(names.map(generalName))
      case .client(let names):
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.clientAuth])
        SubjectAlternativeNames(names.map { .dnsName($0) })
      }
      AuthorityKeyIdentifier(keyIdentifier: authorityKey.keyIdentifier)
      SubjectKeyIdentifier(hash: key.publicKey)
    }
  }
}

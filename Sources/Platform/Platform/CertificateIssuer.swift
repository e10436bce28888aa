import Crypto
import CryptoExtras
import FoundationEssentials
import HubContract
import SwiftASN1
import X509

/// Issues certificates to devices that send a signing request (PKCS #10, RFC 2986).
///
/// Of the request only the key is used: the name is the one that the device registered by, and
/// extensions are the issuer's own.
package struct CertificateIssuer: Sendable {
  /// What is wrong with a signing request.
  package enum Fault: Error, Equatable {
    /// It is none.
    case request
    /// Its common name, if any, is another one.
    case name(String?)
    /// Its key is of a kind or size that is not issued to.
    case key
    /// Its signature is not by its own key: whoever sent it may not have that key.
    case signature

    /// The fault in words.
    package var message: String {
      switch self {
      case .request: "csr is no signing request (PKCS #10 in DER form)."
      case .name(nil): "csr has no common name; it must be the registration ID."
      case .name(let name?): "csr is for '\(name)'; its common name must be the registration ID."
      case .key:
        "csr has a key that is not issued to; use ECDSA P-256, P-384 or P-521, or RSA of 2048 to 4096 bits."
      case .signature: "csr is not signed with its own key."
      }
    }
  }

  /// The authority's own certificate.
  package let certificate: PresentedCertificate
  private let key: Certificate.PrivateKey

  /// The issuer with this certificate and key.
  package init(_ authority: CertificateMaker.Issued) throws(CertificateMaker.AuthorityFault) {
    let opened = try authority.opened()
    certificate = opened.0
    key = opened.1
  }

  /// A certificate for the key of a signing request, as DER.
  ///
  /// - Parameters:
  ///   - request: the signing request, DER.
  ///   - registrationID: the common name, in its normal form.
  ///   - seconds: how long it is valid; never longer than the authority is.
  ///   - now: seconds since 1970.
  /// - Returns: the certificate.
  /// - Throws: what is wrong with the request.
  package func issue(
    _ request: [UInt8],
    to registrationID: String,
    validFor seconds: Int64,
    now: Int64
  ) throws(Fault) -> [UInt8] {
    let request = try Self.opened(request, registrationID)
    do {
      return try make(request.publicKey, registrationID, seconds: seconds, now: now)
    } catch {
      // A name that passed the rules of registration IDs fits into a certificate.
      throw .request
    }
  }

  /// Checks a signing request that another authority is to be sent.
  ///
  /// - Throws: what is wrong with the request.
  package static func check(_ request: [UInt8], of registrationID: String) throws(Fault) {
    _ = try opened(request, registrationID)
  }

  private static func opened(
    _ request: [UInt8],
    _ registrationID: String
  ) throws(Fault) -> CertificateSigningRequest {
    guard let request = try? CertificateSigningRequest(derEncoded: request) else {
      throw .request
    }
    let given = request.subject.lastCommonName
    guard let name = given, RegistrationID.normalized(name) == registrationID else {
      throw .name(given)
    }
    // Before its signature is computed with: a key can be made to cost much.
    guard isIssuedTo(request.publicKey) else { throw .key }
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      throw .signature
    }
    return request
  }

  private func make(
    _ publicKey: Certificate.PublicKey,
    _ name: String,
    seconds: Int64,
    now: Int64
  ) throws -> [UInt8] {
    let issuer = certificate.certificate
    let now = Date(timeIntervalSince1970: Double(now))
    let leaf = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: publicKey,
      // For clocks that differ.
      notValidBefore: max(now.addingTimeInterval(-300), issuer.notValidBefore),
      notValidAfter: min(now.addingTimeInterval(Double(seconds)), issuer.notValidAfter),
      issuer: issuer.subject,
      subject: try DistinguishedName { CommonName(name) },
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.clientAuth])
        AuthorityKeyIdentifier(
          keyIdentifier: SubjectKeyIdentifier(hash: issuer.publicKey).keyIdentifier
        )
        SubjectKeyIdentifier(hash: publicKey)
      },
      issuerPrivateKey: key
    )
    var serializer = DER.Serializer()
    try serializer.serialize(leaf)
    return serializer.serializedBytes
  }

  /// Whether TLS stacks take the key for signatures, and it is neither weak nor a burden.
  private static func isIssuedTo(_ key: Certificate.PublicKey) -> Bool {
    if let key = _RSA.Signing.PublicKey(key) { return (2048...4096).contains(key.keySizeInBits) }
    return P256.Signing.PublicKey(key) != nil || P384.Signing.PublicKey(key) != nil
      || P521.Signing.PublicKey(key) != nil
  }
}

extension DistinguishedName {
  /// The last common name, or nil.
  var lastCommonName: String? {
    for rdn in reversed() {
      for attribute in rdn where attribute.type == .RDNAttributeType.commonName {
        return String(attribute.value)
      }
    }
    return nil
  }
}

import Crypto
import Foundation
import Platform
import SwiftASN1
import Testing
import X509

@Suite("The way from a device's certificate to an authority (RFC 5280 §6)")
struct CertificatePathTests {
  private struct Issued {
    let certificate: Certificate
    let key: Certificate.PrivateKey

    var presented: PresentedCertificate {
      get throws {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return try #require(PresentedCertificate(serializer.serializedBytes))
      }
    }
  }

  private static func issue(
    _ name: String,
    by issuer: Issued?,
    _ constraints: BasicConstraints,
    _ usage: KeyUsage?
  ) throws -> Issued {
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let subject = try DistinguishedName { CommonName(name) }
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSince1970: 1_000),
      notValidAfter: Date(timeIntervalSince1970: 2_000),
      issuer: issuer?.certificate.subject ?? subject,
      subject: subject,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(constraints)
        if let usage { Critical(usage) }
      },
      issuerPrivateKey: issuer?.key ?? key
    )
    return Issued(certificate: certificate, key: key)
  }

  @Test("a certificate between the two must be an authority's, by its key usage too")
  func keyUsage() async throws {
    let authority = BasicConstraints.isCertificateAuthority(maxPathLength: nil)
    let root = try Self.issue("root", by: nil, authority, KeyUsage(keyCertSign: true))
    for (constraints, usage, isAuthority) in [
      (authority, KeyUsage(keyCertSign: true), true), (authority, nil, true),
      (authority, KeyUsage(digitalSignature: true), false),
      (.notCertificateAuthority, nil, false),
    ] as [(BasicConstraints, KeyUsage?, Bool)] {
      let middle = try Self.issue("middle", by: root, constraints, usage)
      let leaf = try Self.issue("d", by: middle, .notCertificateAuthority, nil)
      #expect(try middle.presented.isAuthority == isAuthority)
      let path = await (try leaf.presented).path(
        among: [try root.presented],
        through: [try middle.presented],
        at: 1_500
      )
      #expect((path != nil) == isAuthority)
    }
  }
}

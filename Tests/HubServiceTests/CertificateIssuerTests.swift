import Crypto
import Foundation
import Platform
import SwiftASN1
import Testing
import X509

@Suite("Certificates for signing requests (RFC 2986)")
struct CertificateIssuerTests {
  private static let now: Int64 = 1_900_000_000

  private static func der(_ value: some DERSerializable) throws -> [UInt8] {
    var serializer = DER.Serializer()
    try serializer.serialize(value)
    return serializer.serializedBytes
  }

  private static func request(
    _ name: String?,
    _ key: Certificate.PrivateKey = Certificate.PrivateKey(P256.Signing.PrivateKey()),
    _ algorithm: Certificate.SignatureAlgorithm = .ecdsaWithSHA256
  ) throws -> CertificateSigningRequest {
    try CertificateSigningRequest(
      version: .v1,
      subject: try DistinguishedName { if let name { CommonName(name) } },
      privateKey: key,
      attributes: CertificateSigningRequest.Attributes(),
      signatureAlgorithm: algorithm
    )
  }

  private static func issuer() throws -> CertificateIssuer {
    try CertificateIssuer(try CertificateMaker.makeAuthority(commonName: "devices"))
  }

  @Test("the certificate has the request's key, our name, and leads to the authority")
  func issues() async throws {
    let issuer = try Self.issuer()
    let now = Int64(Date().timeIntervalSince1970)
    for (key, algorithm) in [
      (Certificate.PrivateKey(P256.Signing.PrivateKey()), .ecdsaWithSHA256),
      (Certificate.PrivateKey(P384.Signing.PrivateKey()), .ecdsaWithSHA384),
    ] as [(Certificate.PrivateKey, Certificate.SignatureAlgorithm)] {
      let request = try Self.request("Pump-1", key, algorithm)
      let made = try issuer.issue(try Self.der(request), to: "pump-1", validFor: 3600, now: now)
      let leaf = try #require(PresentedCertificate(made))
      #expect(leaf.certificate.publicKey == key.publicKey)
      #expect(leaf.commonName == "pump-1")
      #expect(leaf.validity.from <= now && leaf.validity.to == now + 3600)
      #expect(!leaf.isAuthority)
      #expect(try leaf.certificate.extensions.extendedKeyUsage?.contains(.clientAuth) == true)
      #expect(await leaf.path(among: [issuer.certificate], through: [], at: now) != nil)
    }
    // Nothing outlives the authority.
    let far = try issuer.issue(
      try Self.der(try Self.request("d")),
      to: "d",
      validFor: 100 * 365 * 86_400,
      now: now
    )
    #expect(PresentedCertificate(far)?.validity.to == issuer.certificate.validity.to)
  }

  @Test("requests that are none, for others, with a weak key, or without proof are refused")
  func refuses() throws {
    let issuer = try Self.issuer()
    let good = try Self.request("d")
    let bytes = try Self.der(good)
    let edwards = Certificate.PrivateKey(Curve25519.Signing.PrivateKey())
    let stolen = try CertificateSigningRequest(
      version: .v1,
      subject: good.subject,
      publicKey: Certificate.PrivateKey(P256.Signing.PrivateKey()).publicKey,
      attributes: good.attributes,
      signatureAlgorithm: good.signatureAlgorithm,
      signature: good.signature
    )
    var flipped = bytes
    flipped[flipped.count - 1] ^= 1
    let rows: [([UInt8], CertificateIssuer.Fault)] = [
      ([], .request), ([0x30], .request), (Array(bytes.dropLast()), .request),
      (bytes + [0], .request), (issuer.certificate.der, .request),
      (try Self.der(try Self.request("e")), .name("e")),
      (try Self.der(try Self.request(nil)), .name(nil)),
      (try Self.der(try Self.request("d", edwards, .ed25519)), .key),
      (try Self.der(stolen), .signature), (flipped, .signature),
    ]
    for (index, (request, fault)) in rows.enumerated() {
      let error = #expect(throws: CertificateIssuer.Fault.self, "row \(index)") {
        try issuer.issue(request, to: "d", validFor: 60, now: Self.now)
      }
      #expect(error == fault, "row \(index)")
    }
  }
}

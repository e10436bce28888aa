import Crypto
import FoundationEssentials
package import HubContract
package import Platform
import SwiftASN1
import X509

/// Proves that somebody holds an authority's private key (contract §2.2).
package enum PossessionProof {
  /// A certificate for `code`, signed by the authority, as DER.
  ///
  /// It is valid for an hour, so that it is worth nothing once the hub has seen it, and begins five
  /// minutes ago, for clocks that differ. Its own key is thrown away.
  /// `keyOrigin` says where the key comes from, for messages.
  package static func make(
    code: String,
    authority: PresentedCertificate,
    privateKeyPEM: String,
    keyOrigin: String,
    now: Timestamp
  ) throws(CommandFailure) -> [UInt8] {
    let issuerKey: Certificate.PrivateKey
    do {
      issuerKey = try Certificate.PrivateKey(pemEncoded: privateKeyPEM)
    } catch {
      throw CommandFailure(
        .usage,
        "\(keyOrigin) holds no private key in PEM form",
        remedy: "A key with a pass phrase: openssl pkey -in \(keyOrigin) -out plain.key"
      )
    }
    guard issuerKey.publicKey == authority.certificate.publicKey else {
      throw CommandFailure(
        .usage,
        "the key in \(keyOrigin) is not the one of '\(authority.subject)'"
      )
    }
    do {
      let begin = Date(timeIntervalSince1970: Double(now.seconds - 300))
      let certificate = try Certificate(
        version: .v3,
        serialNumber: Certificate.SerialNumber(),
        publicKey: Certificate.PrivateKey(P256.Signing.PrivateKey()).publicKey,
        notValidBefore: begin,
        notValidAfter: begin.addingTimeInterval(3900),
        issuer: authority.certificate.subject,
        subject: try DistinguishedName { CommonName(code) },
        extensions: try Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
        },
        issuerPrivateKey: issuerKey
      )
      var serializer = DER.Serializer()
      try serializer.serialize(certificate)
      return serializer.serializedBytes
    } catch {
      throw CommandFailure(.failure, "cannot sign with the key in \(keyOrigin): \(error)")
    }
  }
}

import SwiftASN1

/// A message of certificates alone (CMS, RFC 5652 §5.1, as RFC 7030 §4.2.3 has it): nobody signed it.
package enum CertificatesOnlyMessage {
  /// Bytes of a message at most; longer is none.
  package static let byteLimit = 256 << 10
  /// Certificates at most; more is none.
  package static let certificateLimit = 10

  /// The certificates of a message in BER or DER; nil for what is none, or has no certificate.
  package static func certificates(in message: [UInt8]) -> [PresentedCertificate]? {
    guard message.count <= byteLimit, let root = try? BER.parse(message),
      let info = parts(of: root, .sequence), info.count == 2,
      let type = try? ASN1ObjectIdentifier(berEncoded: info[0]), type == signedData,
      let wrapped = parts(of: info[1], context(0)), wrapped.count == 1,
      let signed = parts(of: wrapped[0], .sequence),
      let set = signed.lazy.compactMap({ parts(of: $0, context(0)) }).first,
      (1...certificateLimit).contains(set.count)
    else { return nil }
    let certificates = set.compactMap { node in
      node.identifier == .sequence ? PresentedCertificate(Array(node.encodedBytes)) : nil
    }
    return certificates.count == set.count ? certificates : nil
  }

  private static let signedData: ASN1ObjectIdentifier = [1, 2, 840, 113_549, 1, 7, 2]

  private static func context(_ number: UInt) -> ASN1Identifier {
    ASN1Identifier(tagWithNumber: number, tagClass: .contextSpecific)
  }

  /// What a node of this kind is made of, no more than a message can have in one place.
  private static func parts(of node: ASN1Node, _ kind: ASN1Identifier) -> [ASN1Node]? {
    guard node.identifier == kind, case .constructed(let nodes) = node.content else { return nil }
    let parts = Array(nodes.prefix(certificateLimit + 1))
    return parts.isEmpty ? nil : parts
  }
}

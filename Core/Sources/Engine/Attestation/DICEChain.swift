internal import ByteIO
public import COSE

/// The layers that started on a device one after the other, as its certificates prove them.
public struct DICEChain: Equatable, Sendable {
  /// Certificates that a chain may have at most, the one of the key for evidence among them.
  public static let maximumCertificates = 8

  /// The layers in the order in which they started.
  public let layers: [DICELayer]
  /// The key that signs evidence.
  public let evidenceKey: COSEKey

  /// Follows a chain from the device's own key to its key for evidence.
  ///
  /// Every certificate is signed by the key before it, names that key and its own, and has the use of
  /// its place: all but the last certify a layer's key, the last one the key for evidence.
  ///
  /// - Parameters:
  ///   - certificates: From the first layer's to the one of the key for evidence.
  ///   - root: The device's own key, known from its enrolment.
  ///   - functions: Of these, `hash` and `derive` are used.
  ///   - check: Whether the third is a signature of the second by the first.
  /// - Throws: The rule that a certificate breaks, with its place from 0.
  public init(
    _ certificates: [[UInt8]],
    root: COSEKey,
    _ functions: DICEFunctions,
    check: SignatureCheck
  ) throws(AttestationFault) {
    guard (2...Self.maximumCertificates).contains(certificates.count) else {
      throw .certificateCount(certificates.count)
    }
    var layers: [DICELayer] = []
    var authority = root
    for (place, bytes) in certificates.enumerated() {
      let certificate: DICECertificate
      do {
        certificate = try DICECertificate(bytes.span, signedBy: authority, check: check)
      } catch {
        throw error == .encoding(.authenticationFailed) ? .certificateSignature(place) : error
      }
      guard certificate.issuer == Self.name(of: authority, functions) else {
        throw .issuerMismatch(place)
      }
      guard certificate.subject == Self.name(of: certificate.key, functions) else {
        throw .subjectMismatch(place)
      }
      let isLast = place == certificates.count - 1
      guard certificate.usage == (isLast ? .evidence : .certificates),
        (certificate.layer == nil) == isLast
      else { throw .certificateUsage(place) }
      if let layer = certificate.layer {
        if let hash = layer.configurationHash, hash != functions.hash(layer.configuration) {
          throw .configurationHash
        }
        layers.append(layer)
      }
      authority = certificate.key
    }
    self.layers = layers
    evidenceKey = authority
  }

  /// The name of a key in certificates: its identifier in lower-case hexadecimal.
  public static func name(of key: COSEKey, _ functions: DICEFunctions) -> CBORText {
    CBORText(Hex.encode(DICE.identifier(of: key.point, functions)))
  }
}

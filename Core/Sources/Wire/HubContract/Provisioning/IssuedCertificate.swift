internal import ByteIO
public import JSONTree

/// A certificate that was issued to a device which sent a signing request.
public struct IssuedCertificate: Equatable, Sendable {
  /// The certificates in DER form, the device's own first, each signed by the next.
  public var chain: [[UInt8]]
  /// SHA-256 of the device's own.
  public var thumbprint: Thumbprint

  /// Creates an issued certificate.
  public init(chain: [[UInt8]], thumbprint: Thumbprint) {
    self.chain = chain
    self.thumbprint = thumbprint
  }

  /// The member `issuedCertificateChain`: base64 of each.
  public var json: JSONValue { .array(chain.map { .string(Base64.encode($0)) }) }

  /// Everything, for the storage.
  public var stored: JSONValue { ["chain": json, "print": .string(thumbprint.hex)] }

  /// Reads what `stored` made; nil for anything else.
  public init?(stored: JSONValue) {
    guard let texts = stored["chain"]?.arrayValue,
      let thumbprint = stored["print"]?.stringValue.flatMap({ Thumbprint(hex: $0) })
    else { return nil }
    let chain = texts.compactMap { $0.stringValue.flatMap { Base64.decode($0) } }
    guard chain.count == texts.count else { return nil }
    self.init(chain: chain, thumbprint: thumbprint)
  }
}

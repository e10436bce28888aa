import NIOSSL

/// A client's side of TLS: whom it trusts, and the certificate that it presents, if any.
package struct ClientTLS: Sendable {
  private let context: NIOSSLContext

  /// Prepares the context.
  ///
  /// - Parameters:
  ///   - trustAnchorsPEM: Authorities to trust; nil trusts the system's.
  ///   - trustsSystem: Whether the system's are trusted besides.
  ///   - certificateChainPEM: What the client presents, leaf first; nil presents nothing.
  ///   - privateKeyPEM: The leaf's key.
  /// - Throws: `NIOSSLError` or `BoringSSLError` when something cannot be read or does not fit.
  package init(
    trustAnchorsPEM: [UInt8]?,
    trustsSystem: Bool = false,
    certificateChainPEM: [UInt8]? = nil,
    privateKeyPEM: [UInt8]? = nil
  ) throws {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    if let trustAnchorsPEM {
      let anchors = try NIOSSLCertificate.fromPEMBytes(trustAnchorsPEM)
      if trustsSystem {
        configuration.additionalTrustRoots = [.certificates(anchors)]
      } else {
        configuration.trustRoots = .certificates(anchors)
      }
    }
    if let certificateChainPEM, let privateKeyPEM {
      let chain = try NIOSSLCertificate.fromPEMBytes(certificateChainPEM)
      configuration.certificateChain = chain.map { .certificate($0) }
      configuration.privateKey = .privateKey(
        try NIOSSLPrivateKey(bytes: privateKeyPEM, format: .pem)
      )
    }
    context = try NIOSSLContext(configuration: configuration)
  }

  /// A handler for one connection to `host`, which the server's certificate must name.
  func makeHandler(host: String) throws -> NIOSSLClientHandler {
    do {
      return try NIOSSLClientHandler(context: context, serverHostname: host)
    } catch let error as NIOSSLExtraError where error == .cannotUseIPAddressInSNI {
      // Without a name the address of the peer is compared with the certificate's.
      return try NIOSSLClientHandler(context: context, serverHostname: nil)
    }
  }
}

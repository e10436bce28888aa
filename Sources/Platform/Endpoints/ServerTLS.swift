package import NIOCore
package import NIOSSL

/// The hub's side of TLS: versions, certificate, and the request for a client certificate.
///
/// Every handshake asks for a client certificate with an empty list of authorities, accepts none,
/// and accepts any: who a certificate stands for is decided when CONNECT or the HTTP path names the
/// device (contract "TLS"). BoringSSL still checks that the peer holds the private key.
package struct ServerTLS: Sendable {
  private let context: NIOSSLContext

  /// Prepares the context.
  ///
  /// - Parameters:
  ///   - certificateChainPEM: Leaf first.
  ///   - privateKeyPEM: The leaf's key.
  /// - Throws: `NIOSSLError` or `BoringSSLError` when the two do not fit or cannot be read.
  package init(certificateChainPEM: [UInt8], privateKeyPEM: [UInt8]) throws {
    let chain = try NIOSSLCertificate.fromPEMBytes(certificateChainPEM)
    let key = try NIOSSLPrivateKey(bytes: privateKeyPEM, format: .pem)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) },
      privateKey: .privateKey(key)
    )
    configuration.minimumTLSVersion = .tlsv12
    configuration.maximumTLSVersion = .tlsv13
    configuration.certificateVerification = .optionalVerification
    configuration.trustRoots = .certificates([])
    configuration.sendCANameList = false
    // How long a close waits for the peer's own; a stop must not wait for those who say nothing.
    configuration.shutdownTimeout = .milliseconds(250)
    configuration.cipherSuites = [
      "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
      "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
      "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")
    context = try NIOSSLContext(configuration: configuration)
  }

  /// A handler for one connection; what the client presents is put into `peer`.
  package func makeHandler(peer: PeerCertificates) -> NIOSSLServerHandler {
    NIOSSLServerHandler(
      context: context,
      customVerificationCallback: { certificates, promise in
        peer.presented(certificates)
        promise.succeed(.certificateVerified)
      },
      configuration: .init()
    )
  }
}

/// The certificates that one client presented, leaf first, kept by the connection's event loop.
package struct PeerCertificates: Sendable {
  private let chain: NIOLoopBoundBox<[NIOSSLCertificate]>

  /// An empty chain of the connection on `eventLoop`.
  package init(eventLoop: any EventLoop) {
    chain = NIOLoopBoundBox([], eventLoop: eventLoop)
  }

  fileprivate func presented(_ certificates: [NIOSSLCertificate]) { chain.value = certificates }

  /// The chain as DER, leaf first; empty when none was presented.
  ///
  /// Call on the event loop.
  package var der: [[UInt8]] { chain.value.compactMap { try? $0.toDERBytes() } }
}

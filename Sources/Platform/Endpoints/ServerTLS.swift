package import NIOCore
package import NIOSSL
import Synchronization

/// The hub's side of TLS: versions, certificate, and the request for a client certificate.
///
/// All listeners share one, so that a new certificate reaches them all.
///
/// Every handshake asks for a client certificate with an empty list of authorities, accepts none,
/// and accepts any: who a certificate stands for is decided when CONNECT or the HTTP path names the
/// device (contract "TLS"). BoringSSL still checks that the peer holds the private key.
package final class ServerTLS: Sendable {
  /// What is wrong with the certificate or the key.
  package enum Fault: Error {
    /// There is no certificate in PEM.
    case certificate
    /// There is no private key in PEM that needs no passphrase.
    case privateKey
    /// The two do not fit, or TLS does not take them.
    case pair(any Error)
  }

  private let context: Mutex<NIOSSLContext>

  /// Prepares the context.
  ///
  /// - Parameters:
  ///   - certificateChainPEM: Leaf first.
  ///   - privateKeyPEM: The leaf's key.
  /// - Throws: What is wrong with which of the two.
  package init(certificateChainPEM: [UInt8], privateKeyPEM: [UInt8]) throws(Fault) {
    guard let chain = try? NIOSSLCertificate.fromPEMBytes(certificateChainPEM), !chain.isEmpty
    else { throw .certificate }
    guard let key = try? NIOSSLPrivateKey(bytes: privateKeyPEM, format: .pem) else {
      throw .privateKey
    }
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
    do {
      context = Mutex(try NIOSSLContext(configuration: configuration))
    } catch {
      throw .pair(error)
    }
  }

  /// Gives connections from now on the certificate of `other`; those that are there keep theirs.
  package func replace(with other: ServerTLS) {
    let new = other.context.withLock { $0 }
    context.withLock { $0 = new }
  }

  /// A handler for one connection; what the client presents is put into `peer`.
  package func makeHandler(peer: PeerCertificates) -> NIOSSLServerHandler {
    let handler = NIOSSLServerHandler(
      context: context.withLock { $0 },
      customVerificationCallback: { certificates, promise in
        peer.presented(certificates)
        promise.succeed(.certificateVerified)
      },
      configuration: .init()
    )
    peer.attach(handler)
    return handler
  }
}

/// The certificates that one client presented, leaf first, kept by the connection's event loop.
///
/// A handshake that resumes a session presents none: the session itself, which only the hub could
/// have sealed, holds the leaf of the handshake that began it. TLS gives the leaf alone back, so
/// whoever judges a chain must know the certificates between it and the authority from before.
package struct PeerCertificates: Sendable {
  private struct State {
    var presented: [NIOSSLCertificate] = []
    /// What somebody trusted says that its own client presented.
    var forwarded: [UInt8]?
    /// Weak: its callback holds this state, and the pipeline holds the handler.
    weak var handler: NIOSSLServerHandler?
  }

  private let state: NIOLoopBoundBox<State>

  /// An empty chain of the connection on `eventLoop`.
  package init(eventLoop: any EventLoop) {
    state = NIOLoopBoundBox(State(), eventLoop: eventLoop)
  }

  fileprivate func presented(_ certificates: [NIOSSLCertificate]) {
    state.value.presented = certificates
  }

  fileprivate func attach(_ handler: NIOSSLServerHandler) { state.value.handler = handler }

  /// Takes the certificate (DER) that the connection's client, a proxy that may say so, was shown by its
  /// own.
  ///
  /// Call on the event loop.
  func forwarded(_ certificate: [UInt8]) { state.value.forwarded = certificate }

  /// What is known of the client's chain now.
  ///
  /// Call on the event loop.
  package var chain: PresentedChain {
    if let leaf = state.value.forwarded { return .forwarded(leaf) }
    let presented = state.value.presented
    guard presented.isEmpty else {
      return PresentedChain(presented.compactMap { try? $0.toDERBytes() })
    }
    guard let leaf = try? state.value.handler?.peerCertificate?.toDERBytes() else {
      return PresentedChain([])
    }
    return PresentedChain([leaf], isResumed: true)
  }
}

/// A client's certificates on their way to whoever judges them.
package struct PresentedChain: Sendable {
  /// DER, leaf first; empty if there is none, the leaf alone if `isResumed`.
  package let certificates: [[UInt8]]
  /// Whether the leaf comes from a session that was begun with a chain not repeated now, or from a proxy
  /// that passes no chain on.
  package let isResumed: Bool

  package init(_ certificates: [[UInt8]], isResumed: Bool = false) {
    self.certificates = certificates
    self.isResumed = isResumed
  }

  /// A leaf that a proxy passes on.
  package static func forwarded(_ leaf: [UInt8]) -> PresentedChain {
    PresentedChain([leaf], isResumed: true)
  }
}

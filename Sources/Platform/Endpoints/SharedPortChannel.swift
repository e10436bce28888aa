import HTTPTypes
package import HummingbirdCore
package import Logging
package import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// The child channel of port 443: TLS, then REST or a byte stream over WebSocket, by the request.
///
/// The subprotocol decides what is inside a WebSocket, whatever the path (contract "Listeners").
package struct SharedPortChannel: HTTPChannelHandler {
  package typealias Value = Negotiated

  /// A connection whose upgrade has not been decided yet.
  package struct Negotiated: ServerChildChannelValue {
    let result: EventLoopFuture<Outcome>
    package let channel: any Channel
  }

  /// What a connection turned out to be.
  enum Outcome: Sendable {
    case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
    case webSocket
  }

  /// Bytes of a WebSocket frame at most; MQTT packets may span frames.
  static let frameLimit = 1 << 20
  /// Header block at most, in bytes (contract "Common rules").
  static let headerLimit = 65_536

  package let responder: Responder
  private let tls: ServerTLS?
  private let idleTimeout: TimeAmount
  private let counters: EndpointCounters
  private let addStream: @Sendable (any Channel, PeerCertificates, WebSocketProtocol) throws -> Void

  /// Prepares the channel.
  ///
  /// - Parameters:
  ///   - tls: The server's TLS side; nil serves in clear, for a listener on loopback alone.
  ///   - idleTimeout: How long a connection may stay without a request, headers included.
  ///   - counters: Counts connections that never came to a request.
  ///   - responder: Answers REST requests.
  ///   - addStream: Adds the handlers of the protocol that the client chose behind the WebSocket ones.
  package init(
    tls: ServerTLS?,
    idleTimeout: TimeAmount = .seconds(30),
    counters: EndpointCounters,
    responder: @escaping Responder,
    addStream: @escaping @Sendable (any Channel, PeerCertificates, WebSocketProtocol) throws -> Void
  ) {
    self.tls = tls
    self.idleTimeout = idleTimeout
    self.counters = counters
    self.responder = responder
    self.addStream = addStream
  }

  package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Negotiated> {
    let (tls, idleTimeout, addStream) = (self.tls, self.idleTimeout, self.addStream)
    let counters = counters
    counters.sharedConnections.count()
    channel.closeFuture.whenComplete { _ in counters.sharedConnections.count(-1) }
    return channel.eventLoop.makeCompletedFuture {
      let peer = PeerCertificates(eventLoop: channel.eventLoop)
      let operations = channel.pipeline.syncOperations
      if let tls { try operations.addHandler(tls.makeHandler(peer: peer)) }
      try operations.addHandler(PeerCertificatesHandler(peer))
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderFieldSize = Self.headerLimit
      limits.maxHeaderListSize = Self.headerLimit
      limits.maxHeaderFieldCount = 200
      let gate = RequestGateHandle(eventLoop: channel.eventLoop)
      let upgrader = NIOTypedWebSocketServerUpgrader<Outcome>(
        maxFrameSize: Self.frameLimit,
        shouldUpgrade: { channel, head in
          // The gate has let only upgrades to what is spoken here through.
          let chosen = WebSocketProtocol(offeredIn: head)?.rawValue
          return channel.eventLoop.makeSucceededFuture(
            chosen.map { ["Sec-WebSocket-Protocol": $0] }
          )
        },
        upgradePipelineHandler: { channel, head in
          // The gate knows HTTP alone: it goes before the first frame comes.
          gate.leave(channel).flatMapThrowing {
            try channel.pipeline.syncOperations.addHandler(WebSocketBytes())
            try addStream(channel, peer, WebSocketProtocol(offeredIn: head) ?? .mqtt)
            return .webSocket
          }
        }
      )
      let plain: @Sendable (any Channel) -> EventLoopFuture<Outcome> = { channel in
        channel.eventLoop.makeCompletedFuture {
          let operations = channel.pipeline.syncOperations
          try operations.addHandler(HTTP1ToHTTPServerCodec(secure: tls != nil))
          try operations.addHandler(
            HTTPConnectionStateHandler(
              idleTimeout: .nanoseconds(idleTimeout.nanoseconds),
              logger: logger
            )
          )
          return .http(
            try NIOAsyncChannel(
              wrappingChannelSynchronously: channel,
              configuration: .init(isOutboundHalfClosureEnabled: true)
            )
          )
        }
      }
      var configuration = NIOUpgradableHTTPServerPipelineConfiguration(
        upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(
          upgraders: [upgrader],
          notUpgradingCompletionHandler: plain
        )
      )
      configuration.enablePipelining = false
      configuration.enableErrorHandling = false
      configuration.decoderConfiguration = limits
      // The first request decides; one that never comes whole must not hold the connection.
      let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: idleTimeout) {
        counters.connectTimeouts.count()
        channel.close(promise: nil)
      }
      let result = try operations.configureUpgradableHTTPServerPipeline(
        configuration: configuration
      )
      let decoder = try operations.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      try gate.enter(operations, after: decoder)
      result.assumeIsolated().whenComplete { _ in deadline.cancel() }
      return Negotiated(result: result, channel: channel)
    }
  }

  package func handle(value: Negotiated, logger: Logger) async {
    do {
      switch try await value.result.get() {
      case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
      case .webSocket: try await value.channel.closeFuture.get()
      }
    } catch {
      logger.debug("connection closed before a request", metadata: ["error": "\(error)"])
      value.channel.close(promise: nil)
    }
  }
}

/// Where a request finds what certificate its connection presented.
package final class PeerCertificatesHandler: ChannelInboundHandler {
  package typealias InboundIn = NIOAny
  /// The certificates of the connection.
  package let peer: PeerCertificates

  init(_ peer: PeerCertificates) { self.peer = peer }
}

extension Channel {
  /// The chain that this connection's client presented.
  package func presentedChain() async -> PresentedChain {
    let found = pipeline.handler(type: PeerCertificatesHandler.self).map(\.peer)
    guard let peer = try? await found.get() else { return PresentedChain([]) }
    return (try? await eventLoop.submit { peer.chain }.get()) ?? PresentedChain([])
  }
}

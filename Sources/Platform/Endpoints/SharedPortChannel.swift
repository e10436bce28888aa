import HTTPTypes
package import HummingbirdCore
package import Logging
package import NIOCore
package import NIOHTTP1
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
  private let timeouts: SharedPortTimeouts
  private let connections: SharedPortConnections
  private let forwarded: @Sendable (HTTPRequestHead) -> [UInt8]?
  private let addStream: @Sendable (any Channel, PeerCertificates, WebSocketProtocol) throws -> Void

  /// Prepares the channel.
  ///
  /// - Parameters:
  ///   - tls: The server's TLS side; nil serves in clear, for a listener on loopback alone.
  ///   - timeouts: How long a connection may stay without a request.
  ///   - connections: Where it counts.
  ///   - responder: Answers REST requests.
  ///   - forwarded: The certificate (DER) that a request for a WebSocket brings from a proxy which may say
  ///     so; nil for none.
  ///   - addStream: Adds the handlers of the protocol that the client chose behind the WebSocket ones.
  package init(
    tls: ServerTLS?,
    timeouts: SharedPortTimeouts,
    connections: SharedPortConnections,
    responder: @escaping Responder,
    forwarded: @escaping @Sendable (HTTPRequestHead) -> [UInt8]? = { _ in nil },
    addStream: @escaping @Sendable (any Channel, PeerCertificates, WebSocketProtocol) throws -> Void
  ) {
    self.tls = tls
    self.timeouts = timeouts
    self.connections = connections
    self.responder = responder
    self.forwarded = forwarded
    self.addStream = addStream
  }

  package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Negotiated> {
    let (tls, timeouts, addStream) = (self.tls, self.timeouts, self.addStream)
    let (connections, forwarded) = (self.connections, self.forwarded)
    let prepared = channel.eventLoop.makeCompletedFuture {
      let gate = RequestGateHandle(
        eventLoop: channel.eventLoop,
        timeouts: timeouts,
        counters: connections.counters
      )
      guard connections.enter(channel, gate) else { throw ChannelError.eof }
      channel.closeFuture.whenComplete { _ in connections.left(channel) }
      let peer = PeerCertificates(eventLoop: channel.eventLoop)
      let operations = channel.pipeline.syncOperations
      if let tls { try operations.addHandler(tls.makeHandler(peer: peer)) }
      try operations.addHandlers([PeerCertificatesHandler(peer), QuiescingLimit()])
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderFieldSize = Self.headerLimit
      limits.maxHeaderListSize = Self.headerLimit
      limits.maxHeaderFieldCount = 200
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
          connections.forget(channel)
          return gate.leave(channel).flatMapThrowing {
            try channel.pipeline.syncOperations.addHandler(WebSocketBytes(.server))
            if let certificate = forwarded(head) { peer.forwarded(certificate) }
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
              idleTimeout: .nanoseconds(timeouts.request.nanoseconds),
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
      let deadline = channel.eventLoop.assumeIsolated().scheduleTask(
        in: timeouts.request
      ) {
        connections.counters.connectTimeouts.count()
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
    // The listener leaves a connection that it could not prepare open.
    prepared.whenFailure { _ in channel.close(promise: nil) }
    return prepared
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

/// How long a connection of the shared port may stay.
package struct SharedPortTimeouts: Sendable {
  /// Until a whole head of a request is there, the first one or the next.
  package var request: TimeAmount
  /// The same between requests, as long as none of them has shown a credential that holds.
  package var strangerIdle: TimeAmount
  /// At all, until one has.
  package var stranger: TimeAmount { request * 2 }

  package init(request: TimeAmount = .seconds(30), strangerIdle: TimeAmount = .seconds(5)) {
    self.request = request
    self.strangerIdle = strangerIdle
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
    let found = eventLoop.submit {
      try self.pipeline.syncOperations.handler(type: PeerCertificatesHandler.self).peer.chain
    }
    return (try? await found.get()) ?? PresentedChain([])
  }
}

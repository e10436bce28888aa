import ByteIO
import MQTT
import NIOCore
import NIOPosix
import NIOWebSocket
import Platform

/// How a client of MQTT reaches its server.
package struct ClientWay: Sendable {
  /// The server, which its certificate must name.
  package var host: String
  package var port: Int
  /// The client's side of TLS; nil speaks in the clear.
  package var tls: ClientTLS?
  /// Whether MQTT goes through a WebSocket.
  package var isWebSocket: Bool
  /// Through which proxy; nil straight.
  package var proxy: HTTPProxy?

  /// The path that servers of this protocol expect (contract "MQTT over WebSocket").
  private static let webSocketPath = "/$iothub/websocket"
  /// What servers append to the key (RFC 6455 §4.2.2).
  private static let webSocketSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

  package init(
    host: String,
    port: Int,
    tls: ClientTLS?,
    isWebSocket: Bool = false,
    proxy: HTTPProxy? = nil
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.isWebSocket = isWebSocket
    self.proxy = proxy
  }

  /// Connects, and calls `begin` on the loop when bytes of MQTT may flow; it adds its handlers.
  ///
  /// Fails with `ClientFault`, or with what `begin` throws.
  func connect<Value: Sendable>(
    on eventLoop: any EventLoop,
    _ opening: OpeningChannels,
    begin: @escaping @Sendable (any Channel) throws -> Value
  ) -> EventLoopFuture<Value> {
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(.seconds(10))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try opening.add(channel) }
      }
    return bootstrap.connect(host: proxy?.host ?? host, port: proxy?.port ?? port)
      .flatMapErrorThrowing { throw ClientFault.unreachable(Self.reason($0)) }
      .flatMap { [self] channel in
        let begun = eventLoop.makePromise(of: Value.self)
        tunnel(channel, fail: { begun.fail($0) }) { channel in
          begun.succeed(try begin(channel))
        }
        return begun.futureResult
      }
  }

  /// Each step calls the next when it is through; what it throws ends the connection.
  private typealias Step = (any Channel) throws -> Void

  private func tunnel(
    _ channel: any Channel,
    fail: @escaping (any Error) -> Void,
    then next: @escaping Step
  ) {
    func attempt(_ step: Step) {
      do {
        // A channel that has closed meanwhile tells its handlers nothing.
        guard channel.isActive else { throw ClientFault.ended(.linkLost) }
        try step(channel)
      } catch {
        fail(ClientFault(error))
        channel.close(promise: nil)
      }
    }
    guard let proxy else { return attempt { try secure($0, fail: fail, then: next) } }
    let target = "\(host.contains(":") ? "[\(host)]" : host):\(port)"
    var request = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
    if let value = proxy.authorization { request += "Proxy-Authorization: \(value)\r\n" }
    let handler = HTTPOpening(request + "\r\n") { answer, channel in
      guard (200...299).contains(answer.status) else {
        throw ClientFault.failed(
          answer.status == 407
            ? "the proxy \(proxy) does not accept the user or the password"
            : "the proxy \(proxy) answers \(answer.status)"
        )
      }
      try secure(channel, fail: fail, then: next)
    } fail: { error in
      fail(Self.named("the proxy \(proxy)", error))
    }
    attempt { try $0.pipeline.syncOperations.addHandler(handler) }
  }

  private func secure(
    _ channel: any Channel,
    fail: @escaping (any Error) -> Void,
    then next: @escaping Step
  ) throws {
    if let tls { try channel.pipeline.syncOperations.addHandler(tls.makeHandler(host: host)) }
    guard isWebSocket else { return try next(channel) }
    let key = Base64.encode(Entropy.bytes(16))
    let proof = Base64.encode(Hashing.sha1(Array((key + Self.webSocketSuffix).utf8)))
    let request =
      "GET \(Self.webSocketPath) HTTP/1.1\r\nHost: \(host)\r\nUpgrade: websocket\r\n"
      + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
      + "Sec-WebSocket-Key: \(key)\r\n\r\n"
    let handler = HTTPOpening(request) { answer, channel in
      guard answer.status == 101, answer.value(of: "sec-websocket-accept") == proof,
        answer.value(of: "sec-websocket-protocol")?.lowercased() == "mqtt"
      else {
        throw ClientFault.failed(
          "the server does not open a WebSocket for MQTT, status \(answer.status)"
        )
      }
      let operations = channel.pipeline.syncOperations
      try operations.addHandler(WebSocketFrameEncoder())
      try operations.addHandler(
        ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: SharedPortChannel.frameLimit))
      )
      try operations.addHandler(WebSocketBytes(.client))
      try next(channel)
    } fail: { error in
      fail(Self.named("WebSocket", error))
    }
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  private static func named(_ place: String, _ error: any Error) -> ClientFault {
    guard case .failed(let text) = ClientFault(error) else { return ClientFault(error) }
    return .failed(text.hasPrefix(place) ? text : "\(place): \(text)")
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? NIOConnectionError else { return "\(error)" }
    if let first = error.connectionErrors.first { return SystemError.text(first.error) }
    return (error.dnsAError ?? error.dnsAAAAError).map { "\($0)" } ?? "no address"
  }
}

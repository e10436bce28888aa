import NIOCore
import NIOPosix
import Synchronization

/// Carries connections to a port of loopback, and cuts them when the test wants; as a proxy of HTTP if
/// the test gives it a credential to ask for.
final class LoopbackRelay: Sendable {
  private let listener: any Channel
  private let state: State

  final class State: Sendable {
    let ends = Mutex<[any Channel]>([])
    /// Heads of the requests of CONNECT.
    let heads = Mutex<[String]>([])
  }

  var port: Int { listener.localAddress?.port ?? 0 }
  var heads: [String] { state.heads.withLock { $0 } }

  /// - Parameters:
  ///   - port: Where connections lead; a proxy's lead to what they ask for.
  ///   - authorization: What a proxy wants to see; nil for no proxy.
  ///   - eventLoop: Where it lives.
  /// - Throws: Why it cannot listen.
  init(to port: Int, authorization: String? = nil, on eventLoop: any EventLoop) async throws {
    let state = State()
    self.state = state
    listener = try await ServerBootstrap(group: eventLoop)
      .childChannelOption(.autoRead, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          state.ends.withLock { $0.append(channel) }
          let end = RelayEnd(state, port: port, authorization: authorization)
          try channel.pipeline.syncOperations.addHandler(end)
        }
      }
      .bind(host: "127.0.0.1", port: 0)
      .get()
  }

  /// Cuts all connections.
  func cut() {
    let ends = state.ends.withLock { ends in
      defer { ends = [] }
      return ends
    }
    for end in ends { end.close(promise: nil) }
  }

  func close() async {
    cut()
    try? await listener.close()
  }
}

/// One end of a relayed connection; what comes before the other end is there waits.
private final class RelayEnd: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let state: LoopbackRelay.State
  private let port: Int
  private let authorization: String?
  private var other: (any Channel)?
  private var waiting = ByteBuffer()
  private var isAsked = false

  init(
    _ state: LoopbackRelay.State,
    port: Int,
    authorization: String?,
    other: (any Channel)? = nil
  ) {
    self.state = state
    self.port = port
    self.authorization = authorization
    self.other = other
  }

  func channelActive(context: ChannelHandlerContext) {
    if other == nil, authorization == nil { connect(context, port) }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    if let other { return other.writeAndFlush(buffer, promise: nil) }
    waiting.writeBuffer(&buffer)
    guard let authorization, !isAsked else { return }
    let end: [UInt8] = [13, 10, 13, 10]
    guard let found = waiting.readableBytesView.firstRange(of: end),
      let head = waiting.readString(length: found.upperBound - waiting.readerIndex)
    else { return }
    isAsked = true
    state.heads.withLock { $0.append(head) }
    let target = head.split(separator: " ").dropFirst().first?.split(separator: ":").last
    guard head.contains("\r\nProxy-Authorization: \(authorization)\r\n"),
      head.hasPrefix("CONNECT "),
      let port = target.flatMap({ Int($0) })
    else {
      let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: refusal)), promise: nil)
      return
    }
    let granted = "HTTP/1.1 200 Connection established\r\n\r\n"
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: granted)), promise: nil)
    connect(context, port)
  }

  func channelInactive(context: ChannelHandlerContext) {
    other?.close(promise: nil)
    context.fireChannelInactive()
  }

  private func connect(_ context: ChannelHandlerContext, _ port: Int) {
    let (mine, state) = (context.channel, state)
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    ClientBootstrap(group: context.eventLoop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          state.ends.withLock { $0.append(channel) }
          let end = RelayEnd(state, port: port, authorization: nil, other: mine)
          try channel.pipeline.syncOperations.addHandler(end)
        }
      }
      .connect(host: "127.0.0.1", port: port)
      .whenComplete { result in
        guard case .success(let channel) = result else { return mine.close(promise: nil) }
        bound.value.other = channel
        if bound.value.waiting.readableBytes > 0 {
          channel.writeAndFlush(bound.value.waiting, promise: nil)
        }
      }
  }
}

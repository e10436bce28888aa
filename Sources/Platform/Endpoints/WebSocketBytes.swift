import NIOCore
import NIOWebSocket

/// Turns binary WebSocket messages into the byte stream inside them, and back (RFC 6455).
///
/// Packets of MQTT and frames of AMQP may span frames, and a frame may hold several: the handler
/// behind sees bytes alone.
/// Text frames are refused (MQTT 3.1.1 §6.0.0-1).
final class WebSocketBytes: ChannelDuplexHandler {
  typealias InboundIn = WebSocketFrame
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = WebSocketFrame

  /// Which end of the WebSocket this is.
  enum Side {
    case client
    case server
  }

  private let side: Side
  private var closing = false

  init(_ side: Side) { self.side = side }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = unwrapInboundIn(data)
    // A client's frames are masked, each of them, and a server's are not (RFC 6455 §5.1).
    guard (frame.maskKey != nil) == (side == .server) else {
      return finish(context, code: .protocolError, echo: nil)
    }
    switch frame.opcode {
    case .binary, .continuation:
      context.fireChannelRead(wrapInboundOut(frame.unmaskedData))
    case .ping:
      let pong = self.frame(.pong, frame.unmaskedData)
      context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
    case .pong: break
    case .connectionClose:
      finish(context, code: nil, echo: frame.unmaskedData)
    default:
      finish(context, code: .unacceptableData, echo: nil)
    }
  }

  func write(
    context: ChannelHandlerContext,
    data: NIOAny,
    promise: EventLoopPromise<Void>?
  ) {
    let frame = frame(.binary, unwrapOutboundIn(data))
    context.write(wrapOutboundOut(frame), promise: promise)
  }

  private func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> WebSocketFrame {
    WebSocketFrame(
      fin: true,
      opcode: opcode,
      maskKey: side == .client ? .random() : nil,
      data: data
    )
  }

  private func finish(
    _ context: ChannelHandlerContext,
    code: WebSocketErrorCode?,
    echo: ByteBuffer?
  ) {
    guard !closing else { return }
    closing = true
    var data = echo ?? context.channel.allocator.buffer(capacity: 2)
    if let code { data.write(webSocketErrorCode: code) }
    let frame = frame(.connectionClose, data)
    context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    context.close(promise: nil)
  }
}

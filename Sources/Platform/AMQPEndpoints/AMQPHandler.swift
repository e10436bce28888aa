import AMQP
import ByteIO
import Endpoints
import NIOCore

/// The end of a channel's pipeline where AMQP is spoken, behind TLS or a WebSocket.
final class AMQPHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Bytes put into the channel at once; the rest stays with the connection until they are gone.
  private static let burstBytes = 1 << 20

  private let shared: AMQPService
  private let certificates: PeerCertificates
  private var peer: AMQPPeer?
  private var context: ChannelHandlerContext?
  private var ticking: RepeatedTask?
  private var isClosing = false

  init(shared: AMQPService, certificates: PeerCertificates) {
    self.shared = shared
    self.certificates = certificates
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let peer = AMQPPeer(
      shared: shared,
      certificates: certificates,
      address: context.remoteAddress?.ipAddress ?? "unknown",
      eventLoop: context.eventLoop
    )
    peer.attach(self)
    self.peer = peer
    let bound = NIOLoopBound(peer, eventLoop: context.eventLoop)
    shared.entered(ObjectIdentifier(self), bound)
    ticking = context.eventLoop.scheduleRepeatedTask(
      initialDelay: .seconds(1),
      delay: .seconds(1)
    ) { _ in bound.value.tick() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    peer?.received(buffer.readableBytesUInt8Span)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    peer?.flush()
    context.fireChannelReadComplete()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { peer?.becameWritable() }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // A half-closed stream can't be answered in AMQP's own way any more.
    if event as? ChannelEvent == .inputClosed { close() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    peer?.streamEnded()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

  func handlerRemoved(context: ChannelHandlerContext) {
    ticking?.cancel()
    peer?.streamEnded()
    peer = nil
    self.context = nil
    shared.left(ObjectIdentifier(self))
  }

  /// Whether the socket takes more.
  var isWritable: Bool { context?.channel.isWritable ?? false }

  func flush() {
    guard let context, let peer else { return }
    while context.channel.isWritable {
      var buffer = context.channel.allocator.buffer(capacity: 4_096)
      peer.connection.write(to: &buffer, limit: Self.burstBytes)
      guard buffer.readableBytes > 0 else { return }
      context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }
  }

  func close() {
    guard let context, !isClosing else { return }
    isClosing = true
    context.close(promise: nil)
  }
}

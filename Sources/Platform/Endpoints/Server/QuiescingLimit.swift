import NIOCore

/// Ends a connection that stays although its listener stops.
///
/// HTTP closes idle connections itself, but one on which no request has come yet, or which is a
/// WebSocket, would hold the whole server up.
final class QuiescingLimit: ChannelInboundHandler {
  typealias InboundIn = NIOAny

  /// For answers that are under way.
  private static let grace = TimeAmount.seconds(3)

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    guard event is ChannelShouldQuiesceEvent else { return }
    let channel = context.channel
    let end = channel.eventLoop.assumeIsolated().scheduleTask(in: Self.grace) {
      channel.close(promise: nil)
    }
    channel.closeFuture.assumeIsolated().whenComplete { _ in end.cancel() }
  }
}

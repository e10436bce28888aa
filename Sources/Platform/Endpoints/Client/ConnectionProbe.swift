import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Finds out whether a server can be reached: connects, through a proxy where the way has one, verifies
/// the server's certificate, and closes.
package enum ConnectionProbe {
  /// Tries a way, for some 10 s at most.
  ///
  /// - Throws: `ClientFault`.
  package static func run(_ way: ClientWay) async throws(ClientFault) {
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let opening = OpeningChannels()
    let finished = loop.makePromise(of: Void.self)
    let limit = loop.scheduleTask(in: .seconds(10)) {
      finished.fail(ClientFault.unreachable("no answer within 10 s"))
    }
    loop.execute {
      way.connect(on: loop, opening) { channel in
        // The server's certificate is judged behind this point.
        try channel.pipeline.syncOperations.addHandler(Waiter(finished))
        if way.tls == nil { finished.succeed(()) }
      }.cascadeFailure(to: finished)
    }
    defer {
      limit.cancel()
      opening.cancel()
    }
    do {
      try await finished.futureResult.get()
    } catch {
      throw ClientFault(error)
    }
  }

  private final class Waiter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let finished: EventLoopPromise<Void>

    init(_ finished: EventLoopPromise<Void>) { self.finished = finished }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case .handshakeCompleted = event as? TLSUserEvent { finished.succeed(()) }
      context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      finished.fail(error)
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
      finished.fail(ClientFault.failed("the server closed the connection"))
      context.fireChannelInactive()
    }
  }
}

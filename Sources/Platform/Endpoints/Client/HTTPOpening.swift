import NIOCore

/// Sends the head of one HTTP request and waits for the head of its answer, after which other bytes
/// than HTTP's flow: the tunnel of a proxy, or a WebSocket.
final class HTTPOpening: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Bytes of the answer's head at most.
  private static let headLimit = 16_384
  /// Until the answer must be there.
  private static let timeout = TimeAmount.seconds(20)

  private let request: String
  private let accept: (HTTPAnswerHead, any Channel) throws -> Void
  private let fail: (any Error) -> Void
  private var answer = ByteBuffer()
  private var timer: Scheduled<Void>?
  private var isOver = false

  /// - Parameters:
  ///   - request: The whole head.
  ///   - accept: Judges the answer, and adds what is to follow behind this handler.
  ///   - fail: Gets, once, why nothing follows; the channel is being closed then.
  init(
    _ request: String,
    accept: @escaping (HTTPAnswerHead, any Channel) throws -> Void,
    fail: @escaping (any Error) -> Void
  ) {
    self.request = request
    self.accept = accept
    self.fail = fail
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.timeout) {
      self.fail(ClientFault.failed("no answer within 20 s"), channel)
    }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    answer.writeBuffer(&buffer)
    guard !isOver else { return }
    let end: [UInt8] = [13, 10, 13, 10]
    guard let found = answer.readableBytesView.firstRange(of: end),
      let text = answer.readString(length: found.upperBound - answer.readerIndex)
    else {
      if answer.readableBytes > Self.headLimit {
        fail(ClientFault.failed("the answer's head is too long"), context.channel)
      }
      return
    }
    do {
      guard let head = HTTPAnswerHead(text) else { throw ClientFault.failed("no answer of HTTP") }
      try accept(head, context.channel)
    } catch {
      return fail(error, context.channel)
    }
    isOver = true
    timer?.cancel()
    if answer.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(answer)) }
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(error, context.channel)
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail(ClientFault.failed("closed without an answer"), context.channel)
    context.fireChannelInactive()
  }

  private func fail(_ error: any Error, _ channel: any Channel) {
    guard !isOver else { return }
    isOver = true
    timer?.cancel()
    fail(error)
    channel.close(promise: nil)
  }
}

/// The head of an HTTP answer.
struct HTTPAnswerHead {
  let status: Int
  private let fields: [(name: String, value: String)]

  /// Reads a head with the blank line at its end; nil if it is none.
  init?(_ text: String) {
    let lines = text.split(separator: "\r\n", omittingEmptySubsequences: true)
    guard let first = lines.first?.split(separator: " ", maxSplits: 2), first.count >= 2,
      first[0].hasPrefix("HTTP/1."), let status = Int(first[1]), (100...599).contains(status)
    else { return nil }
    self.status = status
    fields = lines.dropFirst().compactMap { line in
      guard let colon = line.firstIndex(of: ":") else { return nil }
      let value = line[line.index(after: colon)...]
      return (line[..<colon].lowercased(), String(value.drop { $0 == " " || $0 == "\t" }))
    }
  }

  /// The value of the first field of this name, which is in lower case.
  func value(of name: String) -> String? { fields.first { $0.name == name }?.value }
}

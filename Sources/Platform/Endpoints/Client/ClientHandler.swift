import ByteIO
import MQTT
import NIOCore
import Platform

/// Drives a `ClientConnection` on a channel, confined to its event loop.
///
/// It knows packets and nothing of what topics mean. Publishes that find the window full wait here in
/// their order; everything that waits fails when the connection ends.
final class ClientHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Messages that are handed over and not taken yet; more than that are dropped, which a server that
  /// keeps to the windows of QoS 1 cannot cause.
  static let inboxLimit = 4096

  private struct WaitingPublish {
    let topic: [UInt8]
    let payload: [UInt8]
    let promise: EventLoopPromise<Void>
  }

  private var machine: ClientConnection
  private var opening: ByteBuffer
  private var unread: ByteBuffer?
  private var isReadWanted = false
  private var timer: Scheduled<Void>?
  private var timerDeadline: Instant?
  private var context: ChannelHandlerContext?
  private var failure: ClientFault?
  private var hasEnded = false

  private let connected: EventLoopPromise<Bool>
  private let inbox: AsyncStream<ClientMessage>.Continuation
  private let ended: EventLoopPromise<ClientFault>
  private var deliveries: UInt64 = 0
  private var publishes: [UInt64: EventLoopPromise<Void>] = [:]
  private var subscribes: [UInt64: EventLoopPromise<[SubscribeReturnCode]>] = [:]
  private var waiting = CircularBuffer<WaitingPublish>()

  /// A handler that will send `request`.
  ///
  /// `connected` succeeds with Session Present when the server accepts, `inbox` gets every message,
  /// and `ended` succeeds with the reason when the connection is over.
  ///
  /// - Throws: `MQTTFault` for a request that cannot be encoded.
  init(
    _ request: ConnectRequest,
    connected: EventLoopPromise<Bool>,
    inbox: AsyncStream<ClientMessage>.Continuation,
    ended: EventLoopPromise<ClientFault>
  ) throws(MQTTFault) {
    var opening = ByteBuffer()
    machine = try ClientConnection(request, now: SystemClock.now(), to: &opening)
    self.opening = opening
    self.connected = connected
    self.inbox = inbox
    self.ended = ended
  }

  // MARK: Channel events

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { open(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    open(context)
    context.fireChannelActive()
  }

  private func open(_ context: ChannelHandlerContext) {
    guard opening.readableBytes > 0 else { return }
    context.writeAndFlush(wrapOutboundOut(opening), promise: nil)
    opening.clear()
    schedule()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    if var rest = unread {
      unread = nil
      rest.writeBuffer(&buffer)
      buffer = rest
    }
    process(buffer)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    context.flush()
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    if machine.isReceiving { context.read() } else { isReadWanted = true }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    let text = SystemError.text(error)
    failure =
      failure
      ?? .failed(
        text.contains("CERTIFICATE_VERIFY_FAILED")
          ? "the server's certificate is not trusted" : text
      )
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  /// The link is gone: says so once to everybody who waits.
  private func end() {
    guard !hasEnded else { return }
    hasEnded = true
    context = nil
    timer?.cancel()
    let ending = machine.linkLost()
    var fault = failure ?? .ended(ending.reason)
    if case .refused(let code) = ending.reason { fault = .refused(code) }
    connected.fail(fault)
    for promise in publishes.values { promise.fail(fault) }
    for promise in subscribes.values { promise.fail(fault) }
    for publish in waiting { publish.promise.fail(fault) }
    publishes = [:]
    subscribes = [:]
    waiting.removeAll()
    inbox.finish()
    ended.succeed(fault)
  }

  // MARK: Bytes in

  private func process(_ buffer: ByteBuffer) {
    let now = SystemClock.now()
    var position = 0
    let span = buffer.readableBytesUInt8Span
    loop: while !hasEnded {
      switch machine.receive(span, from: &position, now: now) {
      case .none: break
      case .wait: break loop
      case .connected(let sessionPresent): connected.succeed(sessionPresent)
      case .deliver(let publish):
        inbox.yield(
          ClientMessage(
            topic: span.extracting(publish.topic).array(),
            payload: span.extracting(publish.payload).array(),
            packetIdentifier: publish.packetIdentifier
          )
        )
      case .acknowledged(let delivery):
        publishes.removeValue(forKey: delivery)?.succeed()
        sendWaiting()
      case .subscribed(let delivery, let suback):
        subscribes.removeValue(forKey: delivery)?.succeed(suback.returnCodes(in: span))
      case .unsubscribed: break
      case .send(let packet): write { packet.encode(to: &$0) }
      case .close:
        context?.close(promise: nil)
        break loop
      }
    }
    guard !hasEnded else { return }
    if position < buffer.readableBytes {
      var rest = buffer
      rest.moveReaderIndex(forwardBy: position)
      unread = rest
    }
    schedule()
  }

  /// A message was taken over: sends its PUBACK, and reads on if that was what reading waited for.
  func acknowledge(_ message: ClientMessage) {
    guard !hasEnded, message.packetIdentifier != 0 else { return }
    var buffer = ByteBuffer()
    let action = machine.acknowledge(message.packetIdentifier, now: SystemClock.now(), to: &buffer)
    if buffer.readableBytes > 0 { context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
    if case .close = action { context?.close(promise: nil) }
    guard machine.isReceiving, !hasEnded else { return }
    if let rest = unread {
      unread = nil
      process(rest)
      context?.flush()
    }
    guard isReadWanted, !hasEnded else { return }
    isReadWanted = false
    context?.read()
  }

  // MARK: Bytes out

  /// Publishes at QoS 1; `promise` succeeds with the server's acknowledgement.
  func publish(_ topic: [UInt8], _ payload: [UInt8], _ promise: EventLoopPromise<Void>) {
    guard !hasEnded else { return promise.fail(failure ?? .ended(.linkLost)) }
    waiting.append(WaitingPublish(topic: topic, payload: payload, promise: promise))
    sendWaiting()
    context?.flush()
  }

  private func sendWaiting() {
    let now = SystemClock.now()
    while let next = waiting.first {
      guard let identifier = machine.reserve(delivery: deliveries, now: now) else { return }
      waiting.removeFirst()
      publishes[deliveries] = next.promise
      deliveries += 1
      var buffer = ByteBuffer()
      do throws(MQTTFault) {
        try PacketEncoder.publish(
          topic: next.topic.span,
          payload: next.payload.span,
          qos: .atLeastOnce,
          packetIdentifier: identifier,
          to: &buffer
        )
      } catch {
        // Its identifier stays taken: the connection cannot be used up by that before it ends.
        publishes.removeValue(forKey: deliveries - 1)?.fail(ClientFault.unencodable)
        continue
      }
      context?.write(wrapOutboundOut(buffer), promise: nil)
    }
  }

  /// Subscribes to `filters` at QoS 1.
  func subscribe(_ filters: [[UInt8]], _ promise: EventLoopPromise<[SubscribeReturnCode]>) {
    guard !hasEnded else { return promise.fail(failure ?? .ended(.linkLost)) }
    let now = SystemClock.now()
    let count = UInt16(clamping: filters.count)
    guard
      let identifier = machine.reserveSubscribe(delivery: deliveries, filterCount: count, now: now)
    else { return promise.fail(ClientFault.ended(.misuse)) }
    var buffer = ByteBuffer()
    do throws(MQTTFault) {
      try PacketEncoder.subscribe(
        packetIdentifier: identifier,
        filters.map { (filter: $0, qos: .atLeastOnce) },
        to: &buffer
      )
    } catch {
      return promise.fail(ClientFault.unencodable)
    }
    subscribes[deliveries] = promise
    deliveries += 1
    context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
  }

  /// Leaves in good order.
  func disconnect() {
    guard !hasEnded, let context else { return }
    var buffer = ByteBuffer()
    if machine.disconnect(to: &buffer) {
      context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }
    context.close(promise: nil)
  }

  private func write(_ encode: (inout ByteBuffer) -> Void) {
    var buffer = ByteBuffer()
    encode(&buffer)
    context?.write(wrapOutboundOut(buffer), promise: nil)
  }

  // MARK: Time

  /// Makes sure that the machine is asked again at its next deadline, or earlier.
  private func schedule() {
    guard let context, let deadline = machine.nextDeadline else { return }
    if let timerDeadline, timerDeadline <= deadline { return }
    timer?.cancel()
    timerDeadline = deadline
    let now = SystemClock.now()
    let left = deadline > now ? Int64(clamping: deadline.nanoseconds - now.nanoseconds) : 0
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(left)) {
      self.deadlineCame()
    }
  }

  private func deadlineCame() {
    timerDeadline = nil
    guard !hasEnded else { return }
    switch machine.timeout(now: SystemClock.now()) {
    case .none: break
    case .send(let packet):
      write { packet.encode(to: &$0) }
      context?.flush()
    case .close: context?.close(promise: nil)
    }
    schedule()
  }
}

import ByteIO
import MQTT
import NIOCore
import Platform

/// What a client's connection tells its owner; called on its event loop.
protocol ClientEvents: AnyObject {
  /// The server has accepted.
  func connected(isSessionPresent: Bool)
  /// A message has come; one that has a packet identifier is to be acknowledged.
  func received(_ publish: PublishLayout, in packet: Span<UInt8>)
  /// The server has acknowledged what was sent as `delivery`.
  func acknowledged(_ delivery: UInt64)
  /// The server has answered the SUBSCRIBE that was sent as `delivery`, with a code for each filter.
  func subscribed(_ delivery: UInt64, _ codes: [SubscribeReturnCode])
  /// The server has answered the UNSUBSCRIBE that was sent as `delivery`.
  func unsubscribed(_ delivery: UInt64)
  /// All that was read has been told.
  func readCompleted()
  /// What was written has mostly left.
  func becameWritable()
  /// The connection is over; nothing more will be told.
  func ended(_ fault: ClientFault)
}

/// Drives a `ClientConnection` on a channel, confined to its event loop.
///
/// It knows packets and nothing of what topics mean. Whoever writes packets calls `flush`, or
/// `flushLater` if more may follow in the same turn of the loop.
final class ClientHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Bytes at which written packets leave before the turn ends.
  private static let flushBytes = 256 << 10
  /// Bytes of a payload at most, with the longest topic.
  private static let payloadLimit = PacketEncoder.maximumRemainingLength - 65_539

  private var machine: ClientConnection
  /// What was written and has not left; at first the CONNECT.
  private var outbound = ByteBuffer()
  private var unread: ByteBuffer?
  private var isReadWanted = false
  private var isFlushScheduled = false
  private var timer: Scheduled<Void>?
  private var timerDeadline: Instant?
  private var context: ChannelHandlerContext?
  private var failure: ClientFault?
  private(set) var hasEnded = false
  private var events: (any ClientEvents)?

  /// A handler that will send `request`.
  ///
  /// - Throws: `MQTTFault` for a request that cannot be encoded.
  init(
    _ request: ConnectRequest,
    limits: ClientLimits = ClientLimits(),
    events: any ClientEvents
  ) throws(MQTTFault) {
    machine = try ClientConnection(request, limits: limits, now: SystemClock.now(), to: &outbound)
    self.events = events
  }

  // MARK: Channel events

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { open() }
  }

  func channelActive(context: ChannelHandlerContext) {
    open()
    context.fireChannelActive()
  }

  private func open() {
    flush()
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
    events?.readCompleted()
    flush()
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    if machine.isReceiving { context.read() } else { isReadWanted = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { events?.becameWritable() }
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    failure = failure ?? ClientFault(error)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  /// The link is gone: says so once.
  private func end() {
    guard !hasEnded else { return }
    hasEnded = true
    context = nil
    timer?.cancel()
    let ending = machine.linkLost()
    let owner = events
    events = nil
    owner?.ended(fault(ending.reason))
  }

  private func fault(_ reason: CloseReason) -> ClientFault {
    switch reason {
    case .refused(let code): .refused(code)
    case .linkLost, .disconnected: failure ?? .ended(reason)
    // What made this side close says more than what the channel says of it afterwards.
    default: .ended(reason)
    }
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
      case .connected(let sessionPresent): events?.connected(isSessionPresent: sessionPresent)
      case .deliver(let publish): events?.received(publish, in: span)
      case .acknowledged(let delivery): events?.acknowledged(delivery)
      case .subscribed(let delivery, let suback):
        events?.subscribed(delivery, suback.returnCodes(in: span))
      case .unsubscribed(let delivery): events?.unsubscribed(delivery)
      case .send(let packet): packet.encode(to: &outbound)
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
  func acknowledge(_ packetIdentifier: UInt16) {
    guard !hasEnded, packetIdentifier != 0 else { return }
    let action = machine.acknowledge(packetIdentifier, now: SystemClock.now(), to: &outbound)
    flushLater()
    if case .close = action { context?.close(promise: nil) }
    guard machine.isReceiving, !hasEnded else { return }
    if let rest = unread {
      unread = nil
      process(rest)
      events?.readCompleted()
    }
    guard isReadWanted, !hasEnded else { return }
    isReadWanted = false
    context?.read()
  }

  // MARK: Bytes out

  /// Whether so little waits to leave that more may be written.
  var isWritable: Bool { context?.channel.isWritable ?? false }

  /// Appends a PUBLISH of QoS 1, whose topic is put together of parts; false if the window is full.
  ///
  /// - Throws: `unencodable`, with nothing written and nothing in flight.
  func publish(
    topic first: Span<UInt8>,
    _ second: Span<UInt8> = Span(),
    _ third: Span<UInt8> = Span(),
    payload: Span<UInt8>,
    delivery: UInt64
  ) throws(MQTTFault) -> Bool {
    let topicByteCount = first.count + second.count + third.count
    // Judged before an identifier is taken, which would stay so.
    guard topicByteCount <= UInt16.max, payload.count <= Self.payloadLimit else {
      throw .unencodable
    }
    let now = SystemClock.now()
    guard !hasEnded, let identifier = machine.reserve(delivery: delivery, now: now) else {
      return false
    }
    try PacketEncoder.publishOpening(
      topicByteCount: topicByteCount,
      payloadByteCount: payload.count,
      qos: .atLeastOnce,
      to: &outbound
    )
    outbound.append(first)
    outbound.append(second)
    outbound.append(third)
    outbound.uint16(identifier)
    outbound.append(payload)
    if outbound.readableBytes >= Self.flushBytes { flush() }
    return true
  }

  /// Appends a PUBLISH of QoS 0.
  ///
  /// - Throws: `unencodable`, with nothing written.
  func publish(topic: [UInt8], payload: Span<UInt8>) throws(MQTTFault) {
    guard !hasEnded else { return }
    try PacketEncoder.publish(
      topic: topic.span,
      payload: payload,
      qos: .atMostOnce,
      to: &outbound
    )
    machine.sent(now: SystemClock.now())
    if outbound.readableBytes >= Self.flushBytes { flush() }
  }

  /// Appends a SUBSCRIBE to `filters` at `qos`; false if the window is full.
  ///
  /// - Throws: `unencodable`, with nothing written.
  func subscribe(_ filters: [[UInt8]], _ qos: QoS, delivery: UInt64) throws(MQTTFault) -> Bool {
    var packet = ByteBuffer()
    let count = UInt16(clamping: filters.count)
    let now = SystemClock.now()
    guard !hasEnded,
      let identifier = machine.reserveSubscribe(delivery: delivery, filterCount: count, now: now)
    else { return false }
    try PacketEncoder.subscribe(
      packetIdentifier: identifier,
      filters.map { (filter: $0, qos: qos) },
      to: &packet
    )
    outbound.writeBuffer(&packet)
    return true
  }

  /// Appends an UNSUBSCRIBE from `filters`; false if the window is full.
  ///
  /// - Throws: `unencodable`, with nothing written.
  func unsubscribe(_ filters: [[UInt8]], delivery: UInt64) throws(MQTTFault) -> Bool {
    guard !hasEnded,
      let identifier = machine.reserveUnsubscribe(delivery: delivery, now: SystemClock.now())
    else { return false }
    try PacketEncoder.unsubscribe(packetIdentifier: identifier, filters, to: &outbound)
    return true
  }

  /// Lets what was written leave.
  func flush() {
    guard outbound.readableBytes > 0, let context else { return }
    context.writeAndFlush(wrapOutboundOut(outbound), promise: nil)
    // Nearly always it has been written by now, and nobody else holds it.
    outbound.clear(minimumCapacity: outbound.capacity > Self.flushBytes ? 0 : outbound.capacity)
  }

  /// Lets what was written leave when this turn of the loop ends.
  func flushLater() {
    guard !isFlushScheduled, let context else { return }
    isFlushScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  /// Leaves in good order.
  func disconnect() {
    guard !hasEnded, let context else { return }
    _ = machine.disconnect(to: &outbound)
    flush()
    context.close(promise: nil)
  }

  /// Ends the connection for a reason of the owner's.
  func drop(_ fault: ClientFault) {
    failure = failure ?? fault
    context?.close(promise: nil)
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
      packet.encode(to: &outbound)
      flush()
    case .close: context?.close(promise: nil)
    }
    schedule()
  }
}

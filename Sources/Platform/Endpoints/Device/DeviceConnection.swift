import ByteIO
import HubContract
import Logging
import MQTT
package import NIOCore
import Platform
import Synchronization

/// One MQTT connection of a device or module: drives `ServerConnection` and speaks the hub's topics.
///
/// Bytes in, batch out: a PUBLISH of telemetry is decoded, judged and copied once, into the loop's
/// batch, in the read that brought it. Everything else asks the backend and goes on when it answers.
/// Confined to its event loop.
package final class DeviceConnection: ChannelDuplexHandler, DevicePresence {
  package typealias InboundIn = ByteBuffer
  package typealias OutboundIn = ByteBuffer
  package typealias OutboundOut = ByteBuffer

  /// The largest outbound buffer that an idle connection keeps.
  private static let keptOutboundBytes = 256
  /// Twin requests and changes of subscriptions that may wait for the backend.
  ///
  /// At that many the client is not read. Nothing else holds up a client that asks at QoS 0.
  private static let requestLimit = 64
  /// Numbers the connections of the process.
  static let numbers = Atomic<UInt64>(0)

  let loop: DeviceLoop
  let peer: PeerCertificates
  private(set) var slot = -1
  private(set) var generation: UInt32 = 0
  var handle: DeviceHandle?

  var machine: ServerConnection
  var context: ChannelHandlerContext?
  private var unread: ByteBuffer?
  private var outbound: ByteBuffer?
  /// The buffer that left last, to be filled again.
  private var spareOutbound: ByteBuffer?
  private var isReadWanted = false
  private var isPaused = false
  /// Whether it stands in the loop's line of those that wait for the log.
  var isInLine = false
  private var isProcessing = false
  private var requestsUnderWay = 0

  /// Those for whom an edge hub acts; nil for all others, who act for themselves.
  var children: EdgeHubChildren?
  /// A message for a child about which the backend is being asked: what follows waits.
  var held: HeldPublish?

  var will: Will?
  var device: AdmittedDevice?
  /// The provisioning service, where the connection is to that and not to the hub.
  var provisioning: (any ProvisioningClient)?
  var provisioningRequests = 0
  var topics: DeviceTopics?
  /// Filters as the client sent them last, with the granted quality; not all may be durable yet.
  var subscriptions: [(filter: String, quality: UInt8)] = []
  var granted = GrantedTopics()
  var isCleanSession = false
  var deliveries: [UInt64: [UInt8]] = [:]
  var isPulling = false
  var mustPullAgain = false
  var waiting: [OutboundPublish] = []
  /// What routes bring to this module, once it has subscribed to that.
  var inputs: (any InputFeed)?
  var inputQuality: QoS?
  /// Messages of `inputs` that the module has not acknowledged.
  var inputsUnderWay = 0
  /// Seconds in which it acknowledged none of them, though there were some.
  var inputSilenceSeconds = 0

  package init(loop: DeviceLoop, peer: PeerCertificates) {
    self.loop = loop
    self.peer = peer
    var limits = ServerLimits()
    limits.connectTimeoutMilliseconds = loop.limits.connectMilliseconds
    // A message at its limit with the longest topic, two lengths, an identifier, and the fixed header
    // of four bytes (contract "Property bag").
    limits.maximumPacketLength = Int32(
      clamping: loop.limits.messageBytes + EdgeHubChildren.addedBytes + 65_535 + 8
    )
    limits.maximumSilenceSeconds = 1_767
    limits.maximumQoS = .atLeastOnce
    // IDs may hold # and +; topics are compared with the identity, never matched.
    limits.wildcardsAreLiteral = true
    machine = ServerConnection(limits: limits, now: SystemClock.now())
  }

  package func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    (slot, generation) = loop.enter(self)
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    if var rest = unread {
      unread = nil
      rest.writeBuffer(&buffer)
      buffer = rest
    }
    process(buffer)
  }

  package func channelReadComplete(context: ChannelHandlerContext) { flush() }

  package func read(context: ChannelHandlerContext) {
    if isPaused { isReadWanted = true } else { context.read() }
  }

  package func channelWritabilityChanged(context: ChannelHandlerContext) {
    // A client that does not read its acknowledgements is not read either.
    if context.channel.isWritable {
      resume()
      pullInputs()
      children?.pullWaiting()
    } else {
      isPaused = true
    }
    context.fireChannelWritabilityChanged()
  }

  package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    loop.logger.debug("connection failed", metadata: ["error": "\(error)"])
    context.close(promise: nil)
  }

  package func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  package func handlerRemoved(context: ChannelHandlerContext) { end() }

  /// The link is gone: says so once to everybody who counts on it.
  private func end() {
    guard slot >= 0 else { return }
    let ending = machine.linkLost()
    if let device, let topics, let will = ending.will { publish(will, device, topics) }
    if device == nil, provisioning == nil { loop.counters.unauthenticated.count(-1) }
    loop.leave(slot)
    slot = -1
    closeInputs()
    context = nil
    unread = nil
    outbound = nil
    spareOutbound = nil
    if let handle {
      handle.clear()
      if let device { loop.backend.ended(handle, device) }
    }
    handle = nil
    children?.end()
    children = nil
    if let identity = device?.identity {
      loop.logger.debug(
        "device disconnected",
        metadata: ["identity": "\(identity)", "reason": "\(ending.reason)"]
      )
    }
  }

  private func publish(_ will: Will, _ device: AdmittedDevice, _ topics: DeviceTopics) {
    guard case .telemetry(let range) = topics.classify(will.topic.span) else { return }
    _ = loop.append(
      self,
      stamp: device.stamp,
      partition: device.partition,
      flags: will.retain ? [.will, .retain] : .will,
      bag: will.topic.span.extracting(range),
      body: will.payload.span,
      identifier: 0
    )
  }

  // MARK: Bytes in

  private func process(_ buffer: ByteBuffer) {
    let now = SystemClock.now()
    var position = 0
    let span = buffer.readableBytesUInt8Span
    isProcessing = true
    defer { isProcessing = false }
    loop: while slot >= 0, requestsUnderWay < Self.requestLimit, !loop.isBehind, held == nil {
      let action = machine.receive(span, from: &position, now: now)
      switch action {
      case .deliver(let publish):
        if !deliver(publish, span) { break loop }
      case .none: break
      case .wait: break loop
      case .send(let packet): write { packet.encode(to: &$0) }
      case .acknowledged(let delivery): acknowledged(delivery)
      case .authenticate(let connect): authenticate(connect, span)
      case .subscribe(let subscribe): self.subscribe(subscribe, span)
      case .unsubscribe(let unsubscribe): self.unsubscribe(unsubscribe, span)
      case .refuse(let code):
        write { PacketEncoder.connack(sessionPresent: false, returnCode: code, to: &$0) }
        loop.counters.refused.count()
        close()
        break loop
      case .close(let reason):
        if case .fault(let fault) = reason { faulted("\(fault)") }
        close()
        break loop
      }
    }
    guard slot >= 0 else { return }
    keep(buffer, from: position)
    if !machine.isReceiving || requestsUnderWay >= Self.requestLimit || held != nil
      || loop.mustPause(self)
    {
      isPaused = true
    }
  }

  /// Keeps what was not taken, without holding on to a much larger buffer.
  private func keep(_ buffer: ByteBuffer, from position: Int) {
    guard position < buffer.readableBytes else { return }
    var rest = buffer
    rest.moveReaderIndex(forwardBy: position)
    if rest.readableBytes * 4 < rest.capacity {
      var copy = ByteBufferAllocator().buffer(capacity: rest.readableBytes)
      copy.writeImmutableBuffer(rest)
      rest = copy
    }
    unread = rest
  }

  /// Goes on after a pause, with what was left unread first.
  func resume() {
    guard isPaused, slot >= 0, let context, context.channel.isWritable, machine.isReceiving,
      requestsUnderWay < Self.requestLimit, held == nil
    else { return }
    isPaused = false
    if let rest = unread {
      unread = nil
      process(rest)
      flush()
    }
    guard !isPaused, slot >= 0, isReadWanted else { return }
    isReadWanted = false
    context.read()
  }

  /// The backend is asked for something that the client waits for.
  func beginRequest() { requestsUnderWay += 1 }

  /// It has answered.
  func endRequest() {
    requestsUnderWay -= 1
    resume()
  }

  /// Handles a PUBLISH; false if the connection is being closed.
  @inline(__always)
  private func deliver(_ publish: PublishLayout, _ span: Span<UInt8>) -> Bool {
    guard let device, let topics else {
      return provisioning.map { ask($0, publish, span) } ?? false
    }
    let topic = span.extracting(publish.topic)
    switch topics.classify(topic) {
    case .telemetry(let range):
      let bag = topic.extracting(range)
      let body = span.extracting(publish.payload)
      guard isTaken(bag, body) else { return false }
      if let children { return deliver(publish, bag, body, of: children) }
      let flags: EventFlags = publish.retain ? .retain : []
      guard
        loop.append(
          self,
          stamp: device.stamp,
          partition: device.partition,
          flags: flags,
          bag: bag,
          body: body,
          identifier: publish.packetIdentifier
        )
      else {
        close()
        return false
      }
      return true
    case .twinGet(let range):
      getTwin(topic.extracting(range).array(), acknowledging: publish)
      return true
    case .twinPatch(let range, let version):
      patchTwin(
        topic.extracting(range).array(),
        body: span.extracting(publish.payload).array(),
        version: version,
        acknowledging: publish
      )
      return true
    case .methodResponse(let status, let range):
      loop.backend.methodAnswered(
        requestID: topic.extracting(range).array(),
        status: status,
        body: span.extracting(publish.payload).array(),
        by: device.identity
      )
      acknowledge(publish)
      return true
    case .unknown where children != nil:
      return deliverForChild(publish, topic, span.extracting(publish.payload))
    case .foreign, .unknown, .malformed:
      faulted("a topic that is not this identity's to publish to")
      close()
      return false
    }
  }

  /// Whether a message is within the limits; if not, the connection is being closed.
  @inline(__always)
  func isTaken(_ bag: Span<UInt8>, _ body: Span<UInt8>) -> Bool {
    // What an edge hub adds must not make a child's message, which it has taken, too large.
    let room = children == nil ? 0 : EdgeHubChildren.addedBytes
    do throws(PropertyFault) {
      try PropertyBag(bag).check(bodyBytes: body.count, limit: loop.limits.messageBytes + room)
      return true
    } catch {
      faulted("\(error)")
      close()
      return false
    }
  }

  func acknowledge(_ publish: PublishLayout) {
    guard publish.packetIdentifier != 0 else { return }
    acknowledge(publish.packetIdentifier)
  }

  /// Messages of this connection are durable: sends their PUBACKs in one write.
  func acknowledge(_ identifiers: Span<UInt16>) {
    for index in identifiers.indices { acknowledge(identifiers[index]) }
    flush()
    resume()
  }

  @inline(__always)
  func acknowledge(_ identifier: UInt16) {
    let action = answer { $0.acknowledge(identifier, to: &$1) }
    if case .close = action { close() }
  }

  // MARK: Bytes out

  /// Appends a packet to what leaves at the end of the turn.
  func write(_ encode: (inout ByteBuffer) -> Void) {
    var buffer = takeOutbound()
    encode(&buffer)
    outbound = buffer
  }

  /// Lets the machine append what leaves at the end of the turn.
  @inline(__always)
  func answer<Action>(
    _ encode: (inout ServerConnection, inout ByteBuffer) -> Action
  ) -> Action {
    var buffer = takeOutbound()
    let action = encode(&machine, &buffer)
    outbound = buffer
    return action
  }

  private func takeOutbound() -> ByteBuffer {
    if let buffer = outbound {
      outbound = nil
      return buffer
    }
    if let buffer = spareOutbound {
      spareOutbound = nil
      return buffer
    }
    return ByteBufferAllocator().buffer(capacity: 64)
  }

  func flush() {
    guard var buffer = outbound, buffer.readableBytes > 0, let context else { return }
    outbound = nil
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    // Nearly always it has been written by now, and nobody else holds it.
    guard buffer.capacity <= Self.keptOutboundBytes, slot >= 0 else { return }
    buffer.clear()
    spareOutbound = buffer
  }

  /// Flushes unless a read is being processed, which flushes at its end.
  func flushUnlessProcessing() { if !isProcessing { flush() } }

  /// Closes the link after what is still to be sent.
  ///
  /// The connection counts as gone from now on: TLS may take a while to say goodbye, and nobody must
  /// send a method or a message to a client that has left.
  func close() {
    flush()
    let context = context
    end()
    context?.close(promise: nil)
  }

  /// Ends the connection by the hub's own decision.
  package func drop(_ reason: DropReason) {
    guard slot >= 0 else { return }
    // Those whose telemetry was not kept are counted and reported together.
    loop.logger.log(
      level: reason == .notKept || reason == .stopping ? .debug : .info,
      "connection dropped",
      metadata: [
        "identity": "\(device.map { "\($0.identity)" } ?? "unknown")",
        "reason": "\(reason.rawValue)",
      ]
    )
    close()
  }

  func faulted(_ what: String) {
    loop.counters.protocolFaults.count()
    loop.logger.info(
      "connection closed for a fault of the client",
      metadata: [
        "identity": "\(device.map { "\($0.identity)" } ?? "unknown")", "fault": "\(what)",
      ]
    )
  }

  /// Looks at the clock, once a second.
  func tick(_ now: Instant) {
    if let expiry = device?.expiry, now > expiry { return drop(.tokenExpired) }
    if inputsUnderWay > 0, let limit = loop.limits.inputSilenceSeconds {
      inputSilenceSeconds += 1
      // The next connection is given them again, or another of the same module's programs.
      if inputSilenceSeconds > limit { return drop(.unacknowledged) }
    }
    guard let deadline = machine.nextDeadline, now >= deadline else { return }
    // Who is not read because of the backend is not silent.
    guard requestsUnderWay < Self.requestLimit else { return }
    if case .close(let reason) = machine.timeout(now: now) {
      if device == nil { loop.counters.connectTimeouts.count() }
      loop.logger.debug("connection timed out", metadata: ["reason": "\(reason)"])
      close()
    }
  }
}

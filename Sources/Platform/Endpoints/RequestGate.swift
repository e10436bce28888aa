import ByteIO
import HubContract
import JSONTree
import NIOCore
import NIOHTTP1
import Platform

/// Stands behind the HTTP decoder: lets only upgrades to MQTT and AMQP look like upgrades, and answers what
/// can't be read as HTTP.
///
/// An upgrade that is none goes on as an ordinary request, which REST refuses in its own shape.
///
/// It also ends the connection of a stranger that stays too long: requests that are refused, or open
/// to everybody, do not keep it alive.
final class RequestGate: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let timeouts: SharedPortTimeouts
  private let counters: EndpointCounters
  private var unansweredCount = 0
  private var isClosing = false
  /// Whether the request that is coming in is an upgrade; what follows it is no HTTP.
  private var isUpgrade = false
  private var hasLeftHTTP = false
  /// Ends a stranger's connection, whatever it does.
  private var end: Scheduled<Void>?
  /// Ends a stranger's connection between two requests.
  private var idleEnd: Scheduled<Void>?
  private var isStranger = true

  init(timeouts: SharedPortTimeouts, counters: EndpointCounters) {
    self.timeouts = timeouts
    self.counters = counters
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let loop = context.eventLoop.assumeIsolated()
    end = loop.scheduleTask(in: timeouts.stranger) { [counters] in
      counters.connectTimeouts.count()
      context.close(promise: nil)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { authenticated() }

  /// A request has shown a credential that holds.
  func authenticated() {
    isStranger = false
    end?.cancel()
    end = nil
    idleEnd?.cancel()
    idleEnd = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosing else { return }
    // A client that does not wait for the answer: the decoder gives what is behind the upgrade as it
    // came, before this is taken out. The upgrade's own handler keeps it for the new protocol.
    guard !hasLeftHTTP else { return context.fireChannelRead(data) }
    var part = unwrapInboundIn(data)
    if case .end = part { hasLeftHTTP = isUpgrade }
    if case .head(var head) = part {
      isUpgrade = Self.isUpgrade(head)
      unansweredCount += 1
      idleEnd?.cancel()
      idleEnd = nil
      if head.headers.contains(name: "upgrade"), !isUpgrade {
        head.headers.remove(name: "upgrade")
        head.headers.remove(name: "connection")
        part = .head(head)
      }
    }
    context.fireChannelRead(wrapInboundOut(part))
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) {
      unansweredCount -= 1
      if isStranger, unansweredCount == 0 {
        idleEnd = context.eventLoop.assumeIsolated().scheduleTask(in: timeouts.strangerIdle) {
          context.close(promise: nil)
        }
      }
    }
    context.write(data, promise: promise)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard error is HTTPParserError, unansweredCount == 0, !isClosing else {
      return context.fireErrorCaught(error)
    }
    isClosing = true
    let refusal = HubError(.iotHubFormatError, "The request is not HTTP/1.1, or too large a head.")
    let body = JSON.bytes(
      refusal.body(
        .registry,
        trackingID: Hex.encode(Entropy.bytes(16)),
        time: Timestamp(ticks: SystemClock.wallTicks())
      )
    )
    let headers: HTTPHeaders = [
      "Content-Type": "application/json; charset=utf-8", "Content-Length": "\(body.count)",
      "iothub-errorcode": refusal.code.name, "x-ms-request-id": Self.requestID(),
      "Connection": "close",
    ]
    let head = HTTPResponseHead(version: .http1_1, status: .badRequest, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    context.close(promise: nil)
  }

  /// Whether this asks for MQTT or AMQP over WebSocket in due form (RFC 6455 §4.2.1).
  private static func isUpgrade(_ head: HTTPRequestHead) -> Bool {
    head.method == .GET && WebSocketProtocol(offeredIn: head) != nil
      && head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
      && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
      && head.headers.first(name: "sec-websocket-version") == "13"
      && head.headers.first(name: "sec-websocket-key").flatMap { Base64.decode($0) }?.count == 16
  }

  private static func requestID() -> String {
    let digits = Array(Hex.encode(Entropy.bytes(16)).utf8)
    return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map {
      String(decoding: digits[$0], as: UTF8.self)
    }.joined(separator: "-")
  }
}

/// One connection's gate, to be taken out of its pipeline when the connection leaves HTTP.
struct RequestGateHandle: Sendable {
  private let gate: NIOLoopBound<RequestGate>

  /// A gate that is in no pipeline yet; call on `eventLoop`.
  init(eventLoop: any EventLoop, timeouts: SharedPortTimeouts, counters: EndpointCounters) {
    gate = NIOLoopBound(
      RequestGate(timeouts: timeouts, counters: counters),
      eventLoop: eventLoop
    )
  }

  /// A request has shown a credential that holds; from any thread.
  func authenticated() {
    let gate = gate
    gate.eventLoop.execute { gate.value.authenticated() }
  }

  /// Puts the gate behind the decoder.
  func enter(
    _ operations: ChannelPipeline.SynchronousOperations,
    after decoder: ByteToMessageHandler<HTTPRequestDecoder>
  ) throws {
    try operations.addHandler(gate.value, position: .after(decoder))
  }

  /// Takes the gate out of the pipeline of `channel`.
  func leave(_ channel: any Channel) -> EventLoopFuture<Void> {
    channel.pipeline.syncOperations.removeHandler(gate.value)
  }
}

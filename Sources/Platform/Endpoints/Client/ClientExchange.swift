import ByteIO
import MQTT
import NIOCore

/// What a `ClientLink` waits for on its connection, as promises; confined to the event loop.
///
/// Publishes that find the window full wait here in their order; everything that waits fails when the
/// connection ends.
final class ClientExchange: ClientEvents {
  /// Messages that are handed over and not taken yet; more than that are dropped, which a server that
  /// keeps to the windows of QoS 1 cannot cause.
  static let inboxLimit = 4096

  private struct WaitingPublish {
    let topic: [UInt8]
    let payload: [UInt8]
    let promise: EventLoopPromise<Void>
  }

  /// Set right after both are made.
  var handler: ClientHandler?
  private let connected: EventLoopPromise<Bool>
  private let inbox: AsyncStream<ClientMessage>.Continuation
  private let ended: EventLoopPromise<ClientFault>
  private var deliveries: UInt64 = 0
  private var publishes: [UInt64: EventLoopPromise<Void>] = [:]
  private var subscribes: [UInt64: EventLoopPromise<[SubscribeReturnCode]>] = [:]
  private var waiting = CircularBuffer<WaitingPublish>()
  private var failure: ClientFault?

  /// `connected` succeeds with Session Present when the server accepts, `inbox` gets every message,
  /// and `ended` succeeds with the reason when the connection is over.
  init(
    connected: EventLoopPromise<Bool>,
    inbox: AsyncStream<ClientMessage>.Continuation,
    ended: EventLoopPromise<ClientFault>
  ) {
    self.connected = connected
    self.inbox = inbox
    self.ended = ended
  }

  // MARK: What the connection tells

  func connected(isSessionPresent: Bool) { connected.succeed(isSessionPresent) }

  func received(_ publish: PublishLayout, in packet: Span<UInt8>) {
    inbox.yield(
      ClientMessage(
        topic: packet.extracting(publish.topic).array(),
        payload: packet.extracting(publish.payload).array(),
        packetIdentifier: publish.packetIdentifier
      )
    )
  }

  func acknowledged(_ delivery: UInt64) {
    publishes.removeValue(forKey: delivery)?.succeed()
    sendWaiting()
  }

  func subscribed(_ delivery: UInt64, _ codes: [SubscribeReturnCode]) {
    subscribes.removeValue(forKey: delivery)?.succeed(codes)
  }

  func unsubscribed(_ delivery: UInt64) {}
  func readCompleted() {}
  func becameWritable() {}

  func ended(_ fault: ClientFault) {
    failure = fault
    handler = nil
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

  // MARK: What its user asks

  /// Publishes at QoS 1; `promise` succeeds with the server's acknowledgement.
  func publish(_ topic: [UInt8], _ payload: [UInt8], _ promise: EventLoopPromise<Void>) {
    guard handler != nil else { return promise.fail(failure ?? .ended(.linkLost)) }
    waiting.append(WaitingPublish(topic: topic, payload: payload, promise: promise))
    sendWaiting()
    handler?.flushLater()
  }

  private func sendWaiting() {
    while let handler, let next = waiting.first {
      do throws(MQTTFault) {
        guard
          try handler.publish(
            topic: next.topic.span,
            payload: next.payload.span,
            delivery: deliveries
          )
        else { return }
        publishes[deliveries] = next.promise
        deliveries += 1
      } catch {
        next.promise.fail(ClientFault.unencodable)
      }
      waiting.removeFirst()
    }
  }

  /// Subscribes to `filters` at QoS 1.
  func subscribe(_ filters: [[UInt8]], _ promise: EventLoopPromise<[SubscribeReturnCode]>) {
    guard let handler else { return promise.fail(failure ?? .ended(.linkLost)) }
    do throws(MQTTFault) {
      guard try handler.subscribe(filters, .atLeastOnce, delivery: deliveries) else {
        return promise.fail(ClientFault.ended(.misuse))
      }
    } catch {
      return promise.fail(ClientFault.unencodable)
    }
    subscribes[deliveries] = promise
    deliveries += 1
    handler.flush()
  }

  /// A message was taken over.
  func acknowledge(_ message: ClientMessage) { handler?.acknowledge(message.packetIdentifier) }

  /// Leaves in good order.
  func disconnect() { handler?.disconnect() }
}

package import MQTT
package import NIOCore

/// One connection of an MQTT client, to be used from tasks.
package struct ClientLink: Sendable {
  /// Whether the server still had the session of an earlier connection.
  package let isSessionPresent: Bool
  /// What the server sends, in its order, until the connection ends; acknowledge each one.
  package let messages: AsyncStream<ClientMessage>

  private let exchange: NIOLoopBound<ClientExchange>
  private let eventLoop: any EventLoop
  private let ending: EventLoopFuture<ClientFault>

  /// Connects straight to `host`, and returns when the server has accepted.
  ///
  /// The server's certificate must name `host`. Without `tls` it is MQTT in the clear. Who never subscribes
  /// does not take messages; then what a server sends all the same is not kept.
  ///
  /// - Throws: `ClientFault`.
  package static func open(
    host: String,
    port: Int,
    tls: ClientTLS?,
    request: ConnectRequest,
    takesMessages: Bool = true,
    on eventLoop: any EventLoop
  ) async throws -> ClientLink {
    try await open(
      ClientWay(host: host, port: port, tls: tls),
      request: request,
      takesMessages: takesMessages,
      on: eventLoop
    )
  }

  /// Connects by `way`, and returns when the server has accepted.
  ///
  /// - Throws: `ClientFault`.
  package static func open(
    _ way: ClientWay,
    request: ConnectRequest,
    takesMessages: Bool = true,
    on eventLoop: any EventLoop
  ) async throws -> ClientLink {
    let connected = eventLoop.makePromise(of: Bool.self)
    let ended = eventLoop.makePromise(of: ClientFault.self)
    let (messages, inbox) = AsyncStream.makeStream(
      of: ClientMessage.self,
      bufferingPolicy: .bufferingOldest(takesMessages ? ClientExchange.inboxLimit : 0)
    )
    let opening = OpeningChannels()
    return try await withTaskCancellationHandler {
      let exchange: NIOLoopBound<ClientExchange>
      do {
        exchange = try await way.connect(on: eventLoop, opening) { channel in
          let exchange = ClientExchange(connected: connected, inbox: inbox, ended: ended)
          let handler = try ClientHandler(request, events: exchange)
          exchange.handler = handler
          try channel.pipeline.syncOperations.addHandler(handler)
          return NIOLoopBound(exchange, eventLoop: eventLoop)
        }.get()
      } catch {
        inbox.finish()
        let fault = ClientFault(error)
        // Unless the connection has said so itself.
        connected.fail(fault)
        ended.succeed(fault)
        throw fault
      }
      let isSessionPresent = try await connected.futureResult.get()
      return ClientLink(
        isSessionPresent: isSessionPresent,
        messages: messages,
        exchange: exchange,
        eventLoop: eventLoop,
        ending: ended.futureResult
      )
    } onCancel: {
      opening.cancel()
    }
  }

  /// Publishes at QoS 1, and returns when the server has acknowledged.
  ///
  /// - Throws: `ClientFault` when the connection ends before that: the server may have it or not.
  package func publish(topic: [UInt8], payload: [UInt8]) async throws {
    let promise = eventLoop.makePromise(of: Void.self)
    eventLoop.execute { exchange.value.publish(topic, payload, promise) }
    try await promise.futureResult.get()
  }

  /// Publishes at QoS 1, in this order, and returns when the server has acknowledged all of them.
  ///
  /// - Throws: `ClientFault` when the connection ends before that: the server may have any of them.
  package func publish(_ messages: [(topic: [UInt8], payload: [UInt8])]) async throws {
    let promises = messages.map { _ in eventLoop.makePromise(of: Void.self) }
    eventLoop.execute {
      for (message, promise) in zip(messages, promises) {
        exchange.value.publish(message.topic, message.payload, promise)
      }
    }
    try await EventLoopFuture.andAllSucceed(promises.map(\.futureResult), on: eventLoop).get()
  }

  /// Subscribes at QoS 1, and returns when the server has granted all of `filters`.
  ///
  /// - Throws: `ClientFault`.
  package func subscribe(_ filters: [[UInt8]]) async throws {
    let promise = eventLoop.makePromise(of: [SubscribeReturnCode].self)
    eventLoop.execute { exchange.value.subscribe(filters, promise) }
    let codes = try await promise.futureResult.get()
    guard codes.allSatisfy({ $0.granted != nil }) else { throw ClientFault.subscriptionRefused }
  }

  /// Tells the server that `message` is taken over.
  package func acknowledge(_ message: ClientMessage) {
    eventLoop.execute { exchange.value.acknowledge(message) }
  }

  /// Begins to leave in good order; `ended` tells when it is done.
  package func disconnect() { eventLoop.execute { exchange.value.disconnect() } }

  /// Leaves in good order; returns when the connection is closed.
  package func close() async {
    disconnect()
    _ = await ended()
  }

  /// Waits for the end of the connection, and says why it came.
  package func ended() async -> ClientFault {
    (try? await ending.get()) ?? .ended(.linkLost)
  }
}

import Endpoints

/// A message of an input, and the connection on which it can be acknowledged.
struct InputDelivery: Sendable {
  let message: ModuleMessage
  let received: ClientMessage
  let link: ClientLink
  let connection: UInt64
}

extension ModuleClient {
  // MARK: Outputs

  /// Sends `body` to an output; returns when the local hub has it on its disk.
  ///
  /// - Throws: as `send(_:to:)` does with a message.
  public func send(
    _ body: [UInt8],
    to output: String,
    properties: [String: String] = [:]
  ) async throws {
    try await send(ModuleMessage(body, properties: properties), to: output)
  }

  /// Sends `message` to an output; returns when the local hub has it on its disk.
  ///
  /// Where the connection ends before that, it is sent again by the next one: it may arrive twice.
  ///
  /// - Throws: a `ModuleFault` of the code `message` for what can never be sent, of `stopped` after the
  ///   end of `run`; `CancellationError`, when it may have been sent or not.
  public func send(_ message: ModuleMessage, to output: String) async throws {
    guard !output.isEmpty else { throw ModuleFault(.message, "an output has a name") }
    let count = message.properties.reduce(message.body.count) {
      $0 + $1.key.utf8.count + $1.value.utf8.count
    }
    guard count <= Self.messageLimit else {
      throw ModuleFault(.message, "a message of \(count) bytes: \(Self.messageLimit) are the limit")
    }
    let topic = topics.topic(of: message, to: output)
    var failed: UInt64?
    while true {
      let connection = try await standing(after: failed)
      sendsUnderWay += 1
      do {
        try await connection.link.publish(topic: topic, payload: message.body)
        sendsUnderWay -= 1
        changed()
        return
      } catch {
        sendsUnderWay -= 1
        changed()
        if case .unencodable? = error as? ClientFault {
          throw ModuleFault(.message, "the properties are longer than a topic may be")
        }
        failed = connection.number
      }
    }
  }

  // MARK: Inputs

  /// The messages of all inputs, which are asked for when a loop begins.
  public nonisolated var messages: InputMessages { InputMessages(client: self) }

  func nextInput(after last: InputDelivery?) async -> InputDelivery? {
    // On another connection it comes again, or was acknowledged there.
    if let last, last.connection == connection?.number { last.link.acknowledge(last.received) }
    want(.inputs)
    while inbox.isEmpty {
      guard phase != .ended, !Task.isCancelled else { return nil }
      await change()
    }
    return Task.isCancelled ? nil : inbox.removeFirst()
  }

  // MARK: Direct methods

  /// Lets `handler` answer direct methods, several of them at once; before, nobody does.
  public func onMethod(_ handler: @escaping @Sendable (MethodCall) async -> MethodAnswer) {
    self.handler = handler
    want(.methods)
  }

  /// Subscribes to more, now or with the next connection.
  func want(_ topics: Topics) {
    guard !wanted.isSuperset(of: topics) else { return }
    wanted.formUnion(topics)
    changed()
  }
}

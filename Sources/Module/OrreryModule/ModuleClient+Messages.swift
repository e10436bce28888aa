import Endpoints
import HubContract

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
    let topic: [UInt8]
    do {
      topic = try topics.topic(of: message, to: output)
    } catch let fault as PropertyFault {
      throw ModuleFault(.message, Self.explained(fault))
    }
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

  private static func explained(_ fault: PropertyFault) -> String {
    switch fault {
    case .messageTooLarge(let count):
      "a message of \(count) bytes: \(messageLimit) are the limit, body and properties together"
    case .messageIDTooLong(let count):
      "a message ID of \(count) bytes: \(PropertyBag.messageIDLimit) are the limit"
    }
  }

  // MARK: Inputs

  /// The messages of all inputs, which are asked for when a loop begins.
  public nonisolated var messages: InputMessages { InputMessages(client: self) }

  func nextInput(after last: InputDelivery?) async -> InputDelivery? {
    // On another connection it comes again, or was acknowledged there.
    // Who was cancelled may not have done with it.
    if let last, !Task.isCancelled, last.connection == connection?.number {
      last.link.acknowledge(last.received)
    }
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

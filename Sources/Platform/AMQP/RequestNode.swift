package import AMQPCodec
import ByteIO

/// A request that came to a node.
package struct NodeRequest: Equatable, Sendable {
  /// The message.
  package var message: AMQPMessage
  /// What is settled with the answer: until then the client may send only so many more.
  package var delivery: DeliveryID?

  /// Creates a request of a message.
  package init(message: AMQPMessage, delivery: DeliveryID? = nil) {
    self.message = message
    self.delivery = delivery
  }

  /// The text of an application property.
  package func text(_ name: String) -> String? { message.applicationProperties[name]?.text }
}

/// A node that answers requests, such as `$cbs` and `$management` (contract §8.1, §8.3).
///
/// A client attaches a sender for its requests and a receiver for the answers, in any order. Answers
/// wait here until there is a receiver with credit: one stock client sends its first request before
/// it gives any. A request is settled as accepted when it is answered, whatever the answer.
package struct RequestNode: ~Copyable {
  /// Answers at most that wait for credit; beyond it the oldest is dropped.
  package static let waitingLimit = 64
  /// Requests that may be under way on one link.
  package static let requestCredit: Int32 = 32

  /// Bytes of a request at most: a token is the longest thing in it.
  package static let requestBytes = 16_384
  /// Links at most of one client.
  package static let linkLimit = 32

  private struct Receiver {
    let id: LinkID
    /// Where its answers are asked to go.
    let address: String?
  }

  private struct Answer {
    let replyTo: String?
    let message: [UInt8]
  }

  private var receivers: [Receiver] = []
  private var waiting: [Answer] = []
  private var linkCount = 0
  private var lastTag: UInt32 = 0

  /// Creates a node that nobody is attached to.
  package init() {}

  /// A client attached to the node: accepts its link.
  package mutating func attached(
    _ id: LinkID,
    _ attach: AMQPAttach,
    on connection: inout AMQPConnection
  ) {
    linkCount += 1
    guard linkCount <= Self.linkLimit else {
      return connection.refuse(
        id,
        AMQPError(AMQPError.resourceLimitExceeded, "too many links to this node")
      )
    }
    if attach.isPeerSender {
      connection.accept(id, credit: Self.requestCredit, messageBytes: Self.requestBytes)
    } else {
      connection.accept(id, isPresettled: true)
      receivers.append(Receiver(id: id, address: attach.target.address))
      send(on: &connection)
    }
  }

  /// Reads a request, which `answer` settles; nil for a message that is none, which is rejected.
  package mutating func delivered(
    _ delivery: AMQPDelivery,
    on connection: inout AMQPConnection
  ) -> NodeRequest? {
    connection.read(delivery).map { NodeRequest(message: $0, delivery: delivery.id) }
  }

  /// Answers a request: at once, or when there is credit.
  ///
  /// The correlation ID is the request's message ID in the same type, or its correlation ID if it has
  /// no message ID.
  package mutating func answer(
    _ request: NodeRequest,
    with message: AMQPMessage,
    on connection: inout AMQPConnection
  ) {
    var message = message
    let asked = request.message.properties
    message.properties.correlationID =
      asked.messageID == .null ? asked.correlationID : asked.messageID
    if waiting.count >= Self.waitingLimit { waiting.removeFirst() }
    waiting.append(Answer(replyTo: asked.replyTo, message: message.encoded))
    if let delivery = request.delivery {
      connection.settle(delivery, .accepted)
      // A stock client takes an answer for a failure that comes before it knows its request sent.
      connection.encode()
    }
    send(on: &connection)
  }

  /// A link's credit changed: sends what waits.
  package mutating func credited(on connection: inout AMQPConnection) { send(on: &connection) }

  /// A link is gone.
  package mutating func detached(_ id: LinkID) {
    linkCount -= 1
    receivers.removeAll { $0.id == id }
  }

  private mutating func send(on connection: inout AMQPConnection) {
    var index = 0
    while index < waiting.count {
      let answer = waiting[index]
      // The receiver that the request names, or the only kind there is for clients that name none.
      let named = receivers.first { $0.address != nil && $0.address == answer.replyTo }
      guard let receiver = named ?? receivers.last, connection.credit(of: receiver.id) > 0 else {
        index += 1
        continue
      }
      lastTag &+= 1
      let tag = lastTag
      connection.send(
        answer.message.span,
        on: receiver.id,
        tag: (0..<4).map { UInt8(truncatingIfNeeded: tag >> (24 - 8 * $0)) },
        isSettled: true
      )
      waiting.remove(at: index)
    }
  }
}

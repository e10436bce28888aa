package import AMQPCodec

/// Names a link of one connection for as long as the connection lives; never used twice.
package struct LinkID: Hashable, Sendable {
  let number: UInt
}

/// Names a delivery that waits to be settled; never used twice in a connection.
package struct DeliveryID: Hashable, Sendable {
  let number: UInt
}

/// One end of a link (AMQP 1.0 part 3 §3.5.3, §3.5.4).
package struct AMQPTerminus: Equatable, Sendable {
  /// The node's address.
  package var address: String?
  /// Whether the peer asks for a node of its own.
  package var isDynamic = false
  /// What the receiver wants of the source, by filter name.
  package var filters = AMQPMap()

  /// Creates a terminus.
  package init(address: String?, filters: AMQPMap = [:]) {
    self.address = address
    self.filters = filters
  }
}

/// What the peer's attach says (AMQP 1.0 part 2 §2.7.3).
package struct AMQPAttach: Equatable, Sendable {
  /// The link's name.
  package var name: String
  /// Whether the peer sends on it, else it receives.
  package var isPeerSender: Bool
  /// Where messages come from.
  package var source: AMQPTerminus
  /// Where messages go.
  package var target: AMQPTerminus
  /// Properties of the link.
  package var properties: AMQPMap
  /// What the peer would like.
  package var desiredCapabilities: [String]
  /// Whether the sender will settle everything it sends.
  package var isPresettled: Bool

  /// The address that the peer wants to reach: the target of its sender, the source of its receiver.
  package var address: String? { isPeerSender ? target.address : source.address }
}

/// A message that came.
package struct AMQPDelivery: Equatable, Sendable {
  /// Names it until `settle`, which the driver calls when it is done with it, even if it came settled:
  /// until then it counts as under way, and keeps its sender from sending another.
  package var id: DeliveryID
  /// Whether the sender had settled it, and waits for no outcome.
  package var isSettled: Bool
  /// The sender's tag.
  package var tag: [UInt8]
  /// The encoded message.
  package var message: [UInt8]
  /// Whether it is several messages in one, each in a data section of its own
  /// (message format 0x80013700).
  package var isBatch: Bool
}

/// What happened on a connection, for its driver.
package enum AMQPEvent: Equatable, Sendable {
  /// The client authenticates itself: the driver judges and calls `judged`.
  case authenticating(SASLInit)
  /// The peer's open came; ours is on its way.
  case opened(container: String, hostname: String?)
  /// The peer attaches a link: the driver accepts or refuses it. For a link that we attached, the
  /// peer's answer.
  case attached(LinkID, AMQPAttach)
  /// A whole message came.
  case delivered(LinkID, AMQPDelivery)
  /// The peer's credit for what we send changed, or it asks to drain.
  case credited(LinkID)
  /// The peer settled a message that we sent; it is settled here too.
  case settled(LinkID, DeliveryID, AMQPOutcome)
  /// The link is gone, by the peer's detach or its session's end; its identifiers mean nothing more.
  case detached(LinkID, AMQPError?)
  /// The connection is over: nothing more comes, and what is left to send ends it.
  case closed(AMQPError?)
}

/// What a peer may ask for at most.
package struct AMQPConnectionLimits: Sendable {
  /// Bytes of a frame that we take (`max-frame-size`).
  package var frameBytes: UInt32 = 65_536
  /// Sessions at a time; more end the connection.
  package var sessions: UInt16 = 256
  /// Links at a time over all sessions; more are refused.
  package var links = 4_096
  /// Bytes of a message; a longer one ends its link.
  package var messageBytes = 1 << 20
  /// Bytes that a session holds before the peer must wait (`incoming-window`).
  package var sessionBytes = 4 << 20
  /// Bytes held while a client's credentials are judged.
  package var unauthenticatedBytes = 64 << 10
  /// Milliseconds without a frame after which the connection ends.
  package var idleMilliseconds: UInt32 = 240_000

  /// The defaults.
  package init() {}
}

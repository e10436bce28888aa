/// What the driver of a `ClientConnection` does next after bytes or a packet.
public enum ClientReceiveAction: Sendable, Equatable {
  /// Nothing; go on with the next packet.
  case none
  /// Nothing before more bytes are here, or before `isReceiving` is true again.
  case wait
  /// The connection stands; send what is in flight again, then whatever is new.
  ///
  /// With Session Present 0 the server has forgotten the subscriptions (§3.2.2.2).
  case connected(sessionPresent: Bool)
  /// Take the message; QoS 1 and 2: call `acknowledge` once it is safe.
  case deliver(PublishLayout)
  /// The server has settled a message; a place of the outbound window is free.
  case acknowledged(delivery: UInt64)
  /// The server has answered a SUBSCRIBE, with one code for each filter.
  case subscribed(delivery: UInt64, SubackLayout)
  /// The server has answered an UNSUBSCRIBE.
  case unsubscribed(delivery: UInt64)
  /// Send this packet.
  case send(ShortPacket)
  /// Close the link and report `linkLost`.
  case close(CloseReason)
}

/// What the driver of a `ClientConnection` does after a deadline.
public enum ClientTimeoutAction: Sendable, Equatable {
  /// Nothing; ask for `nextDeadline` again.
  case none
  /// Send this packet.
  case send(ShortPacket)
  /// Close the link and report `linkLost`.
  case close(CloseReason)
}

/// What is left of a client's connection.
public struct ClientEnding: Sendable {
  /// Why it ended.
  public let reason: CloseReason
  /// The session to go on with, nil if it was a clean one.
  public let session: Session?
}

/// What the driver of a `ServerConnection` does next after bytes or a packet.
public enum ServerReceiveAction: Sendable, Equatable {
  /// Nothing; go on with the next packet.
  case none
  /// Nothing before more bytes are here, or before `isReceiving` is true again.
  case wait
  /// Look at the CONNECT, then call `accept` or `refuse`, now or later.
  ///
  /// Until then nothing is taken in.
  case authenticate(ConnectLayout)
  /// Hand on the message; QoS 1 and 2: call `acknowledge` once it is safe.
  case deliver(PublishLayout)
  /// Decide on the filters, then send a SUBACK.
  case subscribe(SubscribeLayout)
  /// Take the filters away, then send an UNSUBACK, also for those that were not there.
  case unsubscribe(UnsubscribeLayout)
  /// The client has settled a delivery; a place of the outbound window is free.
  case acknowledged(delivery: UInt64)
  /// Send this packet.
  case send(ShortPacket)
  /// Send a CONNACK with this code, then close the link and report `linkLost`.
  case refuse(ConnectReturnCode)
  /// Close the link and report `linkLost`.
  case close(CloseReason)
}

/// What the driver does after it acknowledged messages.
public enum AcknowledgeAction: Sendable, Equatable {
  /// This many answers were written, 0 if older messages still wait.
  case written(Int)
  /// Close the link and report `linkLost`.
  case close(CloseReason)
}

/// What the driver does after a deadline.
public enum ServerTimeoutAction: Sendable, Equatable {
  /// Nothing; ask for `nextDeadline` again.
  case none
  /// Close the link and report `linkLost`.
  case close(CloseReason)
}

/// What is left of a connection.
public struct ServerEnding: Sendable {
  /// Why it ended.
  public let reason: CloseReason
  /// The will to publish now, nil if there was none or a DISCONNECT discarded it [MQTT-3.14.4-3].
  public let will: Will?
  /// The session to keep, nil if it was a clean one or the connection never stood.
  public let session: Session?
}

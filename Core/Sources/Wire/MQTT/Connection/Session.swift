/// The protocol's part of a session, for either role: what outlives a connection (MQTT 3.1.1 §4.1).
///
/// It is a value: take it from the connection that ended and hand it to the next one. Messages and
/// subscriptions are not in it, they belong to whoever has them; the numbers of `inFlight` lead to
/// the messages. A new value is a new session.
public struct Session: Sendable {
  var outbound = OutboundWindow()
  /// QoS 2 messages taken over and not released by their sender.
  var received = PacketIdentifierSet()

  /// Creates an empty session.
  public init() {}

  /// Messages sent and not settled.
  public var inFlightCount: Int { outbound.count }

  /// The message at `index` of `0..<inFlightCount`, oldest first.
  ///
  /// After a reconnect they are sent again in this order [MQTT-4.4.0-1] [MQTT-4.6.0-1].
  public func inFlight(at index: Int) -> InFlight { outbound[index] }

  /// Packet identifiers of QoS 2 messages taken over and not yet released.
  public var unreleasedCount: Int { received.count }
}

/// Something sent with a packet identifier that the peer has not settled (MQTT 3.1.1 §4.3, §4.4).
public struct InFlight: BitwiseCopyable, Sendable, Equatable {
  /// Which packet the peer owes.
  public enum Awaiting: BitwiseCopyable, Sendable, Equatable {
    /// A QoS 1 PUBLISH was sent; after a reconnect it is sent again with DUP.
    case puback
    /// A QoS 2 PUBLISH was sent; after a reconnect it is sent again with DUP.
    case pubrec
    /// A PUBREL was sent; after a reconnect it is sent again.
    case pubcomp
    /// A SUBSCRIBE was sent; it ends with the connection.
    case suback
    /// An UNSUBSCRIBE was sent; it ends with the connection.
    case unsuback
  }

  /// The number that the owner gave to what it sent.
  public let delivery: UInt64
  /// Its packet identifier, never 0.
  public let packetIdentifier: UInt16
  let filterCount: UInt16
  /// Which packet the peer owes.
  public internal(set) var awaiting: Awaiting
}

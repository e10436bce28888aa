/// What a client grants to its server, and how long it waits for it.
public struct ClientLimits: Sendable, Equatable {
  /// Bytes of the largest packet; a longer one is the fault `packetTooLong`.
  public var maximumPacketLength: Int32 = 1_048_576
  /// Milliseconds from the CONNECT to the CONNACK; then the connection is closed.
  public var connackTimeoutMilliseconds: UInt32 = 30_000
  /// Milliseconds from a PINGREQ to any sign of life; then the connection is closed.
  public var pingTimeoutMilliseconds: UInt32 = 10_000
  /// Received messages that wait for their acknowledgement; then `isReceiving` turns false, which
  /// asks the driver to stop reading.
  ///
  /// With QoS 2, those that wait for their PUBREL count too, and one more is the fault
  /// `tooManyUnreleased`. At most 32 768.
  public var maximumInbound: UInt16 = 1_000
  /// Messages and requests sent and not settled; then the `reserve` methods answer nil.
  ///
  /// At most 32 768.
  public var maximumOutbound: UInt16 = 100

  /// Creates the defaults.
  public init() {}
}

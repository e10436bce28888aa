/// What a server grants to one connection.
public struct ServerLimits: Sendable, Equatable {
  /// Bytes of the largest CONNECT; a longer one is the fault `packetTooLong`.
  ///
  /// It bounds what a peer without credentials can make the driver keep.
  public var maximumConnectLength: Int32 = 65_536
  /// Bytes of the largest packet after CONNECT; a longer one is the fault `packetTooLong`.
  public var maximumPacketLength: Int32 = 1_048_576
  /// Milliseconds from the link's start to the CONNECT; then the connection is closed.
  public var connectTimeoutMilliseconds: UInt32 = 30_000
  /// Milliseconds from the CONNECT to the decision on it; then the connection is closed.
  public var authenticationTimeoutMilliseconds: UInt32 = 30_000
  /// Seconds of silence that are never exceeded, also for a keep alive of 0; 0 meaning no bound.
  ///
  /// A client is dropped after 1.5 times its keep alive or after this time, whichever is less.
  public var maximumSilenceSeconds: UInt32 = 0
  /// The highest QoS that the server takes; a PUBLISH or will above it is `qosNotSupported`.
  public var maximumQoS: QoS = .exactlyOnce
  /// Received messages that wait for their acknowledgement; then `isReceiving` turns false, which
  /// asks the driver to stop reading.
  ///
  /// With QoS 2, those that wait for their PUBREL count too, and one more is the fault
  /// `tooManyUnreleased`. At most 32 768.
  public var maximumInbound: UInt16 = 1_000
  /// Messages sent and not settled; then `reserve` answers nil.
  ///
  /// At most 32 768.
  public var maximumOutbound: UInt16 = 100

  /// Whether `#` and `+` in topic names and filters are letters like others.
  ///
  /// For servers whose topics hold identifiers with these letters, and which compare topics with
  /// what they know instead of matching filters. The standard forbids it [MQTT-3.3.2-2].
  public var wildcardsAreLiteral = false

  /// Creates the defaults, which any client of the standard can live with.
  public init() {}

  /// Milliseconds of silence after which a client is gone, 0 meaning never: one and a half times
  /// its keep alive [MQTT-3.1.2-24], within the server's own bound.
  func silence(_ keepAliveSeconds: UInt16) -> UInt32 {
    let asked = UInt32(keepAliveSeconds) * 1_500
    let (cap, overflow) = maximumSilenceSeconds.multipliedReportingOverflow(by: 1_000)
    guard maximumSilenceSeconds != 0, !overflow else { return asked }
    return asked == 0 ? cap : min(asked, cap)
  }
}

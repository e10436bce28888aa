/// One packet, laid out in place: which of the fourteen it is, and where its fields lie.
///
/// Nothing is copied. Ranges count from the start of the span that was decoded and are only
/// meaningful together with it. Everything that MQTT 3.1.1 says about the form of a packet has been
/// checked when a layout exists; what the packet means at this moment is for the machines.
public enum PacketLayout: BitwiseCopyable, Sendable, Equatable {
  /// A client asks for a connection (§3.1).
  case connect(ConnectLayout)
  /// The server's answer to it (§3.2).
  case connack(sessionPresent: Bool, returnCode: ConnectReturnCode)
  /// A message, either way (§3.3).
  case publish(PublishLayout)
  /// Answer to a QoS 1 PUBLISH, with its packet identifier (§3.4).
  case puback(UInt16)
  /// First answer to a QoS 2 PUBLISH, with its packet identifier (§3.5).
  case pubrec(UInt16)
  /// Answer to PUBREC, with the packet identifier (§3.6).
  case pubrel(UInt16)
  /// Answer to PUBREL, the end of a QoS 2 delivery, with the packet identifier (§3.7).
  case pubcomp(UInt16)
  /// A client asks for messages (§3.8).
  case subscribe(SubscribeLayout)
  /// The server's answer to it (§3.9).
  case suback(SubackLayout)
  /// A client wants them no longer (§3.10).
  case unsubscribe(UnsubscribeLayout)
  /// The server's answer to it, with the packet identifier (§3.11).
  case unsuback(UInt16)
  /// Sign of life of a client (§3.12).
  case pingreq
  /// The server's answer to it (§3.13).
  case pingresp
  /// A client leaves in good order (§3.14).
  case disconnect
}

/// A whole packet at a known place of a span.
public struct Frame: BitwiseCopyable, Sendable, Equatable {
  /// What it is.
  public let layout: PacketLayout
  /// Bytes of the whole packet, fixed header included.
  public let length: Int

  @usableFromInline
  init(layout: PacketLayout, length: Int) {
    self.layout = layout
    self.length = length
  }
}

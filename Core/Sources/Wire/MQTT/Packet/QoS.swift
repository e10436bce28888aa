/// The delivery guarantee of a message (MQTT 3.1.1 §4.3).
///
/// The raw value is the one on the wire.
public enum QoS: UInt8, BitwiseCopyable, Sendable, Comparable {
  /// Sent once and never acknowledged (§4.3.1).
  case atMostOnce = 0
  /// Repeated until a PUBACK arrives (§4.3.2).
  case atLeastOnce = 1
  /// Four packets, so that the receiver takes it over exactly once (§4.3.3).
  case exactlyOnce = 2

  /// Whether `first` promises less than `second`.
  @inlinable
  public static func < (first: QoS, second: QoS) -> Bool { first.rawValue < second.rawValue }
}

/// The server's answer to one entry of a SUBSCRIBE (MQTT 3.1.1 §3.9.3).
///
/// The raw value is the one on the wire; all others are reserved.
public enum SubscribeReturnCode: UInt8, BitwiseCopyable, Sendable {
  /// Granted, at most QoS 0.
  case grantedAtMostOnce = 0x00
  /// Granted, at most QoS 1.
  case grantedAtLeastOnce = 0x01
  /// Granted, at most QoS 2.
  case grantedExactlyOnce = 0x02
  /// Refused; the other entries of the packet are not touched by it.
  case failure = 0x80

  /// The code that grants `qos`.
  public init(granted qos: QoS) {
    switch qos {
    case .atMostOnce: self = .grantedAtMostOnce
    case .atLeastOnce: self = .grantedAtLeastOnce
    case .exactlyOnce: self = .grantedExactlyOnce
    }
  }

  /// The granted maximum, nil for a refusal.
  public var granted: QoS? { QoS(rawValue: rawValue) }
}

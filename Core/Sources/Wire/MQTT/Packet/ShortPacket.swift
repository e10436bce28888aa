public import ByteIO

/// The packets without a payload that the machines themselves want sent.
public enum ShortPacket: BitwiseCopyable, Sendable, Equatable {
  /// Answer to a QoS 1 PUBLISH (§3.4).
  case puback(UInt16)
  /// First answer to a QoS 2 PUBLISH (§3.5).
  case pubrec(UInt16)
  /// Answer to PUBREC (§3.6).
  case pubrel(UInt16)
  /// Answer to PUBREL (§3.7).
  case pubcomp(UInt16)
  /// Sign of life of a client (§3.12).
  case pingreq
  /// Answer to PINGREQ (§3.13).
  case pingresp
  /// A client leaves in good order (§3.14).
  case disconnect

  /// Appends the packet: 4 bytes with an identifier, 2 without.
  @inlinable
  public func encode(to sink: inout some ByteSink) {
    switch self {
    case .puback(let identifier): sink.uint32(0x4002_0000 | UInt32(identifier))
    case .pubrec(let identifier): sink.uint32(0x5002_0000 | UInt32(identifier))
    case .pubrel(let identifier): sink.uint32(0x6202_0000 | UInt32(identifier))
    case .pubcomp(let identifier): sink.uint32(0x7002_0000 | UInt32(identifier))
    case .pingreq: sink.uint16(0xC000)
    case .pingresp: sink.uint16(0xD000)
    case .disconnect: sink.uint16(0xE000)
    }
  }
}

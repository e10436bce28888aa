internal import ByteIO

/// Lays out packets in place (MQTT 3.1.1 §2, §3).
///
/// It keeps no state: the driver owns the bytes, and asks again when there are more.
public enum PacketDecoder {
  /// Lays out the packet that starts at `position` of `bytes`.
  ///
  /// `maximumLength` bounds the whole packet, fixed header included, in bytes; it is judged from the
  /// length field, before the body is here. Returns nil while bytes are missing. Throws the fault
  /// of the packet; what it refuses at the first byte, it refuses when that byte is here. For
  /// `wildcardsAreLiteral` see `ServerLimits`.
  public static func next(
    _ bytes: Span<UInt8>,
    from position: Int = 0,
    maximumLength: Int,
    wildcardsAreLiteral: Bool = false
  ) throws(MQTTFault) -> Frame? {
    try frame(bytes, position, maximumLength, wildcardsAreLiteral)
  }

  /// The same, to be compiled into its callers: a frame is then never written to memory.
  @inline(__always)
  static func frame(
    _ bytes: Span<UInt8>,
    _ position: Int,
    _ maximumLength: Int,
    _ literal: Bool
  ) throws(MQTTFault) -> Frame? {
    guard position >= 0, position < bytes.count else { return nil }
    let first = bytes[position]
    try checkFirstByte(first)

    // The remaining length: seven bits a byte, least significant first, at most four (§2.2.3).
    var remaining = 0
    var headerEnd = position + 1
    var shift = 0
    while true {
      guard headerEnd < bytes.count else { return nil }
      let byte = bytes[headerEnd]
      headerEnd += 1
      remaining |= Int(byte & 0x7F) << shift
      if byte & 0x80 == 0 { break }
      shift += 7
      guard shift < 28 else { throw .invalidRemainingLength }
    }
    let length = headerEnd - position + remaining
    guard length <= maximumLength else {
      throw .packetTooLong(byteCount: length, maximum: maximumLength)
    }
    guard bytes.count - position >= length else { return nil }
    guard UInt32(exactly: position + length) != nil else {
      throw .packetTooLong(byteCount: length, maximum: maximumLength)
    }
    let body = FieldCursor(position: headerEnd, end: position + length)
    return Frame(layout: try layout(first, bytes, body, literal), length: length)
  }

  /// The flags of the fixed header are prescribed for every type but PUBLISH (§2.2.2).
  @inline(__always)
  private static func checkFirstByte(_ first: UInt8) throws(MQTTFault) {
    let flags = first & 0x0F
    switch first >> 4 {
    case 3: return
    case 0, 15: throw .reservedPacketType(first >> 4)
    case 6, 8, 10: guard flags == 2 else { throw .invalidHeaderFlags(flags) }
    default: guard flags == 0 else { throw .invalidHeaderFlags(flags) }
    }
  }

  @inline(__always)
  private static func layout(
    _ first: UInt8,
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> PacketLayout {
    switch first >> 4 {
    case 1: .connect(try connect(bytes, body, literal))
    case 2: try connack(bytes, body)
    case 3: .publish(try publish(first & 0x0F, bytes, body, literal))
    case 4: .puback(try identifierOnly(bytes, body))
    case 5: .pubrec(try identifierOnly(bytes, body))
    case 6: .pubrel(try identifierOnly(bytes, body))
    case 7: .pubcomp(try identifierOnly(bytes, body))
    case 8: .subscribe(try subscribe(bytes, body, literal))
    case 9: .suback(try suback(bytes, body))
    case 10: .unsubscribe(try unsubscribe(bytes, body, literal))
    case 11: .unsuback(try identifierOnly(bytes, body))
    case 12: try empty(.pingreq, body)
    case 13: try empty(.pingresp, body)
    case 14: try empty(.disconnect, body)
    default: throw .reservedPacketType(first >> 4)
    }
  }

  private static func identifierOnly(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor
  ) throws(MQTTFault) -> UInt16 {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    try body.finish()
    return identifier
  }

  private static func empty(
    _ packet: PacketLayout,
    _ body: FieldCursor
  ) throws(MQTTFault) -> PacketLayout {
    try body.finish()
    return packet
  }
}

extension PacketDecoder {
  /// Lays out a PUBLISH, the packet that the speed of a server hangs on.
  @inline(__always)
  private static func publish(
    _ flags: UInt8,
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> PublishLayout {
    var body = body
    guard let qos = QoS(rawValue: flags >> 1 & 3) else { throw .invalidQoS }
    let duplicate = flags & 0x08 != 0
    guard !duplicate || qos != .atMostOnce else { throw .duplicateAtMostOnce }
    let topic = try body.lengthPrefixed(bytes)
    try Topic.checkName(bytes.extracting(topic.range), wildcardsAreLiteral: literal)
    let identifier = qos == .atMostOnce ? 0 : try body.packetIdentifier(bytes)
    return PublishLayout(
      topic: topic,
      payload: body.rest(),
      packetIdentifier: identifier,
      qos: qos,
      duplicate: duplicate,
      retain: flags & 0x01 != 0
    )
  }
}

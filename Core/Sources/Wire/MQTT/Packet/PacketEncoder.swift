public import ByteIO

/// Appends packets to a sink (MQTT 3.1.1 §3).
///
/// Each packet is written once, in order, where it leaves from. What goes in is trusted to be valid
/// text and valid topics, because it is ours; only lengths that the format cannot carry are refused,
/// with `unencodable` and before anything is written.
public enum PacketEncoder {
  /// The largest remaining length (§2.2.3).
  public static let maximumRemainingLength = 268_435_455

  /// Appends a CONNECT (§3.1).
  ///
  /// Throws `unencodable` if a field has more than 65 535 bytes, and `passwordWithoutUserName`.
  @inlinable
  public static func connect(
    _ request: ConnectRequest,
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    guard request.password == nil || request.userName != nil else {
      throw .passwordWithoutUserName
    }
    var count = 10 + 2 + request.clientIdentifier.count
    var longest = request.clientIdentifier.count
    if let will = request.will {
      count += 4 + will.topic.count + will.payload.count
      longest = max(longest, will.topic.count, will.payload.count)
    }
    if let userName = request.userName {
      count += 2 + userName.count
      longest = max(longest, userName.count)
    }
    if let password = request.password {
      count += 2 + password.count
      longest = max(longest, password.count)
    }
    guard longest <= 65_535 else { throw .unencodable }
    header(0x10, remainingLength: count, to: &sink)
    sink.uint32(0x0004_4D51)
    sink.uint32(0x5454_0400 | UInt32(flags(of: request)))
    sink.uint16(request.keepAliveSeconds)
    field(request.clientIdentifier.span, to: &sink)
    if let will = request.will {
      field(will.topic.span, to: &sink)
      field(will.payload.span, to: &sink)
    }
    if let userName = request.userName { field(userName.span, to: &sink) }
    if let password = request.password { field(password.span, to: &sink) }
  }

  /// Appends a CONNACK (§3.2).
  ///
  /// Session Present is never set in a refusal [MQTT-3.2.2-4].
  @inlinable
  public static func connack(
    sessionPresent: Bool,
    returnCode: ConnectReturnCode,
    to sink: inout some ByteSink
  ) {
    let present: UInt32 = sessionPresent && returnCode == .accepted ? 0x100 : 0
    sink.uint32(0x2002_0000 | present | UInt32(returnCode.rawValue))
  }

  /// Appends a PUBACK (§3.4).
  @inlinable
  public static func puback(_ packetIdentifier: UInt16, to sink: inout some ByteSink) {
    ShortPacket.puback(packetIdentifier).encode(to: &sink)
  }

  /// Appends an UNSUBACK (§3.11).
  @inlinable
  public static func unsuback(_ packetIdentifier: UInt16, to sink: inout some ByteSink) {
    sink.uint32(0xB002_0000 | UInt32(packetIdentifier))
  }
}

extension PacketEncoder {
  /// Appends a whole PUBLISH (§3.3).
  ///
  /// `packetIdentifier` is left out with QoS 0, and so is DUP [MQTT-3.3.1-2]. Throws `unencodable`.
  @inlinable
  public static func publish(
    topic: Span<UInt8>,
    payload: Span<UInt8>,
    qos: QoS,
    retain: Bool = false,
    duplicate: Bool = false,
    packetIdentifier: UInt16 = 0,
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    try publishHeader(
      topic: topic,
      payloadByteCount: payload.count,
      qos: qos,
      retain: retain,
      duplicate: duplicate,
      packetIdentifier: packetIdentifier,
      to: &sink
    )
    sink.append(payload)
  }

  /// Appends a PUBLISH up to its payload, of which the caller appends exactly `payloadByteCount`
  /// bytes.
  ///
  /// Throws `unencodable`.
  @inlinable
  public static func publishHeader(
    topic: Span<UInt8>,
    payloadByteCount: Int,
    qos: QoS,
    retain: Bool = false,
    duplicate: Bool = false,
    packetIdentifier: UInt16 = 0,
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    try publishOpening(
      topicByteCount: topic.count,
      payloadByteCount: payloadByteCount,
      qos: qos,
      retain: retain,
      duplicate: duplicate,
      to: &sink
    )
    sink.append(topic)
    if qos != .atMostOnce { sink.uint16(packetIdentifier) }
  }

  /// Appends a PUBLISH up to its topic, for a topic that is composed of parts.
  ///
  /// The caller appends `topicByteCount` bytes of topic, then with QoS 1 and 2 the packet identifier
  /// as two bytes, then `payloadByteCount` bytes. Throws `unencodable`.
  @inlinable
  public static func publishOpening(
    topicByteCount: Int,
    payloadByteCount: Int,
    qos: QoS,
    retain: Bool = false,
    duplicate: Bool = false,
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    guard let topicLength = UInt16(exactly: topicByteCount), payloadByteCount >= 0 else {
      throw .unencodable
    }
    let opening = 2 + topicByteCount + (qos == .atMostOnce ? 0 : 2)
    guard payloadByteCount <= maximumRemainingLength - opening else { throw .unencodable }
    let again: UInt8 = duplicate && qos != .atMostOnce ? 0x08 : 0
    let first = 0x30 | again | qos.rawValue << 1 | (retain ? 0x01 : 0)
    header(first, remainingLength: opening + payloadByteCount, to: &sink)
    sink.uint16(topicLength)
  }
}

extension PacketEncoder {
  /// Appends a SUBSCRIBE (§3.8).
  ///
  /// Throws `noTopicFilter` and `unencodable`.
  @inlinable
  public static func subscribe(
    packetIdentifier: UInt16,
    _ subscriptions: [(filter: [UInt8], qos: QoS)],
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    var count = 2
    for entry in subscriptions { count = try adding(entry.filter.count, 1, to: count) }
    guard !subscriptions.isEmpty else { throw .noTopicFilter }
    header(0x82, remainingLength: count, to: &sink)
    sink.uint16(packetIdentifier)
    for entry in subscriptions {
      field(entry.filter.span, to: &sink)
      sink.uint8(entry.qos.rawValue)
    }
  }

  /// Appends a SUBACK, with one code for each filter of the SUBSCRIBE (§3.9).
  ///
  /// Throws `unencodable`, also without a code.
  @inlinable
  public static func suback(
    packetIdentifier: UInt16,
    _ codes: [SubscribeReturnCode],
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    guard !codes.isEmpty, codes.count <= maximumRemainingLength - 2 else { throw .unencodable }
    header(0x90, remainingLength: 2 + codes.count, to: &sink)
    sink.uint16(packetIdentifier)
    for code in codes { sink.uint8(code.rawValue) }
  }

  /// Appends an UNSUBSCRIBE (§3.10).
  ///
  /// Throws `noTopicFilter` and `unencodable`.
  @inlinable
  public static func unsubscribe(
    packetIdentifier: UInt16,
    _ filters: [[UInt8]],
    to sink: inout some ByteSink
  ) throws(MQTTFault) {
    var count = 2
    for filter in filters { count = try adding(filter.count, 0, to: count) }
    guard !filters.isEmpty else { throw .noTopicFilter }
    header(0xA2, remainingLength: count, to: &sink)
    sink.uint16(packetIdentifier)
    for filter in filters { field(filter.span, to: &sink) }
  }
}

extension PacketEncoder {
  /// Appends the fixed header (§2.2).
  @inlinable
  static func header(_ first: UInt8, remainingLength: Int, to sink: inout some ByteSink) {
    sink.uint8(first)
    var rest = remainingLength
    while rest > 0x7F {
      sink.uint8(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    sink.uint8(UInt8(truncatingIfNeeded: rest))
  }

  /// Appends a field of at most 65 535 bytes behind its length; the caller has checked that.
  @inlinable
  static func field(_ bytes: Span<UInt8>, to sink: inout some ByteSink) {
    sink.uint16(UInt16(truncatingIfNeeded: bytes.count))
    sink.append(bytes)
  }

  @usableFromInline
  static func flags(of request: ConnectRequest) -> UInt8 {
    ConnectFlags(
      cleanSession: request.cleanSession,
      will: request.will,
      hasUserName: request.userName != nil,
      hasPassword: request.password != nil
    ).rawValue
  }

  /// The remaining length with one more length-prefixed field and `extra` bytes.
  @usableFromInline
  static func adding(_ fieldBytes: Int, _ extra: Int, to count: Int) throws(MQTTFault) -> Int {
    let sum = count + 2 + fieldBytes + extra
    guard fieldBytes <= 65_535, sum <= maximumRemainingLength else { throw .unencodable }
    return sum
  }
}

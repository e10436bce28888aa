internal import ByteIO

extension PacketDecoder {
  static func subscribe(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> SubscribeLayout {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    let count = try countFilters(bytes, body, literal, withQoS: true)
    return SubscribeLayout(packetIdentifier: identifier, count: count, entries: body.rest())
  }

  static func unsubscribe(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> UnsubscribeLayout {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    let count = try countFilters(bytes, body, literal, withQoS: false)
    return UnsubscribeLayout(packetIdentifier: identifier, count: count, entries: body.rest())
  }

  static func suback(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor
  ) throws(MQTTFault) -> SubackLayout {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    let codes = body.rest()
    guard codes.count > 0 else { throw .truncatedField }
    for index in codes.range where SubscribeReturnCode(rawValue: bytes[index]) == nil {
      throw .reservedSubscribeReturnCode(bytes[index])
    }
    return SubackLayout(packetIdentifier: identifier, codes: codes)
  }

  /// Checks the topic filters up to the end, each followed by the QoS it asks for if `withQoS`.
  private static func countFilters(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool,
    withQoS: Bool
  ) throws(MQTTFault) -> Int {
    var walk = body
    var count = 0
    while !walk.isAtEnd {
      let filter = try walk.lengthPrefixed(bytes)
      try Topic.checkFilter(bytes.extracting(filter.range), wildcardsAreLiteral: literal)
      if withQoS, try walk.uint8(bytes) > 2 { throw .invalidRequestedQoS }
      count += 1
    }
    guard count > 0 else { throw .noTopicFilter }
    return count
  }
}

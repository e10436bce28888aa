internal import ByteIO

extension PacketDecoder {
  static func subscribe(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> SubscribeLayout {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    var walk = body
    var count = 0
    while !walk.isAtEnd {
      try checkFilter(bytes, &walk, literal)
      let requested = try walk.uint8(bytes)
      guard requested <= 2 else { throw .invalidRequestedQoS }
      count += 1
    }
    guard count > 0 else { throw .noTopicFilter }
    return SubscribeLayout(packetIdentifier: identifier, count: count, entries: body.rest())
  }

  static func unsubscribe(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> UnsubscribeLayout {
    var body = body
    let identifier = try body.packetIdentifier(bytes)
    var walk = body
    var count = 0
    while !walk.isAtEnd {
      try checkFilter(bytes, &walk, literal)
      count += 1
    }
    guard count > 0 else { throw .noTopicFilter }
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

  private static func checkFilter(
    _ bytes: Span<UInt8>,
    _ walk: inout FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) {
    let filter = try walk.lengthPrefixed(bytes)
    try Topic.checkFilter(bytes.extracting(filter.range), wildcardsAreLiteral: literal)
  }
}

internal import ByteIO

extension PacketDecoder {
  /// Lays out a CONNECT; the level is judged before anything that another version lays out
  /// differently (§3.1.2.2).
  static func connect(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor,
    _ literal: Bool
  ) throws(MQTTFault) -> ConnectLayout {
    var body = body
    try checkProtocol(bytes, &body)
    let flags = ConnectFlags(rawValue: try body.uint8(bytes))
    try check(flags)
    let keepAlive = try body.uint16(bytes)
    let clientIdentifier = try body.text(bytes)
    var willTopic = FieldRange.empty
    var willPayload = FieldRange.empty
    if flags.hasWill {
      willTopic = try body.lengthPrefixed(bytes)
      try Topic.checkName(bytes.extracting(willTopic.range), wildcardsAreLiteral: literal)
      willPayload = try body.lengthPrefixed(bytes)
    }
    let userName = flags.hasUserName ? try body.text(bytes) : .empty
    let password = flags.hasPassword ? try body.lengthPrefixed(bytes) : .empty
    try body.finish()
    return ConnectLayout(
      flags: flags,
      keepAliveSeconds: keepAlive,
      clientIdentifierField: clientIdentifier,
      willTopicField: willTopic,
      willPayloadField: willPayload,
      userNameField: userName,
      passwordField: password
    )
  }

  private static func checkProtocol(
    _ bytes: Span<UInt8>,
    _ body: inout FieldCursor
  ) throws(MQTTFault) {
    let name = bytes.extracting(try body.lengthPrefixed(bytes).range)
    let current: [4 of UInt8] = [0x4D, 0x51, 0x54, 0x54]
    let former: [6 of UInt8] = [0x4D, 0x51, 0x49, 0x73, 0x64, 0x70]
    let isCurrent = name.elementsEqual(current.span)
    guard isCurrent || name.elementsEqual(former.span) else { throw .unsupportedProtocolName }
    let level = try body.uint8(bytes)
    guard isCurrent, level == 4 else { throw .unsupportedProtocolLevel(level) }
  }

  private static func check(_ flags: ConnectFlags) throws(MQTTFault) {
    guard !flags.reserved else { throw .reservedConnectFlag }
    if flags.hasWill {
      guard flags.willQoS != nil else { throw .invalidWillQoS }
    } else {
      guard !flags.hasWillSettings else { throw .willFlagsWithoutWill }
    }
    guard flags.hasUserName || !flags.hasPassword else { throw .passwordWithoutUserName }
  }

  static func connack(
    _ bytes: Span<UInt8>,
    _ body: FieldCursor
  ) throws(MQTTFault) -> PacketLayout {
    var body = body
    let flags = try body.uint8(bytes)
    guard flags & 0xFE == 0 else { throw .reservedConnackFlags }
    let raw = try body.uint8(bytes)
    guard let code = ConnectReturnCode(rawValue: raw) else {
      throw .reservedConnectReturnCode(raw)
    }
    guard flags == 0 || code == .accepted else { throw .sessionPresentInRefusal }
    try body.finish()
    return .connack(sessionPresent: flags == 1, returnCode: code)
  }
}

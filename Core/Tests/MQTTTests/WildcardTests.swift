import MQTT
import Testing

@Suite("Wildcards as letters (ServerLimits.wildcardsAreLiteral)")
struct WildcardTests {
  /// PUBLISH QoS 0, topic `a/#`, payload `x`.
  private let publish: [UInt8] = [0x30, 0x06, 0x00, 0x03, 0x61, 0x2F, 0x23, 0x78]
  /// SUBSCRIBE 1, filter `a#b/+c/#`, QoS 0.
  private let subscribe: [UInt8] =
    [0x82, 0x0D, 0x00, 0x01, 0x00, 0x08] + [UInt8]("a#b/+c/#".utf8) + [0x00]

  @Test("the standard refuses them in topic names and inside words of filters")
  func strict() {
    #expect(throws: MQTTFault.wildcardInTopicName) {
      try PacketDecoder.next(publish.span, maximumLength: 100)
    }
    #expect(throws: MQTTFault.invalidTopicFilter) {
      try PacketDecoder.next(subscribe.span, maximumLength: 100)
    }
  }

  @Test("a server that compares topics literally takes them")
  func literal() throws {
    let first = try PacketDecoder.next(
      publish.span,
      maximumLength: 100,
      wildcardsAreLiteral: true
    )
    #expect(first?.length == publish.count)
    let second = try PacketDecoder.next(
      subscribe.span,
      maximumLength: 100,
      wildcardsAreLiteral: true
    )
    #expect(second?.length == subscribe.count)
  }

  @Test("U+0000 stays refused")
  func null() {
    let bytes: [UInt8] = [0x30, 0x05, 0x00, 0x03, 0x61, 0x00, 0x23]
    #expect(throws: MQTTFault.nullCharacter) {
      try PacketDecoder.next(bytes.span, maximumLength: 100, wildcardsAreLiteral: true)
    }
  }
}

import ByteIO
import MQTT
import Testing

@Suite("Malformed packets are refused (MQTT 3.1.1 §2, §3, §4.8)")
struct MalformedPacketTests {
  static let table: [(String, MQTTFault)] = [
    // Fixed header.
    ("00", .reservedPacketType(0)), ("F0 00", .reservedPacketType(15)),
    ("11", .invalidHeaderFlags(1)), ("2F", .invalidHeaderFlags(15)),
    ("41", .invalidHeaderFlags(1)), ("52", .invalidHeaderFlags(2)),
    ("60", .invalidHeaderFlags(0)), ("63", .invalidHeaderFlags(3)),
    ("71", .invalidHeaderFlags(1)), ("80", .invalidHeaderFlags(0)),
    ("91", .invalidHeaderFlags(1)), ("A0", .invalidHeaderFlags(0)),
    ("B8", .invalidHeaderFlags(8)), ("C1", .invalidHeaderFlags(1)),
    ("D4", .invalidHeaderFlags(4)), ("E1", .invalidHeaderFlags(1)),
    ("30 FF FF FF 80", .invalidRemainingLength), ("30 80 80 80 80", .invalidRemainingLength),
    ("30 80 80 40", .packetTooLong(byteCount: 1_048_580, maximum: 1_048_576)),
    ("30 FF FF FF 7F", .packetTooLong(byteCount: 268_435_460, maximum: 1_048_576)),
    // Packets that hold an identifier and nothing else, or nothing.
    ("40 00", .truncatedField), ("40 01 00", .truncatedField), ("62 01 00", .truncatedField),
    ("40 02 0000", .zeroPacketIdentifier), ("50 02 0000", .zeroPacketIdentifier),
    ("62 02 0000", .zeroPacketIdentifier), ("70 02 0000", .zeroPacketIdentifier),
    ("B0 02 0000", .zeroPacketIdentifier),
    ("40 03 0001 00", .trailingBytes), ("C0 01 00", .trailingBytes),
    ("D0 01 00", .trailingBytes), ("E0 01 00", .trailingBytes),
    // CONNECT.
    ("10 00", .truncatedField), ("10 02 0004", .truncatedField),
    ("10 07 0005 4D51545421", .unsupportedProtocolName),
    ("10 06 0004 6D717474", .unsupportedProtocolName),
    ("10 02 0000", .unsupportedProtocolName),
    ("10 07 0004 4D515454 05", .unsupportedProtocolLevel(5)),
    ("10 07 0004 4D515454 03", .unsupportedProtocolLevel(3)),
    ("10 09 0006 4D5149736470 03", .unsupportedProtocolLevel(3)),
    ("10 09 0006 4D5149736470 04", .unsupportedProtocolLevel(4)),
    ("10 06 0004 4D515454", .truncatedField),
    ("10 0C 0004 4D515454 04 03 0000 0000", .reservedConnectFlag),
    ("10 0C 0004 4D515454 04 1C 0000 0000", .invalidWillQoS),
    ("10 0C 0004 4D515454 04 08 0000 0000", .willFlagsWithoutWill),
    ("10 0C 0004 4D515454 04 20 0000 0000", .willFlagsWithoutWill),
    ("10 0C 0004 4D515454 04 42 0000 0000", .passwordWithoutUserName),
    ("10 0C 0004 4D515454 04 02 0000 0001", .truncatedField),
    ("10 0B 0004 4D515454 04 02 0000 00", .truncatedField),
    ("10 0D 0004 4D515454 04 02 0000 0000 00", .trailingBytes),
    ("10 0D 0004 4D515454 04 02 0000 0001 FF", .invalidUTF8),
    ("10 0F 0004 4D515454 04 02 0000 0003 EDA080", .invalidUTF8),
    ("10 0D 0004 4D515454 04 02 0000 0001 00", .nullCharacter),
    ("10 10 0004 4D515454 04 06 0000 0000 0000 0000", .emptyTopic),
    ("10 11 0004 4D515454 04 06 0000 0000 0001 23 0000", .wildcardInTopicName),
    ("10 0F 0004 4D515454 04 06 0000 0000 0001 61", .truncatedField),
    ("10 0C 0004 4D515454 04 82 0000 0000", .truncatedField),
    ("10 0F 0004 4D515454 04 82 0000 0000 0001 80", .invalidUTF8),
    ("10 0E 0004 4D515454 04 C2 0000 0000 0000", .truncatedField),
    // CONNACK.
    ("20 02 02 00", .reservedConnackFlags), ("20 02 00 06", .reservedConnectReturnCode(6)),
    ("20 02 01 05", .sessionPresentInRefusal), ("20 03 00 00 00", .trailingBytes),
    ("20 01 00", .truncatedField),
    // PUBLISH.
    ("36 07 0001 61 0001 0000", .invalidQoS), ("38 03 0001 61", .duplicateAtMostOnce),
    ("30 00", .truncatedField), ("30 02 0001", .truncatedField), ("30 02 0000", .emptyTopic),
    ("32 03 0001 61", .truncatedField), ("32 05 0001 61 0000", .zeroPacketIdentifier),
    ("34 05 0001 61 0000", .zeroPacketIdentifier),
    ("30 03 0001 23", .wildcardInTopicName), ("30 05 0003 612F2B", .wildcardInTopicName),
    ("30 03 0001 00", .nullCharacter), ("30 03 0001 80", .invalidUTF8),
    ("30 0C 000A 6162636465666768 C080", .invalidUTF8),
    ("30 0B 0009 6162636465666768 00", .nullCharacter),
    ("30 0B 0009 6162636465666768 2B", .wildcardInTopicName),
    ("30 0B 0009 2361626364656667 68", .wildcardInTopicName),
    // SUBSCRIBE, SUBACK, UNSUBSCRIBE.
    ("82 02 0001", .noTopicFilter), ("82 00", .truncatedField),
    ("82 06 0000 0001 61 00", .zeroPacketIdentifier),
    ("82 05 0001 0001 61", .truncatedField), ("82 06 0001 0001 61 03", .invalidRequestedQoS),
    ("82 06 0001 0001 61 81", .invalidRequestedQoS), ("82 05 0001 0000 00", .emptyTopic),
    ("82 07 0001 0002 6123 00", .invalidTopicFilter),
    ("82 08 0001 0003 232F61 00", .invalidTopicFilter),
    ("82 06 0001 0001 00 00", .nullCharacter), ("82 06 0001 0001 FE 00", .invalidUTF8),
    ("82 09 0001 0001 61 00 0002 61", .truncatedField),
    ("90 02 0001", .truncatedField), ("90 03 0001 03", .reservedSubscribeReturnCode(3)),
    ("90 04 0001 00 81", .reservedSubscribeReturnCode(0x81)),
    ("90 03 0000 00", .zeroPacketIdentifier),
    ("A2 02 0001", .noTopicFilter), ("A2 05 0000 0001 61", .zeroPacketIdentifier),
    ("A2 04 0001 0000", .emptyTopic), ("A2 06 0001 0002 2B2B", .invalidTopicFilter),
    ("A2 04 0001 0001", .truncatedField),
  ]

  @Test("each with the fault that names the rule")
  func faults() {
    for (bytes, expected) in Self.table {
      #expect(fault(hex(bytes)) == expected, "\(bytes)")
    }
  }

  @Test("too long is known before the body is here, and the limit itself is allowed")
  func length() throws {
    #expect(fault(hex("30 09"), maximumLength: 10) == .packetTooLong(byteCount: 11, maximum: 10))
    #expect(try decode(hex("30 08"), maximumLength: 10) == nil)
    #expect(try decode(hex("30 08 0003 616161 010203"), maximumLength: 10)?.length == 10)
  }

  @Test("no prefix of a good packet and no changed byte of it gets past the span")
  func mutations() {
    for vector in vectors {
      for index in vector.bytes.indices {
        for value in UInt8.min...UInt8.max {
          var bytes = vector.bytes
          bytes[index] = value
          if let frame = try? decode(bytes) { #expect(frame.length <= bytes.count) }
        }
      }
    }
  }

  @Test("what the format cannot carry is not encoded")
  func unencodable() {
    let long = [UInt8](repeating: 0x61, count: 65_536)
    #expect(throws: MQTTFault.unencodable) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.publish(
          topic: long.span,
          payload: [UInt8]().span,
          qos: .atMostOnce,
          to: &w
        )
      }
    }
    #expect(throws: MQTTFault.unencodable) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.publishHeader(
          topic: ascii("a").span,
          payloadByteCount: 268_435_453,
          qos: .atMostOnce,
          to: &w
        )
      }
    }
    #expect(throws: MQTTFault.unencodable) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.subscribe(packetIdentifier: 1, [(long, .atMostOnce)], to: &w)
      }
    }
    #expect(throws: MQTTFault.noTopicFilter) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.subscribe(packetIdentifier: 1, [], to: &w)
      }
    }
    #expect(throws: MQTTFault.noTopicFilter) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.unsubscribe(packetIdentifier: 1, [], to: &w)
      }
    }
    #expect(throws: MQTTFault.unencodable) {
      try written { w throws(MQTTFault) in
        try PacketEncoder.suback(packetIdentifier: 1, [], to: &w)
      }
    }
    var request = ConnectRequest(clientIdentifier: [], cleanSession: true, keepAliveSeconds: 0)
    request.password = []
    #expect(throws: MQTTFault.passwordWithoutUserName) {
      try written { w throws(MQTTFault) in try PacketEncoder.connect(request, to: &w) }
    }
    request = ConnectRequest(clientIdentifier: long, cleanSession: true, keepAliveSeconds: 0)
    #expect(throws: MQTTFault.unencodable) {
      try written { w throws(MQTTFault) in try PacketEncoder.connect(request, to: &w) }
    }
  }
}

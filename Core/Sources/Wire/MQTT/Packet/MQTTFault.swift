/// What a peer did wrong, or which limit it ran into.
///
/// Each case names one rule of MQTT 3.1.1 with its number there. All of them end the network
/// connection [MQTT-4.8.0-1]; only `unsupportedProtocolLevel` is answered before.
public enum MQTTFault: Error, Equatable, Sendable {
  // The fixed header and the fields that all packets share.

  /// Packet type 0 or 15 (§2.2.1).
  case reservedPacketType(UInt8)
  /// Flag bits of the fixed header other than the type prescribes [MQTT-2.2.2-2].
  case invalidHeaderFlags(UInt8)
  /// The fourth byte of the remaining length still asks for another one (§2.2.3).
  case invalidRemainingLength
  /// The whole packet is longer than the receiver allows; known from the length field alone.
  case packetTooLong(byteCount: Int, maximum: Int)
  /// A field reaches past the end of its packet (§2.2.3).
  case truncatedField
  /// Bytes are left behind the last field of a packet (§2.2.3).
  case trailingBytes
  /// A string is not well-formed UTF-8 [MQTT-1.5.3-1].
  case invalidUTF8
  /// A string holds U+0000 [MQTT-1.5.3-2].
  case nullCharacter
  /// A packet identifier of 0 where one is needed [MQTT-2.3.1-1].
  case zeroPacketIdentifier

  // CONNECT and CONNACK.

  /// The protocol name is not `MQTT` [MQTT-3.1.2-1].
  case unsupportedProtocolName
  /// The protocol level is not 4; answer CONNACK 1 [MQTT-3.1.2-2].
  ///
  /// The name of MQTT 3.1, `MQIsdp`, is reported as this too: it is a version and not garbage.
  case unsupportedProtocolLevel(UInt8)
  /// Bit 0 of the CONNECT flags is set [MQTT-3.1.2-3].
  case reservedConnectFlag
  /// Will QoS 3 [MQTT-3.1.2-14].
  case invalidWillQoS
  /// Will QoS or Will Retain without a Will Flag [MQTT-3.1.2-13] [MQTT-3.1.2-15].
  case willFlagsWithoutWill
  /// Password Flag without User Name Flag [MQTT-3.1.2-22].
  case passwordWithoutUserName
  /// Bits 7 to 1 of the CONNACK flags are not 0 (§3.2.2.1).
  case reservedConnackFlags
  /// A CONNACK return code above 5 (§3.2.2.3).
  case reservedConnectReturnCode(UInt8)
  /// Session Present together with a refusal [MQTT-3.2.2-4].
  case sessionPresentInRefusal

  // PUBLISH.

  /// QoS 3 in a PUBLISH [MQTT-3.3.1-4].
  case invalidQoS
  /// DUP set on a QoS 0 PUBLISH [MQTT-3.3.1-2].
  case duplicateAtMostOnce
  /// A topic name or filter without a character [MQTT-4.7.3-1].
  case emptyTopic
  /// `+` or `#` in a topic name [MQTT-3.3.2-2].
  case wildcardInTopicName

  // SUBSCRIBE, SUBACK, UNSUBSCRIBE.

  /// SUBSCRIBE or UNSUBSCRIBE without an entry [MQTT-3.8.3-3] [MQTT-3.10.3-2].
  case noTopicFilter
  /// A requested QoS of 3, or reserved bits beside it [MQTT-3-8.3-4].
  case invalidRequestedQoS
  /// `#` not last, or a wildcard that shares its level [MQTT-4.7.1-2] [MQTT-4.7.1-3].
  case invalidTopicFilter
  /// A SUBACK return code other than 0, 1, 2 and 0x80 [MQTT-3.9.3-2].
  case reservedSubscribeReturnCode(UInt8)

  // The order of packets, judged by the connection machines.

  /// The first packet of a client is not CONNECT [MQTT-3.1.0-1].
  case connectExpected
  /// A second CONNECT on one connection [MQTT-3.1.0-2].
  case secondConnect
  /// The first packet of a server is not CONNACK [MQTT-3.2.0-1].
  case connackExpected
  /// A packet that only the other role sends, or one out of place (§2.2.1).
  case unexpectedPacket
  /// Session Present in answer to a clean session [MQTT-3.2.2-1].
  case sessionPresentAfterCleanSession
  /// A PUBACK, PUBREC, PUBCOMP, SUBACK or UNSUBACK for something sent in another way (§4.3).
  case acknowledgementMismatch
  /// A SUBACK whose number of return codes is not that of the filters [MQTT-3.8.4-5].
  case subscribeCountMismatch
  /// A QoS above what the receiver was set up to take.
  case qosNotSupported
  /// More QoS 2 messages begun and not released than the receiver keeps.
  case tooManyUnreleased

  // Our own packets.

  /// A packet to be sent has a remaining length above 268 435 455 or a string above 65 535 bytes.
  case unencodable
}

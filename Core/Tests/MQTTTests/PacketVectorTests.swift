import ByteIO
import MQTT
import Testing

/// One packet: its bytes, and how to say it to the encoder.
struct Vector: CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  let encode: @Sendable (inout ByteWriter) throws(MQTTFault) -> Void

  init(
    _ name: String,
    _ bytes: String,
    _ encode: @escaping @Sendable (inout ByteWriter) throws(MQTTFault) -> Void
  ) {
    self.name = name
    self.bytes = hex(bytes)
    self.encode = encode
  }

  var testDescription: String { name }
}

let vectors: [Vector] = [
  Vector("CONNECT", "10 0E 0004 4D515454 04 02 003C 0002 6431") { w throws(MQTTFault) in
    let request = ConnectRequest(
      clientIdentifier: ascii("d1"),
      cleanSession: true,
      keepAliveSeconds: 60
    )
    try PacketEncoder.connect(request, to: &w)
  },
  Vector(
    "CONNECT with everything",
    "10 20 0004 4D515454 04 EC 0000 0002 6431 0003 612F62 0002 00FF 0001 75 0004 00010203"
  ) { w throws(MQTTFault) in
    let request = ConnectRequest(
      clientIdentifier: ascii("d1"),
      cleanSession: false,
      keepAliveSeconds: 0,
      will: Will(topic: ascii("a/b"), payload: [0, 255], qos: .atLeastOnce, retain: true),
      userName: ascii("u"),
      password: [0, 1, 2, 3]
    )
    try PacketEncoder.connect(request, to: &w)
  },
  Vector("CONNACK", "20 02 01 00") { w in
    PacketEncoder.connack(sessionPresent: true, returnCode: .accepted, to: &w)
  },
  Vector("CONNACK refused", "20 02 00 05") { w in
    PacketEncoder.connack(sessionPresent: true, returnCode: .notAuthorized, to: &w)
  },
  Vector("PUBLISH QoS 0 without payload", "30 05 0003 612F62") { w throws(MQTTFault) in
    try PacketEncoder.publish(
      topic: ascii("a/b").span,
      payload: [UInt8]().span,
      qos: .atMostOnce,
      duplicate: true,
      packetIdentifier: 7,
      to: &w
    )
  },
  Vector("PUBLISH QoS 1, retained", "33 09 0003 612F62 000A 6869") { w throws(MQTTFault) in
    try PacketEncoder.publish(
      topic: ascii("a/b").span,
      payload: ascii("hi").span,
      qos: .atLeastOnce,
      retain: true,
      packetIdentifier: 10,
      to: &w
    )
  },
  Vector("PUBLISH QoS 2, again", "3C 08 0003 612F62 FFFF 68") { w throws(MQTTFault) in
    try PacketEncoder.publish(
      topic: ascii("a/b").span,
      payload: ascii("h").span,
      qos: .exactlyOnce,
      duplicate: true,
      packetIdentifier: 65_535,
      to: &w
    )
  },
  Vector("PUBACK", "40 02 1234") { w in PacketEncoder.puback(0x1234, to: &w) },
  Vector("PUBREC", "50 02 1234") { w in ShortPacket.pubrec(0x1234).encode(to: &w) },
  Vector("PUBREL", "62 02 1234") { w in ShortPacket.pubrel(0x1234).encode(to: &w) },
  Vector("PUBCOMP", "70 02 1234") { w in ShortPacket.pubcomp(0x1234).encode(to: &w) },
  Vector("SUBSCRIBE", "82 0F 0001 0003 612F62 01 0004 632F642F 02") { w throws(MQTTFault) in
    try PacketEncoder.subscribe(
      packetIdentifier: 1,
      [(ascii("a/b"), .atLeastOnce), (ascii("c/d/"), .exactlyOnce)],
      to: &w
    )
  },
  Vector("SUBACK", "90 06 0001 00010280") { w throws(MQTTFault) in
    try PacketEncoder.suback(
      packetIdentifier: 1,
      [.grantedAtMostOnce, .grantedAtLeastOnce, .grantedExactlyOnce, .failure],
      to: &w
    )
  },
  Vector("UNSUBSCRIBE", "A2 0B 0002 0003 612F23 0002 2B2F") { w throws(MQTTFault) in
    try PacketEncoder.unsubscribe(packetIdentifier: 2, [ascii("a/#"), ascii("+/")], to: &w)
  },
  Vector("UNSUBACK", "B0 02 0002") { w in PacketEncoder.unsuback(2, to: &w) },
  Vector("PINGREQ", "C0 00") { w in ShortPacket.pingreq.encode(to: &w) },
  Vector("PINGRESP", "D0 00") { w in ShortPacket.pingresp.encode(to: &w) },
  Vector("DISCONNECT", "E0 00") { w in ShortPacket.disconnect.encode(to: &w) },
]

@Suite("Control packets, both ways (MQTT 3.1.1 §3)")
struct PacketVectorTests {
  @Test("what is encoded is the vector", arguments: vectors)
  func encodes(_ vector: Vector) throws {
    #expect(try written(vector.encode) == vector.bytes)
  }

  @Test(
    "any part of a packet is incomplete, the whole is taken whatever follows",
    arguments: vectors
  )
  func needsAllBytes(_ vector: Vector) throws {
    for count in 0..<vector.bytes.count {
      #expect(try decode(Array(vector.bytes[..<count])) == nil)
    }
    #expect(try decode(vector.bytes + [0xFF])?.length == vector.bytes.count)
  }

  @Test("a packet in the middle of a span is laid out there", arguments: vectors)
  func laysOutAnywhere(_ vector: Vector) throws {
    let shifted = [0xFF, 0xFF, 0xFF] + vector.bytes
    let frame = try PacketDecoder.next(shifted.span, from: 3, maximumLength: 100)
    #expect(frame?.length == vector.bytes.count)
  }

  @Test("CONNECT: every field")
  func connect() throws {
    let bytes = vectors[1].bytes
    guard case .connect(let layout) = try decode(bytes)?.layout else {
      Issue.record("not a CONNECT")
      return
    }
    let request = ConnectRequest(layout, in: bytes.span)
    #expect(request.clientIdentifier == ascii("d1"))
    #expect(!request.cleanSession)
    #expect(request.keepAliveSeconds == 0)
    #expect(request.userName == ascii("u"))
    #expect(request.password == [0, 1, 2, 3])
    let will = Will(topic: ascii("a/b"), payload: [0, 255], qos: .atLeastOnce, retain: true)
    #expect(request.will == will)
  }

  @Test("CONNECT: nothing but the client identifier")
  func plainConnect() throws {
    let bytes = vectors[0].bytes
    guard case .connect(let layout) = try decode(bytes)?.layout else {
      Issue.record("not a CONNECT")
      return
    }
    let request = ConnectRequest(layout, in: bytes.span)
    let expected = ConnectRequest(
      clientIdentifier: ascii("d1"),
      cleanSession: true,
      keepAliveSeconds: 60
    )
    #expect(request == expected)
  }

  @Test("PUBLISH: every field")
  func publish() throws {
    let bytes = hex("3D 09 0003 612F62 000A 6869")
    guard case .publish(let layout) = try decode(bytes)?.layout else {
      Issue.record("not a PUBLISH")
      return
    }
    #expect(bytes.text(layout.topic) == "a/b")
    #expect(bytes.text(layout.payload) == "hi")
    #expect(layout.packetIdentifier == 10)
    #expect(layout.qos == .exactlyOnce)
    #expect(layout.duplicate)
    #expect(layout.retain)
  }

  @Test("PUBLISH QoS 0 has no packet identifier")
  func publishAtMostOnce() throws {
    let bytes = hex("30 07 0003 612F62 000A")
    guard case .publish(let layout) = try decode(bytes)?.layout else {
      Issue.record("not a PUBLISH")
      return
    }
    #expect(layout.packetIdentifier == 0)
    #expect(Array(bytes[layout.payload]) == [0, 10])
  }

  @Test("SUBSCRIBE, UNSUBSCRIBE and SUBACK: every entry")
  func entries() throws {
    let subscribe = hex("82 0F 0001 0003 612F62 01 0004 632F642F 02")
    guard case .subscribe(let layout) = try decode(subscribe)?.layout else {
      Issue.record("not a SUBSCRIBE")
      return
    }
    let list = layout.entries(in: subscribe.span)
    #expect(layout.packetIdentifier == 1)
    #expect(layout.count == 2)
    #expect(list.map { subscribe.text($0.filter) } == ["a/b", "c/d/"])
    #expect(list.map(\.requested) == [.atLeastOnce, .exactlyOnce])

    let unsubscribe = hex("A2 0B 0002 0003 612F23 0002 2B2F")
    guard case .unsubscribe(let other) = try decode(unsubscribe)?.layout else {
      Issue.record("not an UNSUBSCRIBE")
      return
    }
    #expect(other.packetIdentifier == 2)
    #expect(other.filters(in: unsubscribe.span).map { unsubscribe.text($0) } == ["a/#", "+/"])

    let suback = hex("90 06 0001 00010280")
    guard case .suback(let codes) = try decode(suback)?.layout else {
      Issue.record("not a SUBACK")
      return
    }
    #expect(codes.packetIdentifier == 1)
    #expect(
      codes.returnCodes(in: suback.span) == [
        .grantedAtMostOnce, .grantedAtLeastOnce, .grantedExactlyOnce, .failure,
      ]
    )
    #expect(codes.returnCodes(in: suback.span).map(\.granted)[3] == nil)
  }

  @Test("the packets of two and four bytes")
  func shortPackets() throws {
    let table: [(String, PacketLayout)] = [
      ("20 02 01 00", .connack(sessionPresent: true, returnCode: .accepted)),
      ("20 02 00 03", .connack(sessionPresent: false, returnCode: .serverUnavailable)),
      ("40 02 1234", .puback(0x1234)), ("50 02 0001", .pubrec(1)), ("62 02 FFFF", .pubrel(65_535)),
      ("70 02 0100", .pubcomp(256)), ("B0 02 0002", .unsuback(2)), ("C0 00", .pingreq),
      ("D0 00", .pingresp), ("E0 00", .disconnect),
    ]
    for (bytes, layout) in table {
      let frame = try decode(hex(bytes))
      #expect(frame?.layout == layout)
      #expect(frame?.length == hex(bytes).count)
    }
  }
}

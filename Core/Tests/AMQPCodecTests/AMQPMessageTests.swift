import AMQPCodec
import ByteIO
import Testing

private func message(_ hex: String) throws(AMQPFault) -> AMQPMessage {
  let encoded = bytes(hex)
  return try AMQPMessage(encoded.span)
}

@Suite("Messages (AMQP 1.0 part 3 §3.2)")
struct AMQPMessageTests {
  @Test("all sections come back as they went")
  func roundTrip() throws {
    var sent = AMQPMessage(body: .data([[1, 2, 3]]))
    sent.header = [.boolean(true), .null, .uint(5_000)]
    sent.deliveryAnnotations = ["last": .long(7)]
    sent.messageAnnotations = ["x-opt-offset": .string("12"), "x-opt-sequence-number": .long(3)]
    sent.properties.messageID = .ulong(0)
    sent.properties.userID = [9]
    sent.properties.to = "/devices/d1"
    sent.properties.replyTo = "back"
    sent.properties.correlationID = .uuid(Array(0..<16))
    sent.properties.contentType = "application/json"
    sent.properties.contentEncoding = "utf-8"
    sent.properties.absoluteExpiryTime = 1
    sent.properties.creationTime = 2
    sent.properties.group = [.string("g"), .uint(1), .null]
    sent.applicationProperties = AMQPMap(strings: [("a", .string("ä")), ("n", .null)])
    let encoded = sent.encoded
    #expect(try AMQPMessage(encoded.span) == sent)
  }

  @Test("a value and sequences are bodies too")
  func bodies() throws {
    for body: AMQPMessage.Body in [
      .value(.map(["a": .int(1)])), .value(.string("token")), .sequences([[.int(1)], []]),
      .data([[1], [2]]),
    ] {
      let encoded = AMQPMessage(body: body).encoded
      #expect(try AMQPMessage(encoded.span).body == body)
    }
  }

  @Test("the payload is the data sections, or the bytes of a value")
  func payload() {
    #expect(AMQPMessage(body: .data([[1], [2]])).payload == [1, 2])
    #expect(AMQPMessage(body: .data([])).payload == [])
    #expect(AMQPMessage(body: .value(.string("a"))).payload == [0x61])
    #expect(AMQPMessage(body: .value(.null)).payload == [])
    #expect(AMQPMessage(body: .value(.int(1))).payload == nil)
    #expect(AMQPMessage(body: .sequences([[]])).payload == nil)
  }

  @Test("a message without a body is written with an empty data section")
  func emptyBody() { #expect(Hex.encode(AMQPMessage().encoded) == "005375a000") }

  @Test("identifiers have a text whatever their type")
  func identifiers() {
    var properties = MessageProperties()
    #expect(properties.messageIDText == nil)
    for (value, text): (AMQPValue, String) in [
      (.string("a"), "a"), (.ulong(18), "18"), (.binary([0x62]), "b"),
      (.uuid(Array(0..<16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    ] {
      properties.messageID = value
      #expect(properties.messageIDText == text)
    }
  }

  @Test("section descriptors may be wide numbers or symbols")
  func descriptors() throws {
    #expect(try message("00 80 0000000000000075 a0 01 07").body == .data([[7]]))
    #expect(try message("00 a3 10 616d71703a646174613a62696e617279 a0 01 07").body == .data([[7]]))
  }

  static let refusals: [(String, AMQPFault)] = [
    ("40", .unexpectedType), ("00 53 79 40", .unexpectedSection),
    ("00 53 6f 40", .unexpectedSection), ("00 53 75 a1 00", .unexpectedType),
    // properties before annotations; twice; two kinds of bodies; two values
    ("00 53 73 45 00 53 72 d1 00000004 00000000", .unexpectedSection),
    ("00 53 73 45 00 53 73 45", .unexpectedSection),
    ("00 53 75 a0 00 00 53 77 40", .unexpectedSection),
    ("00 53 77 40 00 53 77 40", .unexpectedSection),
    ("00 53 73 c0 03 01 52 01", .unexpectedType), ("00 53 72 45", .unexpectedType),
    ("00 53 75 b0 00000010 00", .truncated), ("00 53 76 40", .unexpectedType),
  ]

  @Test("what is no message is refused", arguments: refusals.indices)
  func refuses(index: Int) {
    let (hex, fault) = Self.refusals[index]
    #expect(throws: fault) { try message(hex) }
  }

  @Test("a cut anywhere is refused or reads as what came before the section")
  func cuts() throws {
    var whole = AMQPMessage(body: .data([Array(0..<40)]))
    whole.messageAnnotations = ["a": .long(1 << 40)]
    whole.properties.to = "/devices/d1/messages/events"
    whole.applicationProperties = AMQPMap(strings: [("k", .string("v"))])
    let encoded = whole.encoded
    for count in encoded.indices {
      let cut = Array(encoded[..<count])
      guard let read = try? AMQPMessage(cut.span) else { continue }
      #expect(read.body == .data([]), "\(count)")
    }
  }
}

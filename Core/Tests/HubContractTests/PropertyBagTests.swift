import ByteIO
import HubContract
import Testing

@Suite("Property bag (contract §3.4)")
struct PropertyBagTests {
  private static func decode(_ text: String) -> [MessageProperty] {
    let bytes = [UInt8](text.utf8)
    return PropertyBag(bytes.span).properties()
  }

  static let bags: [(String, [MessageProperty])] = [
    ("", []), ("?", []), ("/", []), ("?/", []), ("&", []), ("&&", []),
    ("a=b", [.init("a", "b")]), ("?a=b", [.init("a", "b")]), ("a=b/", [.init("a", "b")]),
    ("a", [.init("a", nil)]), ("a=", [.init("a", "")]),
    ("a&b=&c=d", [.init("a", nil), .init("b", ""), .init("c", "d")]),
    ("a=b&&c=d&", [.init("a", "b"), .init("c", "d")]),
    ("a=b=c", [.init("a", "b=c")]), ("=b", [.init("", "b")]), ("=", [.init("", "")]),
    ("a=1+1", [.init("a", "1+1")]), ("a=1%2B1", [.init("a", "1+1")]),
    ("a=x%20y%2Fz", [.init("a", "x y/z")]), ("a=x/y", [.init("a", "x/y")]),
    ("%C3%BC=%c3%bc", [.init("ü", "ü")]), ("ü=ü", [.init("ü", "ü")]),
    ("a=%", [.init("a", "%")]), ("a=%2", [.init("a", "%2")]), ("a=%GG", [.init("a", "%GG")]),
    ("a=%%41", [.init("a", "%A")]), ("a=%2525", [.init("a", "%25")]),
    ("a=%FF", [.init("a", "\u{FFFD}")]), ("a=%00", [.init("a", "\0")]),
    // Names that only differ in broken UTF-8 are one name once decoded.
    ("%9E=1&%FF=2", [.init("\u{FFFD}", "2")]),
    ("a=1&b=2&a=3", [.init("a", "3"), .init("b", "2")]), ("a=1&a", [.init("a", nil)]),
    ("%61=1&a=2", [.init("a", "2")]), ("a%26b=c%3Dd", [.init("a&b", "c=d")]),
    ("?a=?", [.init("a", "?")]), ("a=b//", [.init("a", "b/")]),
  ]

  @Test("any bytes are a bag", arguments: bags)
  func decoding(text: String, expected: [MessageProperty]) {
    #expect(Self.decode(text) == expected)
  }

  @Test("every system property is known by its key, escaped or not")
  func systemProperties() {
    #expect(SystemProperty.allCases.count == 17)
    for property in SystemProperty.allCases {
      let plain = [UInt8](property.rawValue.utf8)
      let escapedDollar = [UInt8]("%24".utf8) + plain.dropFirst()
      let all = plain.flatMap { [UInt8]("%\(Hex.encode([$0]))".utf8) }
      for key in [plain, escapedDollar, all] {
        #expect(SystemProperty(encodedKey: key.span) == property)
      }
      for key in [plain + [0x78], Array(plain.dropFirst()), plain.map { $0 & 0xDF | $0 & 0x80 }] {
        #expect(SystemProperty(encodedKey: key.span) == nil, "\(property)")
      }
    }
    for key in [
      "", "$", "$.", "%24", "$mid", "$.Mid", "$.midmidmid", "iothub-ack", "\0.mid", "$.\0mid",
    ] {
      let bytes = [UInt8](key.utf8)
      #expect(SystemProperty(encodedKey: bytes.span) == nil, "\(key)")
    }
  }

  @Test("a system property is found, the last one if there are two")
  func value() {
    let bytes = [UInt8]("a=b&%24.mid=1&%24.ct=application%2Fjson&$.mid=2&%24.ce".utf8)
    let bag = PropertyBag(bytes.span)
    #expect(bag.value(of: .messageID) == "2")
    #expect(bag.value(of: .contentType) == "application/json")
    #expect(bag.value(of: .contentEncoding) == nil)
    #expect(bag.value(of: .userID) == nil)
  }

  @Test("names count for application properties only, and everything counts decoded")
  func counting() {
    func counted(_ text: String) -> Int {
      let bytes = [UInt8](text.utf8)
      return PropertyBag(bytes.span).countedBytes
    }
    #expect(counted("") == 0)
    #expect(counted("abc=de") == 5)
    #expect(counted("%24.mid=12345") == 5)
    #expect(counted("$.unknown=1") == 10)
    #expect(counted("a%20b=%C3%BC") == 5)
    #expect(counted("a") == 1)
  }

  @Test("a message is refused one byte above the limit")
  func sizeLimit() {
    let bytes = [UInt8]("a%20=%20&%24.mid=12".utf8)
    let bag = PropertyBag(bytes.span)
    #expect(bag.countedBytes == 5)
    #expect(throws: Never.self) { try Self.check("a%20=%20&%24.mid=12", 95, 100) }
    #expect(throws: PropertyFault.messageTooLarge(101)) {
      try Self.check("a%20=%20&%24.mid=12", 96, 100)
    }
    #expect(throws: PropertyFault.messageTooLarge(.max)) { try Self.check("ab", .max, 100) }
    #expect(throws: PropertyFault.messageTooLarge(101)) { try Self.check("", 101, 100) }
    #expect(throws: Never.self) { try Self.check("", 100, 100) }
  }

  @Test("a message ID has at most 128 bytes")
  func messageIDLimit() {
    let longest = String(repeating: "%41", count: 128)
    #expect(throws: Never.self) { try Self.check("$.mid=\(longest)", 0, 1000) }
    #expect(throws: PropertyFault.messageIDTooLong(129)) {
      try Self.check("a=b&%24.mid=\(longest)A", 0, 1000)
    }
    #expect(throws: Never.self) { try Self.check("$.cid=\(longest)A", 0, 1000) }
  }

  private static func check(_ text: String, _ bodyBytes: Int, _ limit: Int) throws(PropertyFault) {
    let bytes = [UInt8](text.utf8)
    try PropertyBag(bytes.span).check(bodyBytes: bodyBytes, limit: limit)
  }

  @Test("a cloud-to-device bag begins with $.to and has no raw slash (contract §3.5)")
  func devicebound() {
    let bag = PropertyBagWriter.devicebound(
      deviceID: "d#1",
      system: [(.messageID, "m/1"), (.to, "ignored"), (.contentType, nil), (.correlationID, "")],
      acknowledgement: .full,
      application: [.init("a/b", "ü +"), .init("null", nil), .init("", "x"), .init("e", "")]
    )
    #expect(
      String(decoding: bag, as: UTF8.self)
        == "$.to=%2Fdevices%2Fd%231%2Fmessages%2FdeviceBound&$.mid=m%2F1&$.cid=&iothub-ack=full"
        + "&a%2Fb=%C3%BC%20%2B&null&=x&e="
    )
    #expect(PropertyBag(bag.span).value(of: .to) == "/devices/d#1/messages/deviceBound")
  }

  @Test("what is written is read back, whatever the names and values")
  func roundTrip() {
    var generator = SeededGenerator(seed: 3)
    let alphabet = Array("ab$.%&=+/? ü€\u{1F600}\0\"#")
    for round in 0..<2000 {
      var properties: [MessageProperty] = []
      var writer = PropertyBagWriter()
      for index in 0..<Int.random(in: 0..<5, using: &generator) {
        var text = ""
        for _ in 0..<Int.random(in: 0..<6, using: &generator) {
          text.append(alphabet.randomElement(using: &generator) ?? "x")
        }
        let property = MessageProperty("\(index)\(text)", index == 2 ? nil : text)
        properties.append(property)
        writer.append(property)
      }
      let bytes = writer.bytes
      #expect(PropertyBag(bytes.span).properties() == properties, "round \(round)")
      #expect(!bytes.contains(UInt8(ascii: "/")), "round \(round)")
    }
  }

  @Test("pairs of any bytes, by the plain reading of the rule")
  func pairs() {
    var generator = SeededGenerator(seed: 4)
    let alphabet = Array("&&==%%ab\u{0}\u{7F}'$<>/?".utf8) + [0xA6, 0xBD, 0xA5, 0xFF]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      var rest = bytes[...]
      if rest.first == UInt8(ascii: "?") { rest.removeFirst() }
      if rest.last == UInt8(ascii: "/") { rest.removeLast() }
      let expected = rest.split(separator: UInt8(ascii: "&")).map { pair in
        let equals = pair.firstIndex(of: UInt8(ascii: "="))
        return [
          pair.startIndex, equals ?? pair.endIndex, pair.endIndex,
          pair.contains(UInt8(ascii: "%")) ? 1 : 0, equals == nil ? 0 : 1,
        ]
      }
      var found: [[Int]] = []
      var iterator = PropertyBag(bytes.span).makeIterator()
      while let entry = iterator.next() {
        found.append([
          entry.key.lowerBound, entry.key.upperBound,
          entry.value?.upperBound ?? entry.key.upperBound,
          entry.isEscaped ? 1 : 0, entry.value == nil ? 0 : 1,
        ])
        if let value = entry.value { #expect(value.lowerBound == entry.key.upperBound + 1) }
      }
      #expect(found == expected, "\(bytes)")
    }
  }
}

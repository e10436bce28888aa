import JSONTree
import Testing

@Suite("JSON texts (RFC 8259)")
struct JSONParserTests {
  @Test("well-formed texts give the value they spell")
  func wellFormed() throws {
    let rows: [(String, JSONValue)] = [
      ("null", .null), (" true ", true), ("false", false), ("0", 0), ("-0", number("-0")),
      ("12", 12), ("-9223372036854775808", .int(.min)), ("1.0", number("1.0")),
      ("1E+2", number("1E+2")), ("0.5e-7", number("0.5e-7")), ("\"\"", ""), ("\"a\"", "a"),
      (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u20AC""#, "é€"),
      (#""\ud83d\ude00!""#, "😀!"), (#""\uD834\uDD1E""#, "\u{1D11E}"), (#""\u0000""#, "\u{0}"),
      ("\"é€😀\"", "é€😀"), ("\"\u{7F}\u{2028}\"", "\u{7F}\u{2028}"), ("[]", []), ("[ ]", []),
      ("[1,[2],\"3\"]", [1, [2], "3"]), ("{}", [:]), ("{ }", [:]),
      ("\t\r\n{\"a\" : 1 , \"b\":[null]}\n", ["a": 1, "b": [nil]]),
      ("{\"\":{\"\":0}}", ["": ["": 0]]),
    ]
    for (text, expected) in rows {
      #expect(try JSON.parse(text) == expected, "\(text)")
    }
  }

  @Test("malformed texts are refused with the rule and the place")
  func malformed() {
    let rows: [(String, JSONFault)] = [
      ("", .unexpectedEnd(offset: 0)), ("  ", .unexpectedEnd(offset: 2)),
      ("\u{FEFF}1", .byteOrderMark(offset: 0)), ("nul", .unexpectedEnd(offset: 3)),
      ("nulx", .unexpectedByte(offset: 3)), ("True", .unexpectedByte(offset: 0)),
      ("NaN", .unexpectedByte(offset: 0)), ("Infinity", .unexpectedByte(offset: 0)),
      ("-Infinity", .malformedNumber(offset: 1)), ("+1", .unexpectedByte(offset: 0)),
      (".5", .unexpectedByte(offset: 0)), ("01", .malformedNumber(offset: 1)),
      ("-01", .malformedNumber(offset: 2)), ("-", .unexpectedEnd(offset: 1)),
      ("1.", .unexpectedEnd(offset: 2)), ("1.x", .malformedNumber(offset: 2)),
      ("1e", .unexpectedEnd(offset: 2)), ("1e+]", .malformedNumber(offset: 3)),
      ("0x10", .trailingBytes(offset: 1)), ("1 2", .trailingBytes(offset: 2)),
      ("[1]]", .trailingBytes(offset: 3)), ("{} //", .trailingBytes(offset: 3)),
      ("[", .unexpectedEnd(offset: 1)), ("[1", .unexpectedEnd(offset: 2)),
      ("[1,", .unexpectedEnd(offset: 3)), ("[1,]", .unexpectedByte(offset: 3)),
      ("[,1]", .unexpectedByte(offset: 1)), ("[1 2]", .unexpectedByte(offset: 3)),
      ("[1}", .unexpectedByte(offset: 2)), ("{", .unexpectedEnd(offset: 1)),
      ("{\"a\"", .unexpectedEnd(offset: 4)), ("{\"a\":", .unexpectedEnd(offset: 5)),
      ("{\"a\":1", .unexpectedEnd(offset: 6)), ("{\"a\":1,}", .unexpectedByte(offset: 7)),
      ("{\"a\" 1}", .unexpectedByte(offset: 5)), ("{a:1}", .unexpectedByte(offset: 1)),
      ("{'a':1}", .unexpectedByte(offset: 1)), ("{1:1}", .unexpectedByte(offset: 1)),
      ("{,}", .unexpectedByte(offset: 1)), ("\"a", .unexpectedEnd(offset: 2)),
      ("\"\\", .unexpectedEnd(offset: 2)), ("\"\\u12", .unexpectedEnd(offset: 5)),
      ("\"\\x\"", .malformedEscape(offset: 1)), ("\"\\u12G4\"", .malformedEscape(offset: 1)),
      ("\"a\nb\"", .controlCharacter(offset: 2)), ("\"\\n\t\"", .controlCharacter(offset: 3)),
      ("\"\\ud800\"", .loneSurrogate(offset: 1)), ("\"\\udc00\"", .loneSurrogate(offset: 1)),
      ("\"\\ud800\\u0041\"", .loneSurrogate(offset: 1)),
      ("\"a\\ud800\\ud800\"", .loneSurrogate(offset: 2)),
      ("\"\\ud800x\"", .loneSurrogate(offset: 1)), ("// c\n1", .unexpectedByte(offset: 0)),
      ("\u{A0}1", .unexpectedByte(offset: 0)), ("\u{0}", .unexpectedByte(offset: 0)),
    ]
    for (text, fault) in rows {
      #expect(throws: fault, "\(text)") { try JSON.parse(text) }
    }
  }

  @Test(
    "strings that are not UTF-8 are refused",
    arguments: [
      [0x80], [0xC0, 0xAF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
      [0x5C, 0x6E, 0xC3],
    ] as [[UInt8]]
  )
  func malformedUTF8(_ content: [UInt8]) {
    #expect(throws: JSONFault.malformedUTF8(offset: 2)) {
      try JSON.parse([0x5B, 0x22] + content + [0x22, 0x5D])
    }
  }

  @Test("an escape between two halves of a character does not join them")
  func splitCharacter() {
    #expect(throws: JSONFault.malformedUTF8(offset: 1)) {
      try JSON.parse([0x22, 0xC3, 0x5C, 0x6E, 0xA9, 0x22])
    }
  }

  @Test("limits hold exactly")
  func limits() throws {
    let limits = JSONLimits(maxBytes: 12, maxDepth: 2, maxNodes: 4)
    #expect(try JSON.parse("[[1],{  } ]", limits: limits) == [[1], [:]])
    #expect(throws: JSONFault.tooDeep(offset: 2)) { try JSON.parse("[[[1]]]", limits: limits) }
    #expect(throws: JSONFault.tooDeep(offset: 2)) { try JSON.parse("[[{}]]", limits: limits) }
    #expect(throws: JSONFault.tooManyNodes(offset: 7)) {
      try JSON.parse("[1,2,3,4]", limits: limits)
    }
    #expect(try JSON.parse("[1,2,3     ]", limits: limits) == [1, 2, 3])
    #expect(throws: JSONFault.tooManyBytes(offset: 12)) {
      try JSON.parse("[1,2,3      ]", limits: limits)
    }
  }

  @Test("a million brackets end at the depth limit, whatever limit is asked for")
  func nestingBomb() throws {
    let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
    #expect(throws: JSONFault.tooDeep(offset: 64)) { try JSON.parse(bomb) }
    #expect(throws: JSONFault.tooDeep(offset: 512)) {
      try JSON.parse(bomb, limits: JSONLimits(maxDepth: .max))
    }
    let deepest = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    let value = try JSON.parse(deepest, limits: JSONLimits(maxDepth: 512))
    #expect(JSON.text(value) == deepest)
    #expect(try value == JSON.parse(deepest, limits: JSONLimits(maxDepth: 512)))
  }

  @Test("an object of 100,000 keys is read, looked up and compared in linear time")
  func keyBomb() throws {
    let text = "{" + (0..<100_000).map { "\"key\($0)\":\($0)" }.joined(separator: ",") + "}"
    let clock = ContinuousClock()
    let started = clock.now
    let value = try JSON.parse(text)
    #expect(try value == JSON.parse(text))
    #expect(value["key99999"] == 99_999)
    // A quadratic reader needs minutes; the bound leaves room for a busy machine.
    #expect(clock.now - started < .seconds(20))
  }

  private func number(_ text: String) -> JSONValue {
    JSONNumber(text: text).map { .number($0) } ?? .string("no number: \(text)")
  }
}

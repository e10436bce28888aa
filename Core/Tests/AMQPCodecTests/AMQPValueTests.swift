import AMQPCodec
import ByteIO
import Testing

func bytes(_ hex: String) -> [UInt8] {
  Hex.decode(hex.filter { $0 != " " }) ?? []
}

func read(_ hex: String, limits: AMQPLimits = AMQPLimits()) throws(AMQPFault) -> AMQPValue {
  let encoded = bytes(hex)
  var reader = AMQPReader(encoded.span, limits: limits)
  let value = try reader.value()
  guard reader.isAtEnd else { throw .invalidSize }
  return value
}

func written(_ value: AMQPValue) -> [UInt8] {
  var writer = AMQPWriter()
  writer.value(value)
  return writer.bytes
}

@Suite("Values (AMQP 1.0 part 1)")
struct AMQPValueTests {
  /// Encodings of the document's tables, with the forms of a type beside each other.
  static let vectors: [(String, AMQPValue)] = [
    ("40", .null), ("41", .boolean(true)), ("42", .boolean(false)), ("5601", .boolean(true)),
    ("5600", .boolean(false)), ("50ff", .ubyte(255)), ("60ffff", .ushort(65_535)),
    ("43", .uint(0)), ("5201", .uint(1)), ("70 00000100", .uint(256)), ("44", .ulong(0)),
    ("53ff", .ulong(255)), ("80 0000000100000000", .ulong(1 << 32)), ("51ff", .byte(-1)),
    ("61 8000", .short(-32_768)), ("54ff", .int(-1)), ("71 7fffffff", .int(.max)),
    ("55 80", .long(-128)), ("81 8000000000000000", .long(.min)), ("72 3f800000", .float(1)),
    ("82 3ff0000000000000", .double(1)), ("74 01020304", .decimal([1, 2, 3, 4])),
    ("73 0001f600", .char("😀")), ("83 0000018bcfe56800", .timestamp(1_700_000_000_000)),
    ("98 000102030405060708090a0b0c0d0e0f", .uuid(Array(0..<16))), ("a0 00", .binary([])),
    ("a0 02 0102", .binary([1, 2])), ("b0 00000001 07", .binary([7])), ("a1 02 c3bc", .string("ü")),
    ("b1 00000001 61", .string("a")), ("a3 03 616263", .symbol("abc")), ("45", .list([])),
    ("c0 03 02 41 40", .list([.boolean(true), .null])),
    ("d0 00000006 00000002 41 40", .list([.boolean(true), .null])),
    ("c1 05 02 a3 01 61 43", .map(["a": .uint(0)])), ("d1 00000004 00000000", .map([:])),
    ("e0 06 02 a3 01 61 01 62", .array([.symbol("a"), .symbol("b")])),
    ("f0 00000005 00000003 43", .array([.uint(0), .uint(0), .uint(0)])),
    ("00 53 24 45", .described(descriptor: .ulong(0x24), .list([]))),
    (
      "00 80 0000468c00000004 a1 01 31",
      .described(descriptor: .ulong(0x0000_468C_0000_0004), .string("1"))
    ),
    (
      "e0 08 02 00 53 01 a1 00 01 7a",
      .array([
        .described(descriptor: .ulong(1), .string("")),
        .described(descriptor: .ulong(1), .string("z")),
      ])
    ),
  ]

  @Test("each encoding of the tables is read", arguments: vectors.indices)
  func reads(index: Int) throws {
    let (hex, value) = Self.vectors[index]
    #expect(try read(hex) == value)
  }

  @Test("what is written is read as the same value of the same type", arguments: vectors.indices)
  func writes(index: Int) throws {
    let value = Self.vectors[index].1
    if case .array(let items) = value, case .described? = items.first { return }
    #expect(try read(Hex.encode(written(value))) == value)
  }

  @Test("numbers take the shortest form")
  func shortForms() {
    let rows: [(AMQPValue, String)] = [
      (.uint(0), "43"), (.uint(255), "52ff"), (.ulong(7), "5307"), (.int(202), "71000000ca"),
      (.int(-5), "54fb"), (.long(127), "557f"), (.string("ab"), "a1026162"),
      (.symbol("x"), "a30178"), (.boolean(true), "41"),
    ]
    for (value, hex) in rows { #expect(Hex.encode(written(value)) == hex) }
  }

  @Test("a string of 256 bytes takes the wide form")
  func wideForm() throws {
    let text = String(repeating: "x", count: 256)
    #expect(written(.string(text)).prefix(5) == [0xB1, 0, 0, 1, 0])
    #expect(try read(Hex.encode(written(.string(text)))) == .string(text))
  }

  @Test("one symbol is written as an array all the same")
  func symbolArray() throws {
    var writer = AMQPWriter()
    writer.symbols(["ANONYMOUS"])
    #expect(writer.bytes.first == 0xF0)
    #expect(try read(Hex.encode(writer.bytes)) == .array([.symbol("ANONYMOUS")]))
  }

  /// Bytes that are refused, with what is wrong.
  static let refusals: [(String, AMQPFault)] = [
    ("", .truncated), ("70 0000", .truncated), ("a1 05 61", .truncated),
    ("b0 ffffffff", .truncated), ("3f", .unknownConstructor(0x3F)),
    ("ff", .unknownConstructor(0xFF)), ("5602", .invalidText), ("a1 01 ff", .invalidText),
    ("a3 01 80", .invalidText), ("73 0000d800", .invalidText), ("73 00110000", .invalidText),
    ("c0 05 01 40", .truncated), ("c0 00", .invalidSize), ("c0 02 02 40", .invalidSize),
    ("c0 03 01 40 40", .invalidSize), ("d0 00000003 000000", .invalidSize),
    ("d0 00000004 7fffffff", .invalidSize), ("c1 02 01 40", .unpairedMap),
    ("f0 00000005 ffffffff 40", .tooManyElements), ("00 40", .truncated), ("00", .truncated),
    ("e0 02 01 99", .unknownConstructor(0x99)), ("e0 03 01 52", .truncated),
  ]

  @Test("what is wrong is refused", arguments: refusals.indices)
  func refuses(index: Int) {
    let (hex, fault) = Self.refusals[index]
    #expect(throws: fault) { try read(hex) }
  }

  @Test("nesting ends at the limit, for compounds, arrays and descriptors alike")
  func nesting() throws {
    var limits = AMQPLimits()
    limits.depth = 3
    var value = AMQPValue.null
    for _ in 0..<3 { value = .list([value]) }
    #expect(try read(Hex.encode(written(value)), limits: limits) == value)
    #expect(throws: AMQPFault.nestingTooDeep) {
      try read(Hex.encode(written(.list([value]))), limits: limits)
    }
    #expect(throws: AMQPFault.nestingTooDeep) {
      try read(String(repeating: "00", count: 100_000))
    }
  }

  @Test("a map answers to strings and symbols, and nil for what it has not")
  func mapLookup() {
    let map = AMQPMap(strings: [("a", .int(1))])
    #expect(map["a"] == .int(1))
    #expect(AMQPMap(dictionaryLiteral: ("a", .int(2)))["a"] == .int(2))
    #expect(map["b"] == nil)
  }

  @Test("a field with several values is a list, an array, one value or nothing")
  func multiple() {
    #expect(AMQPValue.null.multiple == [])
    #expect(AMQPValue.symbol("a").multiple == [.symbol("a")])
    #expect(AMQPValue.array([.symbol("a"), .symbol("b")]).multiple.count == 2)
  }
}

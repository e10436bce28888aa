import ByteIO
import COSE
import Testing

@Suite("Deterministic CBOR (RFC 8949 §4.2.1, appendix A)")
struct CBORTests {
  @Test("what others encode is read as the same value and written as the same bytes")
  func vectors() throws {
    let rows = try Vectors.load("cbor", as: Vectors.Encoding.self)
    #expect(rows.count >= 200)
    for row in rows {
      guard case .value(let expected)? = row.value else {
        #expect(throws: COSEFault.self, "\(row.encoded)") { try read(row.encoded) }
        continue
      }
      let found = try read(row.encoded)
      #expect(Hex.encode(found.encoded) == row.encoded, "\(row.source)")
      #expect(Hex.encode(expected.encoded) == row.encoded, "\(row.source)")
      // A value that is no number is not equal to itself; its bytes were compared.
      if !row.encoded.contains("f97e00") { #expect(found == expected, "\(row.encoded)") }
    }
  }

  static let refusals: [(String, COSEFault)] = [
    ("", .truncated), ("18", .truncated), ("19 01", .truncated), ("1a 000001", .truncated),
    ("1b 00000000000001", .truncated), ("41", .truncated), ("61", .truncated), ("81", .truncated),
    ("a1", .truncated), ("a1 00", .truncated), ("c1", .truncated), ("f8", .truncated),
    ("f9 00", .truncated), ("5b ffffffffffffffff 00", .truncated),
    ("9b 7fffffffffffffff", .truncated),
    ("bb 8000000000000000 0000", .truncated), ("9a 00010000 00", .truncated),
    ("00 00", .trailingBytes), ("f6 ff", .trailingBytes),
    ("1c", .reservedAdditionalInformation(28)), ("3d", .reservedAdditionalInformation(29)),
    ("5e", .reservedAdditionalInformation(30)), ("fc", .reservedAdditionalInformation(28)),
    ("1f", .indefiniteLength), ("5f ff", .indefiniteLength), ("9f ff", .indefiniteLength),
    ("bf ff", .indefiniteLength), ("df 00", .indefiniteLength), ("ff", .indefiniteLength),
    ("18 17", .notShortest), ("38 00", .notShortest), ("58 01 00", .notShortest),
    ("19 00ff", .notShortest), ("1a 0000ffff", .notShortest), ("1b 00000000ffffffff", .notShortest),
    ("98 01 00", .notShortest), ("b8 01 00 00", .notShortest), ("d8 01 00", .notShortest),
    ("f8 14", .notShortest), ("f8 1f", .notShortest),
    ("f9 7e01", .notShortest), ("f9 fe00", .notShortest), ("fa 3f800000", .notShortest),
    ("fa 7f800000", .notShortest), ("fa 7fc00000", .notShortest), ("fa 33800000", .notShortest),
    ("fb 3ff0000000000000", .notShortest), ("fb 7ff8000000000001", .notShortest),
    ("fb 47efffffe0000000", .notShortest), ("fb 0000000000000000", .notShortest),
    ("c2 40", .notShortest), ("c2 48 ffffffffffffffff", .notShortest),
    ("c3 49 00ffffffffffffffff", .notShortest), ("c2 00", .unexpectedType),
    ("c3 60", .unexpectedType),
    ("e0", .unassignedSimpleValue(0)), ("f3", .unassignedSimpleValue(19)),
    ("f8 20", .unassignedSimpleValue(32)), ("f8 ff", .unassignedSimpleValue(255)),
    ("61 80", .invalidUTF8), ("62 c080", .invalidUTF8), ("63 eda080", .invalidUTF8),
    ("a1 61 ff 00", .invalidUTF8),
    ("a2 01 00 00 00", .keysOutOfOrder), ("a2 20 00 01 00", .keysOutOfOrder),
    ("a2 20 00 18 64 00", .keysOutOfOrder), ("a2 62 6161 00 61 62 00", .keysOutOfOrder),
    ("a2 01 00 01 00", .duplicateKey), ("a2 61 61 00 61 61 01", .duplicateKey),
    ("81 a2 80 00 80 00", .duplicateKey),
  ]

  @Test("row 26: every other form is refused, by its rule")
  func malformed() {
    for (text, fault) in Self.refusals {
      #expect(throws: fault, "\(text)") { try read(text) }
    }
  }

  @Test("the order of keys is that of their encodings, not of their lengths")
  func order() throws {
    let value = try read("a4 0a 00 1864 00 20 00 6161 00")
    #expect(value.map?.pairs.map(\.key) == [.integer(10), .integer(100), .integer(-1), .text("a")])
    var built = CBORMap()
    for pair in (value.map?.pairs ?? []).reversed() { built[key: pair.key] = pair.value }
    #expect(CBORValue.map(built) == value)
    built[100] = nil
    built[10] = .null
    #expect(Hex.encode(CBORValue.map(built).encoded) == "a30af62000616100")
    #expect(built[-1] == .integer(0))
    #expect(built[100] == nil)
  }

  @Test("row 26: limits hold, and no length makes room for what is not there")
  func limits() throws {
    #expect(throws: COSEFault.tooLong(byteCount: 3, maximum: 2)) {
      try read("82 00 00", CBORLimits(byteCount: 2))
    }
    #expect(try read("81 81 80", CBORLimits(depth: 3)) == .array([.array([.array([])])]))
    #expect(throws: COSEFault.nestingTooDeep) { try read("81 81 80", CBORLimits(depth: 2)) }
    #expect(throws: COSEFault.nestingTooDeep) { try read("a1 80 00", CBORLimits(depth: 1)) }
    #expect(throws: COSEFault.nestingTooDeep) { try read("c1 c1 00", CBORLimits(depth: 1)) }
    #expect(throws: COSEFault.nestingTooDeep) {
      try CBORValue([UInt8](repeating: 0x81, count: 60_000).span)
    }
    #expect(throws: COSEFault.nestingTooDeep) {
      try CBORValue([UInt8](repeating: 0xC6, count: 60_000).span)
    }
    #expect(throws: COSEFault.tooManyItems) { try read("83 00 00 00", CBORLimits(items: 3)) }
    #expect(try read("83 00 00 00", CBORLimits(items: 4)).array?.count == 3)
    #expect(throws: COSEFault.tooManyItems) { try read("a2 00 00 01 00", CBORLimits(items: 4)) }
  }

  @Test("every half-precision number is read and written as itself")
  func halves() throws {
    for bits in UInt16.min...UInt16.max {
      let encoded = [0xF9, UInt8(bits >> 8), UInt8(bits & 0xFF)]
      let isOtherNaN = bits & 0x7C00 == 0x7C00 && bits & 0x3FF != 0 && bits != 0x7E00
      guard let value = try? CBORValue(encoded.span) else {
        #expect(isOtherNaN, "\(bits)")
        continue
      }
      guard !isOtherNaN, value.encoded == encoded else {
        Issue.record("half \(bits)")
        continue
      }
    }
  }

  @Test("integers keep their value over the whole range")
  func integers() {
    for value in [Int64.min, -257, -256, -25, -24, -1, 0, 23, 24, 255, 256, 65_536, .max] {
      #expect(CBORValue.integer(value).integer == value)
    }
    #expect(CBORValue.unsigned(.max).integer == nil)
    #expect(CBORValue.negative(.max).integer == nil)
    #expect(CBORValue.negative(0).unsigned == nil)
  }

  @Test("values of any shape come back from their encoding")
  func roundTrip() throws {
    var generator = SeededGenerator(seed: 8_949)
    for round in 0..<3_000 {
      let value = randomValue(using: &generator, depth: 0)
      let encoded = value.encoded
      let again = try CBORValue(encoded.span)
      guard again == value, again.encoded == encoded else {
        Issue.record("round \(round): \(Hex.encode(encoded))")
        return
      }
    }
  }

  @Test("changed bytes are refused, or are the one encoding of another value")
  func mutation() {
    var generator = SeededGenerator(seed: 4_201)
    var accepted = 0
    for round in 0..<20_000 {
      let original = randomValue(using: &generator, depth: 0).encoded
      let changed = mutated(original, using: &generator)
      guard let value = try? CBORValue(changed.span) else { continue }
      accepted += 1
      guard value.encoded == changed else {
        Issue.record("round \(round): \(Hex.encode(changed))")
        return
      }
    }
    #expect(accepted > 100)
  }
}

func randomValue(using generator: inout SeededGenerator, depth: Int) -> CBORValue {
  let kinds = depth < 4 ? 10 : 7
  func number() -> UInt64 { generator.next() >> UInt64.random(in: 0...63, using: &generator) }
  switch Int.random(in: 0..<kinds, using: &generator) {
  case 0: return .unsigned(number())
  case 1: return .negative(number())
  case 2:
    let count = Int.random(in: 0...30, using: &generator)
    return .bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) })
  case 3:
    let letters = Array("aZ09 ü水😀")
    let count = Int.random(in: 0...9, using: &generator)
    let text = String((0..<count).map { _ in letters[Int(generator.next() % 8)] })
    return .text(CBORText(text))
  case 4: return .boolean(Bool.random(using: &generator))
  case 5: return Bool.random(using: &generator) ? .null : .undefined
  case 6:
    let value = Double(bitPattern: number() << UInt64.random(in: 0...60, using: &generator))
    guard Bool.random(using: &generator), !value.isNaN else {
      return .double(Double(Int16(truncatingIfNeeded: number())))
    }
    return .double(value)
  case 7:
    let count = Int.random(in: 0...4, using: &generator)
    return .array((0..<count).map { _ in randomValue(using: &generator, depth: depth + 1) })
  case 8:
    var map = CBORMap()
    for _ in 0..<Int.random(in: 0...5, using: &generator) {
      let key = randomValue(using: &generator, depth: depth + 3)
      map[key: key] = randomValue(using: &generator, depth: depth + 1)
    }
    return .map(map)
  default:
    return .tagged(number() | 4, randomValue(using: &generator, depth: depth + 1))
  }
}

/// The bytes with some of them changed, left out, doubled or cut off.
func mutated(_ bytes: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
  var bytes = bytes
  for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
    let index = Int.random(in: 0..<bytes.count, using: &generator)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[index] = UInt8(truncatingIfNeeded: generator.next())
    case 2: bytes.remove(at: index)
    case 3: bytes.insert(bytes[index], at: index)
    case 4: bytes.removeLast(bytes.count - index)
    default: bytes[index] &+= 1
    }
  }
  return bytes
}

import ByteIO
import Testing

@Suite("Byte cursors")
struct ByteReaderTests {
  @Test("integers read back as they were written")
  func roundTrip() {
    var writer = ByteWriter()
    writer.uint8(0x01)
    writer.uint16(0x0203)
    writer.uint32(0x0405_0607)
    writer.uint64(0x0809_0A0B_0C0D_0E0F)
    writer.uint16LE(0x0203)
    writer.uint32LE(0x0405_0607)
    writer.uint64LE(0x0809_0A0B_0C0D_0E0F)
    writer.utf8("é")
    #expect(Array(writer.bytes.prefix(15)) == [UInt8](1...15))
    #expect(Array(writer.bytes[15..<17]) == [3, 2])
    #expect(writer.bytes.suffix(2) == [0xC3, 0xA9])
    var reader = ByteReader(writer.bytes.span)
    #expect(reader.uint8() == 0x01)
    #expect(reader.uint16() == 0x0203)
    #expect(reader.uint32() == 0x0405_0607)
    #expect(reader.uint64() == 0x0809_0A0B_0C0D_0E0F)
    #expect(reader.uint16LE() == 0x0203)
    #expect(reader.uint32LE() == 0x0405_0607)
    #expect(reader.uint64LE() == 0x0809_0A0B_0C0D_0E0F)
    #expect(reader.range(2) == 29..<31)
    #expect(reader.remaining == 0)
  }

  @Test("a read beyond the end answers nil and does not move", arguments: 0..<8)
  func refusals(_ count: Int) {
    let bytes = [UInt8](repeating: 7, count: count)
    var reader = ByteReader(bytes.span)
    #expect(reader.uint64() == nil)
    #expect(reader.uint64LE() == nil)
    if count < 4 {
      #expect(reader.uint32() == nil)
      #expect(reader.uint32LE() == nil)
    }
    if count < 2 {
      #expect(reader.uint16() == nil)
      #expect(reader.uint16LE() == nil)
    }
    if count < 1 { #expect(reader.uint8() == nil) }
    #expect(reader.range(count + 1) == nil)
    #expect(reader.position == 0)
  }

  @Test("lengths that a hostile peer may send never trap")
  func hostileLengths() {
    let bytes: [UInt8] = [1, 2, 3]
    var reader = ByteReader(bytes.span)
    let first = reader.uint8()
    #expect(first == 1)
    for count in [-1, .min, .max, 3] {
      #expect(reader.skip(count) == false)
      #expect(reader.range(count) == nil)
    }
    #expect(reader.position == 1)
    #expect(reader.skip(0) == true)
    #expect(reader.range(2) == 1..<3)
    for index in [-1, 2, 3, Int.max, .min] { #expect(bytes.span.uint16(at: index) == nil) }
  }

  @Test("spans compare by content")
  func comparison() {
    let whole: [UInt8] = [1, 2, 3]
    let prefix: [UInt8] = [1, 2]
    let other: [UInt8] = [1, 3]
    let none: [UInt8] = []
    let startsWithPrefix = whole.span.starts(with: prefix.span)
    let startsWithOther = whole.span.starts(with: other.span)
    let startsWithNone = whole.span.starts(with: none.span)
    let longer = prefix.span.starts(with: whole.span)
    #expect(startsWithPrefix && startsWithNone && !startsWithOther && !longer)
    let same = whole.span.elementsEqual([1, 2, 3].span)
    let different = prefix.span.elementsEqual(other.span)
    let shorter = whole.span.elementsEqual(prefix.span)
    #expect(same && !different && !shorter)
    #expect(whole.span.array() == whole)
  }

  @Test("secrets compare by content")
  func constantTime() {
    #expect(ConstantTime.equals([], []))
    #expect(ConstantTime.equals([1, 2], [1, 2]))
    #expect(!ConstantTime.equals([1, 2], [1, 3]))
    #expect(!ConstantTime.equals([1, 2], [0, 2]))
    #expect(!ConstantTime.equals([1, 2], [1, 2, 3]))
  }
}

@Suite("Instants and seeded sequences")
struct InstantTests {
  @Test("time saturates at the ends of the clock")
  func saturation() {
    let start = Instant(nanoseconds: 5_000_000)
    #expect(start.adding(milliseconds: 2) == Instant(nanoseconds: 7_000_000))
    #expect(start.adding(milliseconds: .max) == Instant(nanoseconds: .max))
    #expect(Instant(nanoseconds: .max).adding(milliseconds: 1) == Instant(nanoseconds: .max))
    #expect(start.adding(milliseconds: 2).milliseconds(since: start) == 2)
    #expect(start.milliseconds(since: start.adding(milliseconds: 2)) == 0)
    #expect(Instant(nanoseconds: 6_999_999).milliseconds(since: start) == 1)
    #expect(start < start.adding(milliseconds: 1))
  }

  @Test("a seed repeats its published sequence (SplitMix64, seed 1234567)")
  func sequence() {
    var generator = SeededGenerator(seed: 1_234_567)
    let numbers = (0..<3).map { _ in generator.next() }
    #expect(
      numbers == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
    )
  }
}

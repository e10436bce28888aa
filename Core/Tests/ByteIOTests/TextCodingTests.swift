import ByteIO
import Testing

@Suite("Base64 (RFC 4648 §4)")
struct Base64Tests {
  @Test("the published vectors go both ways (RFC 4648 §10)")
  func vectors() {
    let rows = [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
      ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]
    for (plain, coded) in rows {
      #expect(Base64.encode(Array(plain.utf8)) == coded)
      #expect(Base64.decode(coded) == Array(plain.utf8))
    }
    #expect(Base64.encode([0xFB, 0xFF, 0xBF]) == "+/+/")
    #expect(Base64.encode([0, 0, 0, 0, 0, 0, 0, 1]) == "AAAAAAAAAAE=")
  }

  @Test("random bytes of every length go both ways")
  func roundTrip() {
    var generator = SeededGenerator(seed: 2)
    for length in 0..<100 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
  }

  @Test(
    "what is not padded standard base64 is refused",
    arguments: [
      "Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Z=g=", "=Zg=", "Zm9v\n", " Zm9v",
      "Zm-_", "Zh==", "Zm9=", "Zm9vZ===", "Zm9vé=", "Zm 9v",
    ]
  )
  func refusals(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }
}

@Suite("Hexadecimal (RFC 4648 §8)")
struct HexTests {
  @Test("bytes go both ways, either case is read, lower case is written")
  func vectors() {
    #expect(Hex.encode([0x00, 0x0F, 0xA5, 0xFF]) == "000fa5ff")
    #expect(Hex.decode("000fa5ff") == [0x00, 0x0F, 0xA5, 0xFF])
    #expect(Hex.decode("A5fF") == [0xA5, 0xFF])
    #expect(Hex.decode("") == [])
    let all = [UInt8](0...255)
    #expect(Hex.decode(Hex.encode(all)) == all)
  }

  @Test("other text is refused", arguments: ["0", "0g", "g0", "0x", "00 ", " 00", "é", "0:", "@A"])
  func refusals(_ text: String) {
    #expect(Hex.decode(text) == nil)
  }
}

@Suite("Percent-encoding (RFC 3986 §2.1)")
struct PercentCodingTests {
  @Test("everything but unreserved characters is escaped")
  func encoding() {
    #expect(PercentCoding.encode("AZaz09-._~") == "AZaz09-._~")
    #expect(PercentCoding.encode("a b+c/%é") == "a%20b%2Bc%2F%25%C3%A9")
    #expect(PercentCoding.encode("$&=?#\u{0}") == "%24%26%3D%3F%23%00")
  }

  @Test("escapes are resolved once, a plus stays a plus")
  func decoding() {
    let rows: [(String, String?)] = [
      ("", ""), ("a%20b", "a b"), ("a+b", "a+b"), ("%2f%2F", "//"), ("%2520", "%20"),
      ("%C3%A9", "é"), ("é", "é"), ("%", nil), ("%2", nil), ("a%", nil), ("%2g", nil),
      ("%g2", nil), ("%%20", nil), ("%C3", nil), ("%FF", nil), ("%ED%A0%80", nil),
    ]
    for (text, expected) in rows {
      let decoded: String? = PercentCoding.decode(text)
      #expect(decoded == expected, "\(text)")
    }
  }

  @Test("every byte goes both ways")
  func roundTrip() {
    let all = [UInt8](0...255)
    #expect(PercentCoding.decode(PercentCoding.encode(all)) == all)
  }
}

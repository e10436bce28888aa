import HubContract
import Testing

@Suite("Keys and thumbprints (contract §2.1, §2.2)")
struct CredentialValueTests {
  @Test("a key is base64 of 16 to 64 bytes")
  func keyLengths() throws {
    #expect(SymmetricKey(bytes: [UInt8](repeating: 1, count: 15)) == nil)
    #expect(SymmetricKey(bytes: [UInt8](repeating: 1, count: 65)) == nil)
    let key = try #require(SymmetricKey(bytes: [UInt8](repeating: 1, count: 16)))
    #expect(SymmetricKey(base64: key.base64) == key)
    #expect(SymmetricKey(base64: "not base64") == nil)
    #expect(SymmetricKey(base64: "AAAA") == nil)
    #expect(SymmetricKey(base64: String(key.base64.dropLast())) == nil)
    #expect(SymmetricKey(bytes: [UInt8](repeating: 2, count: 16)) != key)
  }

  @Test("no description shows a key")
  func keyIsHidden() throws {
    let key = try #require(SymmetricKey(bytes: [UInt8](repeating: 1, count: 16)))
    var dumped = ""
    dump(Authentication.sas(primary: key, secondary: key), to: &dumped)
    let shown = "\(key) \(String(reflecting: key)) \([key]) \(dumped)"
    #expect(!shown.contains(key.base64) && !shown.contains("1, 1"))
    #expect("\(key)" == "SymmetricKey(16 bytes)")
  }

  @Test("a thumbprint is 40 or 64 hexadecimal digits, compared without case, kept as given")
  func thumbprints() throws {
    let upper = try #require(Thumbprint(hex: String(repeating: "AB", count: 20)))
    let lower = try #require(Thumbprint(hex: String(repeating: "ab", count: 20)))
    #expect(upper == lower && upper.hex != lower.hex && Set([upper, lower]).count == 1)
    #expect(upper.bytes == [UInt8](repeating: 0xAB, count: 20))
    #expect(Thumbprint(hex: String(repeating: "ab", count: 32)) != nil)
    for text in [
      "", String(repeating: "a", count: 41), String(repeating: "ab:", count: 20),
      String(repeating: "ag", count: 20), String(repeating: "ab ", count: 20),
    ] {
      #expect(Thumbprint(hex: text) == nil, "\(text)")
    }
  }
}

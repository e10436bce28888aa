import Platform
import Testing

@Suite("Names that certificates are made for")
struct HostNameTests {
  @Test(arguments: ["gate", "Gate-7.example", "a_b.local", "10.0.0.2", "::1", "fe80::1"])
  func taken(_ name: String) { #expect(HostName.isValid(name)) }

  @Test(
    arguments: [
      "", ".", "a..b", "-a", "a-", "a b", "a/b", "gäte", "127.0.0.1\0", "127.0.0.1\0.example",
      "::1\0x", String(repeating: "a", count: 64),
    ]
  )
  func refused(_ name: String) { #expect(!HostName.isValid(name)) }
}

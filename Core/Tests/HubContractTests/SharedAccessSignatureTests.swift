import ByteIO
import HubContract
import Testing

@Suite("SAS tokens (contract §2.1)")
struct SharedAccessSignatureTests {
  private static let before = Timestamp(seconds: SASVectors.expiry - 1)
  private static let signature = "N8Nz7WPrhA8h0fV9w876oxmhWl3LNNsb9KZuLK%2FdBU8%3D"
  private static let valid =
    "SharedAccessSignature sr=hub.example%2Fdevices%2Fd1&sig=\(signature)&se=1767326645"

  private static func key() throws -> SymmetricKey {
    try #require(SymmetricKey(base64: SASVectors.key))
  }

  private static func fault(_ token: String) -> SASFault? {
    do {
      _ = try SharedAccessSignature(token)
      return nil
    } catch { return error }
  }

  @Test("tokens of other implementations verify", arguments: SASVectors.rows)
  func vectors(row: SASVectors.Row) throws {
    let token = try SharedAccessSignature(row.token)
    #expect(token.expirySeconds == SASVectors.expiry && token.policy == row.policy)
    #expect(token.resource.keyUse == row.use)
    try token.verify(key: Self.key(), now: Self.before, hmacSHA256: TestHMAC.hmac)
    #expect(
      !token.isSigned(by: try Self.key(), use: row.use.other, hmacSHA256: TestHMAC.hmac)
    )
    let plusIsLiteral = row.resource.replacing("d 1", with: "d+1")
    let expected = SASResource(decoded: plusIsLiteral)
    #expect(token.resource.host == expected.host && token.resource.segments == expected.segments)
  }

  @Test("our own tokens equal the stock device client's, byte for byte")
  func made() throws {
    for row in SASVectors.rows where row.maker.hasPrefix("azure-iot-device") {
      #expect(
        SharedAccessSignature.make(
          resource: row.resource,
          key: try Self.key(),
          policy: row.policy,
          expirySeconds: SASVectors.expiry,
          hmacSHA256: TestHMAC.hmac
        ) == row.token
      )
    }
    let events = SharedAccessSignature.make(
      resource: "sb://hub.example/events",
      key: try Self.key(),
      policy: "p/1",
      expirySeconds: 5,
      hmacSHA256: TestHMAC.hmac
    )
    #expect(events.hasSuffix("&skn=p%2F1"))
    let read = try SharedAccessSignature(events)
    #expect(read.policy == "p/1")
    #expect(read.isSigned(by: try Self.key(), use: .text, hmacSHA256: TestHMAC.hmac))
  }

  @Test("the known answer of group keys holds for this HMAC (contract §6.5)")
  func groupKey() throws {
    let group = try #require(
      SymmetricKey(
        base64:
          "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw=="
      )
    )
    let id = [UInt8]("sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6".utf8)
    #expect(
      Base64.encode(TestHMAC.hmac(group.bytes, id))
        == "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
    )
  }

  @Test("fields come in any order, unknown ones are ignored, an empty policy is none")
  func fieldOrder() throws {
    for text in [
      "SharedAccessSignature se=1767326645&sig=\(Self.signature)&sr=hub.example%2Fdevices%2Fd1",
      "SharedAccessSignature   \(Self.valid.dropFirst(22))&skn=&x=1&x=2&y",
      "sharedaccesssignature \(Self.valid.dropFirst(22))",
      Self.valid.replacing("%2FdBU8%3D", with: "/dBU8="),
    ] {
      let token = try SharedAccessSignature(text)
      #expect(token.policy == nil)
      try token.verify(key: Self.key(), now: Self.before, hmacSHA256: TestHMAC.hmac)
    }
  }

  static let refused: [(String, SASFault)] = [
    ("", .notAToken), ("SharedAccessSignature", .notAToken), ("Bearer x", .notAToken),
    ("SharedAccessSignaturesr=a&sig=b&se=1", .notAToken),
    ("SharedAccessSignature ", .missing(field: "sr")),
    ("SharedAccessSignature sig=\(signature)&se=1", .missing(field: "sr")),
    ("SharedAccessSignature sr=&sig=\(signature)&se=1", .missing(field: "sr")),
    ("SharedAccessSignature sr=h&se=1", .missing(field: "sig")),
    ("SharedAccessSignature sr=h&sig=\(signature)", .missing(field: "se")),
    ("\(valid)&se=1767326645", .duplicate(field: "se")),
    ("\(valid)&sr=h", .duplicate(field: "sr")), ("\(valid)&sig=x", .duplicate(field: "sig")),
    ("\(valid)&skn=a&skn=b", .duplicate(field: "skn")),
    ("SharedAccessSignature sr=h&sig=\(signature)&se=x", .malformed(field: "se")),
    ("SharedAccessSignature sr=h&sig=\(signature)&se=-1", .malformed(field: "se")),
    ("SharedAccessSignature sr=h&sig=\(signature)&se=1.5", .malformed(field: "se")),
    (
      "SharedAccessSignature sr=h&sig=\(signature)&se=9999999999999999999",
      .malformed(field: "se")
    ),
    ("SharedAccessSignature sr=h&sig=AAAA&se=1", .malformed(field: "sig")),
    ("SharedAccessSignature sr=h&sig=%&se=1", .malformed(field: "sig")),
    ("SharedAccessSignature sr=%FF&sig=\(signature)&se=1", .malformed(field: "sr")),
    ("SharedAccessSignature sr=%2Fa&sig=\(signature)&se=1", .malformed(field: "sr")),
    ("\(valid)&skn=%FF", .malformed(field: "skn")),
    ("\(valid)&\(String(repeating: "x", count: 4096))", .tooLong(valid.utf8.count + 4097)),
  ]

  @Test("what is no token is refused by the rule it breaks", arguments: refused)
  func refusals(text: String, expected: SASFault) {
    #expect(Self.fault(text) == expected)
  }

  @Test("a changed resource, expiry or key does not verify")
  func forged() throws {
    let key = try Self.key()
    let other = try #require(SymmetricKey(bytes: [UInt8](repeating: 1, count: 32)))
    for text in [
      Self.valid.replacing("d1", with: "d2"), Self.valid.replacing("6645", with: "6646"),
      Self.valid.replacing("N8Nz", with: "N8Nx"), Self.valid.replacing("se=", with: "se=0"),
    ] {
      let token = try SharedAccessSignature(text)
      #expect(throws: SASFault.signatureMismatch) {
        try token.verify(key: key, now: Self.before, hmacSHA256: TestHMAC.hmac)
      }
    }
    let token = try SharedAccessSignature(Self.valid)
    #expect(throws: SASFault.signatureMismatch) {
      try token.verify(key: other, now: .latest, hmacSHA256: TestHMAC.hmac)
    }
  }

  @Test("a token ends when its time and the tolerance are over")
  func expiry() throws {
    let key = try Self.key()
    let token = try SharedAccessSignature(Self.valid)
    let end = Timestamp(seconds: SASVectors.expiry)
    for (now, skew, isOver) in [
      (end, 0, false), (end.adding(milliseconds: 1), 0, true),
      (end.adding(seconds: 300), 300, false),
      (end.adding(seconds: 300).adding(milliseconds: 1), 300, true),
    ] as [(Timestamp, Int64, Bool)] {
      #expect(token.isExpired(now: now, skewSeconds: skew) == isOver)
      if isOver {
        #expect(throws: SASFault.expired) {
          try token.verify(key: key, now: now, skewSeconds: skew, hmacSHA256: TestHMAC.hmac)
        }
      }
    }
    #expect(!token.isExpired(now: end.adding(seconds: 300)))
    #expect(token.isExpired(now: end.adding(seconds: 301)))
  }

  static let covering: [(String, String, Bool)] = [
    ("hub.example/devices/d1", "hub.example/devices/d1/messages/events", true),
    ("hub.example/devices/d1", "hub.example/devices/d10", false),
    ("hub.example/devices/d1", "hub.example/devices", false),
    ("hub.example/devices/d1", "hub.example/devices/D1", false),
    ("hub.example", "hub.example/devices/d1", true), ("hub.example/", "hub.example", true),
    ("HUB.example", "hub.EXAMPLE/x", true), ("hub.example:443", "hub.example/x", true),
    ("sb://hub.example:5671/e", "hub.example/e/consumergroups/g", true),
    ("https://hub.example", "hub.example", true), ("hub.example", "hub.example.org", false),
    ("hub.example/devices/d1/api-version=2016-11-14", "hub.example/devices/d1", true),
    ("hub.example/devices/api-version=1", "hub.example/devices/d1", false),
    ("hub.example/devices/d1/modules/api-version=1", "hub.example/devices/d1/modules/m", false),
    ("hub.example//devices", "hub.example/devices", false), ("[::1]:443/x", "[::1]/x", true),
    ("[::1]", "[::1]/x", true), ("hub.example/devices/a%2Fb", "hub.example/devices/a", false),
    ("hub.example/devices/\u{212B}", "hub.example/devices/\u{00C5}", false),
  ]

  @Test("a resource covers what lies under it, segment by segment", arguments: covering)
  func covers(resource: String, accessed: String, expected: Bool) {
    #expect(SASResource(decoded: resource).covers(SASResource(decoded: accessed)) == expected)
  }

  @Test("entities are compared without case, identities with it")
  func coversIdentities() {
    let entity = SASResource(decoded: "sb://h/Events")
    #expect(entity.covers(SASResource(host: "H", segments: ["events", "x"]), ignoringCase: true))
    #expect(!entity.covers(SASResource(host: "H", segments: ["events"])))
    let module = IdentityKey(deviceID: "a#/?".replacing("/", with: ""), moduleID: "$edgeHub")
    let accessed = SASResource(host: "h", identity: module)
    #expect("\(accessed)" == "h/devices/a#?/modules/$edgeHub")
    #expect(SASResource(host: "h", identity: module.device).covers(accessed))
    #expect(!accessed.covers(SASResource(host: "h", identity: module.device)))
  }

  @Test("no description shows the signature")
  func descriptions() throws {
    let token = try SharedAccessSignature(Self.valid)
    var dumped = ""
    dump(token, to: &dumped)
    let shown = "\(token) \(String(reflecting: token)) \(dumped)"
    #expect(!shown.contains("N8Nz") && !shown.contains("55, 195") && shown.contains("d1"))
  }
}

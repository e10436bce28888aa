import ByteIO
import HubContract
import Testing

@Suite("Blob endpoint (contract §5)")
struct BlobContractTests {
  @Test(
    "names that a URL can carry, and those that it can't",
    arguments: [
      ("uploads", "d1/x.txt", true), ("uploads", "d#?%1/ü b", true), ("abc", "x", true),
      ("uploads", "", false), ("uploads", "/x", false), ("uploads", "d/", false),
      ("uploads", "d//x", false), ("uploads", "d/../x", false), ("uploads", "./x", false),
      ("uploads", "d\\x", false), ("uploads", "d/\u{0}", false), ("uploads", "d/\u{7F}", false),
      ("uploads", "d/\u{301}x", true), ("uploads", "d/../\u{301}x", false),
      ("up", "x", false), ("Uploads", "x", false), ("-uploads", "x", false),
      ("uploads-", "x", false), ("..", "x", false), ("a/b", "x", false),
    ]
  )
  func names(container: String, name: String, isLegal: Bool) {
    #expect((BlobKey(container: container, name: name) != nil) == isLegal)
  }

  @Test("a name has 1024 bytes at most, and what ends a URL's path is escaped")
  func nameLimits() throws {
    #expect(BlobKey(container: "uploads", name: String(repeating: "a", count: 1_024)) != nil)
    #expect(BlobKey(container: "uploads", name: String(repeating: "a", count: 1_025)) == nil)
    let key = try #require(BlobKey(container: "uploads", name: "a?b#c%d/e(1)é"))
    #expect(key.urlName == "a%3Fb%23c%25d/e(1)é")
  }

  @Test("a list of blocks keeps its order and where each is looked for")
  func blockList() throws {
    let text = """
      \u{FEFF}<?xml version='1.0' encoding='utf-8'?>
      <BlockList xmlns="x"><Latest>QUFB</Latest>
        <Committed> QkJC </Committed><Uncommitted>Q0ND</Uncommitted></BlockList>

      """
    let list = try BlockList([UInt8](text.utf8))
    #expect(list.entries.map(\.id) == ["QUFB", "QkJC", "Q0ND"])
    #expect(list.entries.map(\.source) == [.latest, .committed, .uncommitted])
    #expect(try BlockList([UInt8]("<BlockList />".utf8)).entries.isEmpty)
    #expect(try BlockList([UInt8]("<BlockList></BlockList>".utf8)).entries.isEmpty)
  }

  @Test(
    "what is no list of blocks is refused",
    arguments: [
      ("", "InvalidXmlDocument"), ("<", "InvalidXmlDocument"), ("x", "InvalidXmlDocument"),
      ("<BlockList>", "InvalidXmlDocument"), ("<Blocks></Blocks>", "InvalidXmlDocument"),
      ("<BlockList><Latest>QUFB</Latest>", "InvalidXmlDocument"),
      ("<BlockList><Latest>QUFB</BlockList>", "InvalidXmlDocument"),
      ("<BlockList><Latest/></BlockList>", "InvalidXmlDocument"),
      ("<BlockList><Newest>QUFB</Newest></BlockList>", "InvalidXmlDocument"),
      ("<BlockList></BlockList><BlockList/>", "InvalidXmlDocument"),
      ("<!DOCTYPE x []><BlockList/>", "InvalidXmlDocument"),
      ("<BlockList><Latest></Latest></BlockList>", "InvalidBlockList"),
      ("<BlockList><Latest>not base64</Latest></BlockList>", "InvalidBlockList"),
      (
        "<BlockList><Latest>QUFB</Latest><Latest>QUFB</Latest></BlockList>", "InvalidBlockList"
      ),
    ]
  )
  func badBlockList(text: String, code: String) {
    #expect(refusal { () throws(BlobRefusal) in _ = try BlockList([UInt8](text.utf8)) } == code)
  }

  @Test("a block's ID has 64 bytes at most")
  func blockID() {
    #expect(BlockList.isID("QQ=="))
    #expect(!BlockList.isID(""))
    #expect(BlockList.isID(String(repeating: "QUFB", count: 21)))
    #expect(!BlockList.isID(String(repeating: "QUFB", count: 22)))
  }

  @Test("conditions on the blob as it is")
  func conditions() {
    func code(_ conditions: BlobConditions, _ etag: String?) -> String? {
      refusal { () throws(BlobRefusal) in try conditions.check(etag) }
    }
    #expect(code(BlobConditions(), nil) == nil)
    #expect(code(BlobConditions(ifNoneMatch: "*"), nil) == nil)
    #expect(code(BlobConditions(ifNoneMatch: "*"), "1") == "BlobAlreadyExists")
    #expect(code(BlobConditions(ifNoneMatch: "\"1\""), "1") == "ConditionNotMet")
    #expect(code(BlobConditions(ifNoneMatch: "\"1\""), "2") == nil)
    #expect(code(BlobConditions(ifMatch: "*"), nil) == "ConditionNotMet")
    #expect(code(BlobConditions(ifMatch: "*"), "1") == nil)
    #expect(code(BlobConditions(ifMatch: "\"1\""), "2") == "ConditionNotMet")
  }

  private static let key = SymmetricKey(bytes: [UInt8](repeating: 7, count: 32))
  private static var mac: HMACSHA256 { TestHMAC.hmac }

  private func query(_ text: String) -> [String: String] {
    var query: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      query[parts[0]] = PercentCoding.decode(parts[1])
    }
    return query
  }

  @Test("a signature holds for its own blob, account and fields alone")
  func signature() throws {
    let key = try #require(Self.key)
    let made = BlobSignature.make(
      account: "hub.example",
      container: "uploads",
      name: "d1/x",
      permissions: [.read, .write],
      expiry: Timestamp(seconds: 1_800_000_000),
      key: key,
      hmacSHA256: Self.mac
    )
    let fields = query(made)
    #expect(fields["se"] == "2027-01-15T08:00:00Z")
    #expect(fields["sp"] == "rw")
    let read = try BlobSignature(query: fields)
    #expect(read.permissions == [.read, .write])
    #expect(!"\(read)".contains(try #require(fields["sig"])))
    func holds(
      _ fields: [String: String],
      account: String = "hub.example",
      container: String = "uploads",
      name: String? = "d1/x"
    ) throws -> Bool {
      try BlobSignature(query: fields).isSigned(
        by: key,
        account: account,
        container: container,
        name: name,
        hmacSHA256: Self.mac
      )
    }
    #expect(try holds(fields))
    #expect(try !holds(fields, account: "other"))
    #expect(try !holds(fields, container: "others"))
    #expect(try !holds(fields, name: "d2/x"))
    #expect(try !holds(fields, name: nil))
    for (field, value) in [("sp", "rwd"), ("se", "2028-01-15T08:00:00Z"), ("sr", "c")] {
      #expect(try !holds(fields.merging([field: value]) { _, new in new }), "\(field)")
    }
  }

  @Test("a container's signature holds for all its blobs")
  func containerSignature() throws {
    let key = try #require(Self.key)
    let made = BlobSignature.make(
      account: "hub.example",
      container: "exports",
      name: nil,
      permissions: [.write, .list],
      expiry: Timestamp(seconds: 1_800_000_000),
      key: key,
      hmacSHA256: Self.mac
    )
    let signature = try BlobSignature(query: query(made))
    for (container, name, isSigned) in [
      ("exports", nil, true), ("exports", "devices.txt", true), ("uploads", "devices.txt", false),
    ] as [(String, String?, Bool)] {
      let found = signature.isSigned(
        by: key,
        account: "hub.example",
        container: container,
        name: name,
        hmacSHA256: Self.mac
      )
      #expect(found == isSigned)
    }
  }

  @Test("what the service's own tools sign holds here")
  func foreignSignatures() throws {
    let key = try #require(Self.key)
    for (text, container, name) in [
      (
        "st=2026-01-15T08%3A00%3A00Z&se=2027-01-15T08%3A00%3A00Z&sp=racwd&spr=https&sv=2026-10-06"
          + "&sr=b&sig=0G131c5lwc2pLY3OZsAz5hw2S7v0bDVBdL7Ne1MrHIE%3D",
        "uploads", "d1/x y#1"
      ),
      (
        "se=2027-01-15T08%3A00%3A00Z&sp=rwl&sv=2026-10-06&sr=c"
          + "&sig=k35jbG1t5A/g9ZbgmZwSgB8qiacX1rlaK2JMjS0FD3w%3D",
        "exports", "devices.txt"
      ),
    ] {
      let isSigned = try BlobSignature(query: query(text)).isSigned(
        by: key,
        account: "hub.example",
        container: container,
        name: name,
        hmacSHA256: Self.mac
      )
      #expect(isSigned, "\(text)")
    }
  }

  @Test("a malformed signature is refused, and a missing one differently")
  func malformedSignature() {
    let good = [
      "sig": String(repeating: "A", count: 43) + "=", "sv": "2021-12-02", "sr": "b",
      "se": "2027-01-15T08:00:00Z", "sp": "r",
    ]
    func code(_ change: (String, String?)) -> String? {
      var fields = good
      fields[change.0] = change.1
      return refusal { () throws(BlobRefusal) in _ = try BlobSignature(query: fields) }
    }
    #expect(code(("sp", "r")) == nil)
    #expect(code(("sig", nil)) == "NoAuthenticationInformation")
    for change in [
      ("sig", "x"), ("sig", "AAAA"), ("sv", nil), ("sv", "2018-11-09"), ("sv", "latest"),
      ("sr", nil), ("sr", "s"), ("se", nil), ("se", "soon"), ("st", "soon"), ("si", "policy"),
      ("sip", "10.0.0.1"), ("rscd", "x"),
    ] as [(String, String?)] {
      #expect(code(change) == "AuthenticationFailed", "\(change)")
    }
  }

  private func refusal(_ body: () throws(BlobRefusal) -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return error.code
    }
  }
}

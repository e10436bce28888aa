import ByteIO
import JSONTree
import Testing
import UpdateEngine

@Suite("TUF 1.0.34 section 4: metadata")
struct TUFMetadataTests {
  private typealias Fixture = TUFFixture

  @Test(
    "canonical JSON",
    arguments: [
      (
        #"{"b":1,"a":[ true , null,{"y":-5,"x":"z"}]}"#,
        #"{"a":[true,null,{"x":"z","y":-5}],"b":1}"#
      ),
      (#""\u0001\n\"\\\/\u00e9""#, "\"\u{1}\n\\\"\\\\/\u{e9}\""),
      (#"{"\ud83d\ude00":1,"\uffee":2,"a":3}"#, "{\"a\":3,\"\u{FFEE}\":2,\"\u{1F600}\":1}"),
      ("123456789012345678901234567890", "123456789012345678901234567890"), ("{}", "{}"),
      ("[]", "[]"), ("0", "0"),
    ]
  )
  func canonical(text: String, expected: String) throws {
    #expect(CanonicalJSON.bytes(try JSON.parse(text)) == Array(expected.utf8))
  }

  @Test(
    "numbers that are no integers have no canonical form",
    arguments: ["1.0", "1e3", "-0", "[0.5]"]
  )
  func floats(text: String) throws {
    #expect(CanonicalJSON.bytes(try JSON.parse(text)) == nil)
  }

  @Test(
    "times",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:34:56Z", 951_827_696),
      ("2027-01-15T08:00:00Z", 1_800_000_000), ("9999-12-31T23:59:59Z", 253_402_300_799),
      ("2001-02-29T00:00:00Z", nil), ("1969-12-31T23:59:59Z", nil), ("2000-13-01T00:00:00Z", nil),
      ("2000-00-01T00:00:00Z", nil), ("2000-01-00T00:00:00Z", nil), ("2000-01-01T24:00:00Z", nil),
      ("2000-01-01T00:60:00Z", nil), ("2000-01-01T00:00:60Z", nil), ("2000-01-01 00:00:00Z", nil),
      ("2000-01-01T00:00:00", nil), ("2000-01-01T00:00:00.5Z", nil), ("2000-1-01T00:00:000Z", nil),
      ("+000-01-01T00:00:00Z", nil), ("", nil),
    ] as [(String, Int64?)]
  )
  func times(text: String, seconds: Int64?) {
    #expect(TUFTime.seconds(text) == seconds)
    if let seconds { #expect(TUFTime.text(seconds) == text) }
  }

  @Test("a time reads back as it was written, over centuries")
  func timesRoundTrip() {
    for seconds in stride(from: Int64(0), to: 20_000_000_000, by: 86_399 * 97) {
      #expect(TUFTime.seconds(TUFTime.text(seconds)) == seconds)
    }
  }

  /// A root that is changed in one place and signed anew.
  private static func fault(_ change: (inout JSONObject) throws -> Void) throws -> TUFFault? {
    let fixture = try Fixture()
    var signed = try #require(try JSON.parse(fixture.firstRoot)["signed"]?.objectValue)
    try change(&signed)
    let message = CanonicalJSON.bytes(.object(signed)) ?? []
    let signatures = ["r1", "r2"].map { name -> JSONValue in
      let signature = Hex.encode(TestCrypto.signature(Fixture.key(name), message))
      return ["keyid": .string(Fixture.identifier(name)), "sig": .string(signature)]
    }
    let bytes = JSON.bytes(["signed": .object(signed), "signatures": .array(signatures)])
    do throws(TUFFault) {
      _ = try TUFClient(root: bytes, crypto: Fixture.crypto)
      return nil
    } catch {
      return error
    }
  }

  @Test("each field of a root is checked")
  func rootFields() throws {
    #expect(try Self.fault { _ in } == nil)
    #expect(try Self.fault { $0["note"] = ["future": true] } == nil)
    let wrong: [(String, JSONValue?)] = [
      ("_type", "snapshot"), ("_type", nil), ("version", 0), ("version", -1), ("version", "1"),
      ("version", nil), ("expires", "tomorrow"), ("expires", nil), ("expires", 5),
      ("consistent_snapshot", "yes"), ("keys", nil), ("keys", []), ("keys", ["a": 1]),
      ("roles", nil), ("roles", [:]),
    ]
    for (field, value) in wrong {
      let fault = try Self.fault { $0[field] = value }
      #expect(fault == .malformed(file: "root.json", field: field), "\(String(describing: value))")
    }
    #expect(try Self.fault { $0["version"] = .double(1.5) } == .notAnInteger(file: "root.json"))
    for text in ["2.0.0", "0.9", "", "1", "10.0"] {
      let fault = try Self.fault { $0["spec_version"] = .string(text) }
      #expect(fault == .specificationVersion(file: "root.json", text))
    }
    #expect(try Self.fault { $0["spec_version"] = "1.0.99" } == nil)
    let roleFields: [(String, JSONValue)] = [("threshold", 0), ("threshold", -1), ("keyids", 5)]
    for (field, value) in roleFields {
      let fault = try Self.fault { signed in
        var roles = try #require(signed["roles"]?.objectValue)
        var role = try #require(roles["targets"]?.objectValue)
        role[field] = value
        roles["targets"] = .object(role)
        signed["roles"] = .object(roles)
      }
      #expect(fault == .malformed(file: "root.json", field: field))
    }
  }

  @Test("a key's identifier is its digest")
  func keyIdentifiers() throws {
    let fault = try Self.fault { signed in
      var keys = try #require(signed["keys"]?.objectValue)
      keys["00"] = keys.values[0]
      signed["keys"] = .object(keys)
    }
    #expect(fault == .keyID("00"))
  }

  @Test("a file's frame is checked before anything in it")
  func frames() throws {
    let good = try Fixture().firstRoot
    let text = String(decoding: good, as: UTF8.self)
    let entry = #"{"keyid":"aa","sig":"00"}"#
    let rows: [(String, TUFFault)] = [
      ("{}", .malformed(file: "root.json", field: "signed")),
      (#"{"signed":{}}"#, .malformed(file: "root.json", field: "signatures")),
      (#"{"signed":{},"signatures":{}}"#, .malformed(file: "root.json", field: "signatures")),
      (#"{"signed":{},"signatures":[1]}"#, .malformed(file: "root.json", field: "signatures")),
      (
        #"{"signed":{},"signatures":[{"keyid":"a","sig":"0"}]}"#,
        .malformed(file: "root.json", field: "signatures")
      ),
      (
        "{\"signed\":{},\"signatures\":[\(entry),\(entry)]}",
        .repeatedSignature(file: "root.json", keyID: "aa")
      ),
    ]
    for (text, expected) in rows {
      #expect(throws: expected) {
        _ = try TUFClient(root: Array(text.utf8), crypto: Fixture.crypto)
      }
    }
    let many = (0..<65).map { "{\"keyid\":\"\($0)\",\"sig\":\"00\"}" }.joined(separator: ",")
    #expect(throws: TUFFault.malformed(file: "root.json", field: "signatures")) {
      _ = try TUFClient(
        root: Array("{\"signed\":{},\"signatures\":[\(many)]}".utf8),
        crypto: Fixture.crypto
      )
    }
    let long = Array(text.utf8) + [UInt8](repeating: 0x20, count: 512 << 10)
    #expect(throws: TUFFault.tooLong(file: "root.json", limit: 512 << 10)) {
      _ = try TUFClient(root: long, crypto: Fixture.crypto)
    }
    let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
    #expect(throws: TUFFault.self) {
      _ = try TUFClient(root: Array(deep.utf8), crypto: Fixture.crypto)
    }
  }

  @Test("row 25: bytes changed, cut or doubled anywhere never pass, in any file")
  func mutations() throws {
    let fixture = try Fixture.filled()
    var generator = SeededGenerator(seed: 11)
    for name in ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"] {
      let good = try #require(fixture.files[name == "2.root.json" ? "1.root.json" : name])
      for _ in 0..<150 {
        var bytes = good
        let place = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes.removeLast(bytes.count - place)
        case 2: bytes.remove(at: place)
        default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        }
        var broken = fixture
        broken.put([.init(name: name, bytes: bytes)])
        var store = TUFStore()
        // A blank more, or the case of a hexadecimal digit, is another spelling of the same.
        if (try? store.update(broken)) != nil {
          let one = try JSON.parse(bytes)["signed"]
          #expect(one == (try JSON.parse(good)["signed"]))
        }
      }
    }
  }

  @Test("texts with line feeds and other marks, as PEM has them, are read back")
  func texts() throws {
    let names = ["-----BEGIN PUBLIC KEY-----\nAA==\n", "\u{1}\"\\\u{7F}\u{1F600}", "\t"]
    let root = Fixture.root(root: names)
    let (repository, file) = try TUFRepository.begin(root, Fixture.crypto) { key, message in
      TestCrypto.signature(key, message)
    }
    let client = try TUFClient(root: file.bytes, crypto: Fixture.crypto)
    #expect(client.root == repository.root)
  }

  @Test("the owner's side publishes no root that a client refuses")
  func owner() {
    for root in [
      Fixture.root(timestamp: ["t1", "t1"]), Fixture.root(0), Fixture.root(root: ["r1"]),
    ] {
      #expect(throws: TUFFault.self) { _ = try Fixture(root) }
    }
  }

  @Test("unknown schemes and key types never sign")
  func unknownSchemes() throws {
    for (type, scheme) in [("ed25519", "rsassa-pss-sha256"), ("rsa", "ed25519"), ("x", "y")] {
      let fault = try Self.fault { signed in
        let key: JSONObject = [
          "keytype": .string(type), "scheme": .string(scheme), "keyval": ["public": "r1"],
        ]
        let canonical = try #require(CanonicalJSON.bytes(.object(key)))
        let name = Hex.encode(TestCrypto().digest(canonical, .sha256))
        var keys = try #require(signed["keys"]?.objectValue)
        keys[name] = .object(key)
        signed["keys"] = .object(keys)
        var roles = try #require(signed["roles"]?.objectValue)
        roles["root"] = ["keyids": [.string(name)], "threshold": 1]
        signed["roles"] = .object(roles)
      }
      #expect(fault == .threshold(file: "root.json", needed: 1, found: 0))
    }
  }
}

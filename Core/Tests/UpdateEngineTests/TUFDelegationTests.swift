import JSONTree
import Testing
import UpdateEngine

@Suite("TUF 1.0.34 section 5.6.7: delegations")
struct TUFDelegationTests {
  private typealias Fixture = TUFFixture

  private static func delegation(
    _ name: String,
    _ patterns: [String],
    terminating: Bool = false,
    key: String = "a1"
  ) -> TUFDelegation {
    TUFDelegation(
      name: name,
      signers: Fixture.signers([key], 1),
      isTerminating: terminating,
      paths: .patterns(patterns)
    )
  }

  private static func role(
    _ paths: [String],
    _ delegations: [TUFDelegation] = []
  ) -> TUFTargets {
    var targets = Fixture.targets(paths)
    targets.delegations = delegations
    targets.keys = Fixture.keyed(["a1", "a2"])
    return targets
  }

  private static func found(_ roles: [String: TUFTargets], _ path: String) throws -> String? {
    var fixture = try Fixture()
    try fixture.publish(roles)
    var store = TUFStore()
    var client = try store.update(fixture)
    let step = try client.search(path)
    switch try store.follow(step, &client, fixture.files) {
    case .found(let finding): return finding.role
    case .notFound, .fetch, .current: return nil
    }
  }

  @Test("the first role that is trusted with a path decides")
  func order() throws {
    let roles = [
      "targets": Self.role(
        ["top"],
        [Self.delegation("one", ["x/*"]), Self.delegation("two", ["x/*", "y"])]
      ),
      "one": Self.role(["x/a"]), "two": Self.role(["x/a", "x/b", "y", "z"]),
    ]
    let rows: [(String, String?)] = [
      ("top", "targets"), ("x/a", "one"), ("x/b", "two"), ("y", "two"), ("z", nil), ("x/a/b", nil),
    ]
    for (path, role) in rows { #expect(try Self.found(roles, path) == role, "\(path)") }
  }

  @Test("a terminating delegation is the last word, for its paths alone")
  func terminating() throws {
    let roles = [
      "targets": Self.role(
        [],
        [Self.delegation("one", ["x/*"], terminating: true), Self.delegation("two", ["*/*"])]
      ),
      "one": Self.role([]), "two": Self.role(["x/a", "y/a"]),
    ]
    #expect(try Self.found(roles, "x/a") == nil)
    #expect(try Self.found(roles, "y/a") == "two")
  }

  @Test("the search is depth first, and a terminating role below ends it too")
  func depth() throws {
    let roles = [
      "targets": Self.role([], [Self.delegation("one", ["*"]), Self.delegation("two", ["*"])]),
      "one": Self.role([], [Self.delegation("deep", ["*"])]),
      "deep": Self.role(["a"]), "two": Self.role(["a", "b"]),
    ]
    #expect(try Self.found(roles, "a") == "deep")
    #expect(try Self.found(roles, "b") == "two")
    var ended = roles
    ended["one"]?.delegations[0].isTerminating = true
    #expect(try Self.found(ended, "b") == nil)
  }

  @Test("roles that delegate to each other end the search, and so do too many")
  func bounded() throws {
    let circle = [
      "targets": Self.role([], [Self.delegation("one", ["*"])]),
      "one": Self.role([], [Self.delegation("two", ["*"])]),
      "two": Self.role([], [Self.delegation("one", ["*"])]),
    ]
    #expect(try Self.found(circle, "a") == nil)
    var chain = ["targets": Self.role([], [Self.delegation("r1", ["*"])])]
    for index in 1...40 {
      chain["r\(index)"] = Self.role([], [Self.delegation("r\(index + 1)", ["*"])])
    }
    chain["r30"]?.targets["a"] = Fixture.target("a")
    chain["r35"]?.targets["b"] = Fixture.target("b")
    chain["r41"] = Self.role([])
    #expect(try Self.found(chain, "a") == "r30")
    #expect(try Self.found(chain, "b") == nil)
  }

  @Test("row 41: a team's key signs for its paths and for nothing else, and goes alone")
  func teams() throws {
    var fixture = try Fixture()
    let top = Self.role(
      ["system"],
      [
        Self.delegation("pumps", ["pump/*"], key: "a1"),
        Self.delegation("fans", ["fan/*"], key: "a2"),
      ]
    )
    try fixture.publish([
      "targets": top, "pumps": Self.role(["pump/1", "fan/1", "system"]),
      "fans": Self.role(["fan/2"]),
    ])
    var store = TUFStore()
    var client = try store.update(fixture)
    for (path, isThere) in [("pump/1", true), ("fan/1", false), ("fan/2", true)] {
      let next = try store.follow(client.search(path), &client, fixture.files)
      #expect((next != .notFound) == isThere, "\(path)")
    }
    guard case .found(let finding) = try client.search("system").next else {
      Issue.record("not found")
      return
    }
    #expect(finding.role == "targets")
    // The team's key is taken out: its file does not verify any more, the others' still do.
    var next = top
    next.delegations[0].signers = Fixture.signers(["a2"], 1)
    try fixture.publish(["targets": next])
    client = try store.update(fixture)
    #expect(throws: TUFFault.threshold(file: "pumps.json", needed: 1, found: 0)) {
      _ = try store.follow(client.search("pump/1"), &client, fixture.files)
    }
    guard case .found = try store.follow(client.search("fan/2"), &client, fixture.files) else {
      Issue.record("the other team lost its role")
      return
    }
  }

  @Test("paths by the beginning of their hash")
  func prefixes() throws {
    var delegation = Self.delegation("bin", [])
    let digest = TestCrypto().digest(Array("a".utf8), .sha256)
    let text = digest.prefix(2).map { byte in
      let digits = Array("0123456789abcdef")
      return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
    }.joined()
    for (prefixes, role) in [
      ([text], "bin"), (["", "zz"], "bin"), ([String(text.dropLast()) + "g"], nil), ([], nil),
    ] as [([String], String?)] {
      delegation.paths = .hashPrefixes(prefixes)
      let roles = ["targets": Self.role([], [delegation]), "bin": Self.role(["a"])]
      #expect(try Self.found(roles, "a") == role)
    }
  }

  @Test("a role's name can be no path, nor one of the repository's own")
  func names() throws {
    var fixture = try Fixture()
    let name = "../a b/\u{e9}"
    try fixture.publish([
      "targets": Self.role([], [Self.delegation(name, ["*"])]), name: Self.role(["a"]),
    ])
    var store = TUFStore()
    var client = try store.update(fixture)
    _ = try store.follow(client.search("a"), &client, fixture.files)
    #expect(store.asked.last == "1...%2Fa%20b%2F%C3%A9.json")
    #expect(store.stored["..%2Fa%20b%2F%C3%A9.json"] != nil)
    for role in ["root", "timestamp", "snapshot", "targets", ""] {
      var fixture = try Fixture()
      let top = Self.role([], [Self.delegation(role, ["*"])])
      #expect(throws: TUFFault.malformed(file: "targets.json", field: "name")) {
        try fixture.publish(["targets": top])
      }
    }
  }

  @Test(
    "patterns",
    arguments: [
      ("targets/*.tgz", "targets/foo.tgz", true), ("targets/*.tgz", "targets/foo.txt", false),
      ("foo-version-?.tgz", "foo-version-2.tgz", true),
      ("foo-version-?.tgz", "foo-version-alpha.tgz", false), ("*.tgz", "foo.tgz", true),
      ("*.tgz", "targets/foo.tgz", false), ("foo.tgz", "foo.tgz", true),
      ("foo.tgz", "Foo.tgz", false), ("*", "", true), ("?", "", false), ("a*b*c", "aXbXc", true),
      ("a*b*c", "aXbX", false), ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false), ("[a-c]x", "bx", true),
      ("[a-c]x", "dx", false), ("[!a-c]x", "dx", true), ("[!a-c]x", "ax", false),
      ("[]]", "]", true),
      ("[a", "[a", true), ("[", "[", true), ("[!", "[!", true), ("a/*", "a/b/c", false),
      ("*/*", "a/b", true), ("", "", true), ("a", "", false), ("**", "abc", true),
      ("[!/]", "/", false), ("\u{e9}?", "\u{e9}\u{1F600}", true), ("[a-]", "-", true),
    ]
  )
  func patterns(pattern: String, path: String, matches: Bool) {
    #expect(TUFPathPattern.matches(pattern, path) == matches)
  }

  @Test("a hostile pattern costs no more than the product of both lengths")
  func hostilePattern() {
    let pattern = String(repeating: "*[ab", count: 250) + String(repeating: "*a", count: 250)
    #expect(!TUFPathPattern.matches(pattern + "b", String(repeating: "a", count: 1000)))
  }
}

import ByteIO
import JSONTree
import Testing
import UpdateEngine

@Suite("TUF 1.0.34 section 5: the client's workflow")
struct TUFClientTests {
  private typealias Fixture = TUFFixture

  @Test("files are asked for in order, with a limit, and stored before the next one")
  func order() throws {
    let fixture = try Fixture.filled()
    var store = TUFStore()
    var client = try store.update(fixture)
    #expect(
      store.asked == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    )
    #expect(store.stored.keys.sorted() == ["snapshot.json", "targets.json", "timestamp.json"])
    guard case .found(let finding) = try client.search("b/c").next else {
      Issue.record("not found")
      return
    }
    let hash = Hex.encode(TestCrypto().digest(Array("b/c".utf8), .sha256))
    #expect(finding.names == ["b/\(hash).c"] && finding.role == "targets")
    #expect(finding.target.custom == ["release": 7])
    try finding.target.check(Array("b/c".utf8), path: "b/c", TestCrypto())
    #expect(try client.search("z").next == .notFound)
    // The next update needs no more than the two files that have no version in front.
    _ = try store.update(fixture)
    #expect(store.asked == ["2.root.json", "timestamp.json"])
  }

  @Test("the limit of a fetch is the signed length, or the role's")
  func limits() throws {
    let fixture = try Fixture.filled()
    var client = try fixture.client()
    #expect(
      client.begin(now: Fixture.now).next
        == .fetch(.init(name: "2.root.json", maximumBytes: 512 << 10, isOptional: true))
    )
    #expect(
      try client.absent().next
        == .fetch(.init(name: "timestamp.json", maximumBytes: 16 << 10, isOptional: false))
    )
    let bytes = try #require(fixture.files["timestamp.json"])
    let size = try #require(fixture.files["1.snapshot.json"]).count
    #expect(
      try client.receive(bytes).next
        == .fetch(.init(name: "1.snapshot.json", maximumBytes: size, isOptional: false))
    )
  }

  @Test("without consistent snapshots names have no version")
  func plainNames() throws {
    var fixture = try Fixture(Fixture.root(isConsistent: false))
    try fixture.publish(["targets": Fixture.targets(["a"])])
    var store = TUFStore()
    var client = try store.update(fixture)
    #expect(store.asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"])
    guard case .found(let finding) = try client.search("a").next else {
      Issue.record("not found")
      return
    }
    #expect(finding.names == ["a"])
  }

  @Test("row 49: a device that was away walks the whole chain of roots")
  func chain() throws {
    var fixture = try Fixture.filled()
    // Every root key is another one in the end; the first device knows none of them.
    let steps: [[String]] = [["r2", "r3", "r4"], ["r3", "r4", "r5"], ["r4", "r5", "r6"]]
    fixture.keys.formUnion(["r4", "r5", "r6"])
    for (index, names) in steps.enumerated() {
      let expires = index == 2 ? Fixture.late : 1
      try fixture.rotate(Fixture.root(Int64(index + 2), expires: expires, root: names))
    }
    var store = TUFStore()
    let client = try store.update(fixture)
    #expect(client.root.head.version == 4)
    #expect(store.stored["root.json"] == fixture.files["4.root.json"])
    var gap = fixture
    gap.remove("3.root.json")
    #expect(TUFStore().fault(gap) == .expired(file: "root.json", seconds: 1))
  }

  @Test("a chain longer than the limit is walked on in the next update")
  func longChain() throws {
    var fixture = try Fixture.filled()
    for version in 2...9 as ClosedRange<Int64> {
      try fixture.rotate(Fixture.root(version, expires: version == 9 ? Fixture.late : 1))
    }
    var limits = TUFLimits()
    limits.rootCount = 3
    var store = TUFStore()
    for expected in [4, 7, 9] as [Int64] {
      var client = try TUFClient(
        root: store.stored["root.json"] ?? fixture.firstRoot,
        stored: store.stored,
        crypto: Fixture.crypto,
        limits: limits
      )
      let first = client.begin(now: Fixture.now)
      let next = try? store.follow(first, &client, fixture.files)
      #expect(client.root.head.version == expected)
      #expect((next == .current) == (expected == 9))
    }
  }

  @Test("rows 9 and 10: a root needs the thresholds of both, the former and its own")
  func rootThresholds() throws {
    var fixture = try Fixture.filled()
    fixture.keys.formUnion(["x1", "x2"])
    let owner = fixture.keys
    let stolen = Fixture.root(2, root: ["x1", "x2"])
    for present in [["x1", "x2"], ["x1", "x2", "r1"], ["r1", "r2", "x1"]] {
      fixture.keys = Set(present + ["t1", "s1", "g1", "g2"])
      #expect(throws: TUFFault.self) { try fixture.rotate(stolen) }
    }
    // The same, past the owner's own check: signatures taken away from a good one.
    fixture.keys = owner
    try fixture.rotate(stolen)
    let good = try #require(fixture.files["2.root.json"])
    for (dropped, found) in [(["x1"], 1), (["x1", "x2"], 0), (["r1", "r2"], 1)] {
      let ids = Set(dropped.map(Fixture.identifier))
      var broken = fixture
      broken.put([.init(name: "2.root.json", bytes: try Self.without(ids, good))])
      let fault = TUFStore().fault(broken)
      #expect(fault == .threshold(file: "root.json", needed: 2, found: found))
    }
    #expect(TUFStore().fault(fixture) == nil)
  }

  private static func without(_ ids: Set<String>, _ bytes: [UInt8]) throws -> [UInt8] {
    var object = try #require(try JSON.parse(bytes).objectValue)
    let kept = object["signatures"]?.arrayValue?.filter {
      !ids.contains($0["keyid"]?.stringValue ?? "")
    }
    object["signatures"] = .array(kept ?? [])
    return JSON.bytes(.object(object))
  }

  @Test("row 2: no earlier set of metadata is taken any more, whichever file of it comes")
  func rollback() throws {
    var fixture = try Fixture.filled()
    var states = [fixture]
    for number in 2...4 {
      try fixture.publish(["targets": Fixture.targets(["a", "v\(number)"])])
      states.append(fixture)
    }
    var store = TUFStore()
    for (index, state) in states.enumerated() {
      _ = try store.update(state)
      for (earlier, old) in states[..<index].enumerated() {
        #expect(
          store.fault(old)
            == .rollback(
              file: "timestamp.json",
              version: Int64(earlier + 1),
              trusted: Int64(index + 1)
            )
        )
      }
      #expect(store.fault(state) == nil)
    }
  }

  @Test("row 3: what is over its time is refused, and only just")
  func freeze() throws {
    let end = Fixture.now + 100
    typealias Change = (inout TUFFixture) throws(TUFFault) -> Void
    func fault(_ make: Change, _ now: Int64) throws -> TUFFault? {
      var fixture = try Fixture.filled()
      try make(&fixture)
      return TUFStore().fault(fixture, now: now)
    }
    let stamp = { (fixture: inout TUFFixture) throws(TUFFault) in try fixture.stamp(end) }
    let snapshot = { (fixture: inout TUFFixture) throws(TUFFault) in
      try fixture.publish([:], snapshot: end)
    }
    let targets = { (fixture: inout TUFFixture) throws(TUFFault) in
      try fixture.publish(["targets": TUFFixture.targets(["a"], expires: end)])
    }
    let root = { (fixture: inout TUFFixture) throws(TUFFault) in
      try fixture.rotate(TUFFixture.root(2, expires: end))
    }
    for (file, make) in [
      ("timestamp.json", stamp), ("snapshot.json", snapshot), ("targets.json", targets),
      ("root.json", root),
    ] as [(String, Change)] {
      #expect(try fault(make, end - 1) == nil)
      #expect(try fault(make, end) == .expired(file: file, seconds: end))
    }
  }

  @Test("row 3: a server that keeps serving the last good state is found out in time")
  func frozen() throws {
    var fixture = try Fixture.filled()
    try fixture.stamp(Fixture.now + 100)
    var store = TUFStore()
    let client = try store.update(fixture)
    #expect(client.timestamp?.head.expires == Fixture.now + 100)
    #expect(
      store.fault(fixture, now: Fixture.now + 100)
        == .expired(file: "timestamp.json", seconds: Fixture.now + 100)
    )
    try fixture.stamp(Fixture.now + 200)
    #expect(store.fault(fixture, now: Fixture.now + 150) == nil)
  }

  @Test("row 4: files of two states never come together")
  func mixAndMatch() throws {
    let old = try Fixture.filled()
    var new = old
    try new.publish(["targets": Fixture.targets(["new"])])
    for name in ["2.snapshot.json", "2.targets.json"] {
      var mixed = new
      let former = try #require(old.files[name.replacing("2.", with: "1.")])
      mixed.put([.init(name: name, bytes: former)])
      let fault = TUFStore().fault(mixed)
      let file = String(name.dropFirst(2))
      #expect(fault == .wrongHash(file: file) || fault.map(Self.isLength) == true)
    }
  }

  private static func isLength(_ fault: TUFFault) -> Bool {
    switch fault {
    case .wrongLength, .tooLong: true
    default: false
    }
  }

  @Test("row 7: versions that a thief drove up are forgotten when the keys change")
  func fastForward() throws {
    var owner = try Fixture.filled()
    var thief = owner
    for _ in 0..<20 { try thief.publish(["targets": Fixture.targets(["thief"])]) }
    var store = TUFStore()
    _ = try store.update(thief)
    try owner.publish(["targets": Fixture.targets(["owner"])])
    #expect(store.fault(owner) == .rollback(file: "timestamp.json", version: 2, trusted: 21))
    // A new key beside the old one is enough to say so.
    owner.keys.formUnion(["t2", "s2"])
    try owner.rotate(Fixture.root(2, timestamp: ["t1", "t2"], snapshot: ["s2"]))
    try owner.publish(["targets": Fixture.targets(["owner"])])
    var client = try store.update(owner)
    guard case .found = try client.search("owner").next else {
      Issue.record("not found")
      return
    }
    #expect(try client.search("thief").next == .notFound)
  }

  @Test("row 8: with the keys of timestamp and snapshot alone nothing new can be installed")
  func onlineKeys() throws {
    let fixture = try Fixture.filled()
    var thief = fixture
    thief.keys = ["t1", "s1", "g1"]
    #expect(throws: TUFFault.threshold(file: "targets.json", needed: 2, found: 1)) {
      try thief.publish(["targets": Fixture.targets(["evil"])])
    }
    try thief.publish([:])
    #expect(TUFStore().fault(thief) == nil)
  }

  @Test("an update that fails leaves what was trusted, and the next one goes through")
  func recovers() throws {
    var fixture = try Fixture.filled()
    var store = TUFStore()
    _ = try store.update(fixture)
    let before = store.stored
    try fixture.publish(["targets": Fixture.targets(["more"])])
    var broken = fixture
    broken.remove("2.targets.json")
    var copy = store
    #expect(throws: TUFFault.missing(file: "targets.json")) { _ = try copy.update(broken) }
    #expect(copy.stored["targets.json"] == before["targets.json"])
    var client = try copy.update(fixture)
    guard case .found = try client.search("more").next else {
      Issue.record("not found")
      return
    }
  }

  @Test("stored files that decayed count as none; a decayed root is refused")
  func decayed() throws {
    let fixture = try Fixture.filled()
    var store = TUFStore()
    _ = try store.update(fixture)
    for name in ["timestamp.json", "snapshot.json", "targets.json"] {
      var copy = store
      copy.stored[name]?[30] ^= 1
      #expect(copy.fault(fixture) == nil)
      copy.stored[name] = []
      #expect(copy.fault(fixture) == nil)
    }
    store.stored["root.json"] = Array(fixture.firstRoot.dropLast())
    #expect(store.fault(fixture) != nil)
  }

  @Test("what was not asked for is refused")
  func notAsked() throws {
    let fixture = try Fixture.filled()
    var client = try fixture.client()
    #expect(throws: TUFFault.notAsked) { _ = try client.receive([]) }
    #expect(throws: TUFFault.notAsked) { _ = try client.absent() }
    #expect(throws: TUFFault.notAsked) { _ = try client.search("a") }
    _ = client.begin(now: Fixture.now)
    #expect(throws: TUFFault.notAsked) { _ = try client.search("a") }
  }

  @Test("one key under two names signs once")
  func distinctKeys() throws {
    // The same public value with a field that nobody knows: another identifier, the same key.
    let key = Fixture.key("r1")
    var twin = key.json
    twin["note"] = "twin"
    let canonical = try #require(CanonicalJSON.bytes(.object(twin)))
    let other = Hex.encode(TestCrypto().digest(canonical, .sha256))
    let first = try JSON.parse(Fixture().firstRoot)
    var signed = try #require(first["signed"]?.objectValue)
    var keys = try #require(signed["keys"]?.objectValue)
    keys[other] = .object(twin)
    signed["keys"] = .object(keys)
    var roles = try #require(signed["roles"]?.objectValue)
    roles["root"] = [
      "keyids": .array([.string(Fixture.identifier("r1")), .string(other)]), "threshold": 2,
    ]
    signed["roles"] = .object(roles)
    let message = try #require(CanonicalJSON.bytes(.object(signed)))
    let signature = JSONValue.string(Hex.encode(TestCrypto.signature(key, message)))
    let bytes = JSON.bytes([
      "signed": .object(signed),
      "signatures": [
        ["keyid": .string(Fixture.identifier("r1")), "sig": signature],
        ["keyid": .string(other), "sig": signature],
      ],
    ])
    #expect(throws: TUFFault.threshold(file: "root.json", needed: 2, found: 1)) {
      _ = try TUFClient(root: bytes, crypto: Fixture.crypto)
    }
  }
}

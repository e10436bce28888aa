import ByteIO
import HubContract
import HubEngine
import JSONTree
import QueryLanguage
import Simulation
import Testing

@Suite("Queries that an index narrows (contract §7.7)")
struct IndexedQueryTests {
  /// Values that are easily confused with each other.
  private static let values = [
    "1", "1.0", "10e-1", "0", "-0.0", "'1'", "''", "'a'", "'A'", "'\u{e9}'", "'e\u{301}'", "true",
    "false", "null", "9007199254740993", "9007199254740992.0", "-3",
  ]
  private static let names = ["a", "b", "c"]

  /// Mostly one of a few, so that conditions find something.
  private func valueText(_ random: inout SeededGenerator) -> String {
    let common = Int.random(in: 0..<10, using: &random) < 7
    return (common ? ["1", "1.0", "'a'", "true"] : Self.values).randomElement(using: &random) ?? "1"
  }

  /// Random twins of devices and modules, changed many times over.
  private func hub(_ random: inout SeededGenerator) throws -> TestHub {
    var hub = TestHub()
    var keys: [IdentityKey] = []
    for index in 0..<32 {
      let id = "d\(index)"
      keys.append(try hub.device(id).key)
      if index % 2 == 0 { keys.append(try hub.module(id, "m").key) }
    }
    for _ in 0..<300 {
      guard let key = keys.randomElement(using: &random) else { continue }
      let change = object(&random, depth: 0)
      switch Int.random(in: 0..<8, using: &random) {
      case 0...2: try update(&hub, key, TwinUpdate(tags: .set(change)))
      case 3, 4: try update(&hub, key, TwinUpdate(desired: .set(change)))
      case 5: try update(&hub, key, TwinUpdate(tags: .set(change)), replacing: true)
      default: _ = try hub.engine.patchReported(key, .object(change), now: hub.now)
      }
    }
    // One twin with more tags than are listed one by one.
    let many = JSONObject((0..<300).map { (key: "n\($0)", value: JSONValue.int(1)) })
    try update(&hub, keys[0], TwinUpdate(tags: .set(many)))
    return hub
  }

  private func update(
    _ hub: inout TestHub,
    _ key: IdentityKey,
    _ update: TwinUpdate,
    replacing: Bool = false
  ) throws {
    _ = try hub.engine.updateTwin(
      key,
      update,
      replacing: replacing,
      ifMatch: .any,
      now: hub.now
    )
  }

  private func object(_ random: inout SeededGenerator, depth: Int) -> JSONObject {
    var object = JSONObject()
    for name in Self.names where Bool.random(using: &random) {
      object[name] = value(&random, depth: depth)
    }
    return object
  }

  private func value(_ random: inout SeededGenerator, depth: Int) -> JSONValue {
    if depth < 2, Int.random(in: 0..<4, using: &random) == 0 {
      return .object(object(&random, depth: depth + 1))
    }
    let text = valueText(&random)
      .split(separator: "'", omittingEmptySubsequences: false)
    if text.count == 3 { return .string(String(text[1])) }
    // Numbers that twins do not take are only asked for.
    let known = (try? JSON.parse(String(text[0]))) ?? .null
    if case .number(let number) = known, abs(number.double) > 4e15 { return .array([1, "a"]) }
    return known
  }

  /// A random condition, of which some parts are in an index and some are not.
  private func condition(_ random: inout SeededGenerator) -> String {
    let parts = (0..<Int.random(in: 1...2, using: &random)).map { _ in
      let path =
        (["tags", "properties.desired", "properties.reported"].randomElement(using: &random)
          ?? "tags") + "."
        + (["a", "b", "c", "a", "b", "c", "a.b", "b.a", "n7", "c[0]", "$version"].randomElement(
          using: &random
        )
          ?? "a")
      let value = valueText(&random)
      let other = valueText(&random)
      return switch Int.random(in: 0..<9, using: &random) {
      case 0...3: "\(path) = \(value)"
      case 4: "\(value) = \(path)"
      case 5: "\(path) IN [\(value), \(other)]"
      case 6: "(\(path) = \(value) OR \(path) = \(other))"
      case 7: "\(path) > \(value)"
      default: "\(path) != \(value)"
      }
    }
    return parts.joined(separator: " AND ")
  }

  @Test(
    "find what looking at every twin finds, in the same order",
    arguments: 1...12 as ClosedRange
  )
  func likeFullSearch(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let hub = try hub(&random)
    let devices = hub.engine.storage.tables.devices.keys.sorted()
    let modules = hub.engine.storage.tables.modules.keys.sorted()
    var answers = 0
    for _ in 0..<80 {
      let (source, keys) =
        Bool.random(using: &random)
        ? ("devices", devices.map { IdentityKey(deviceID: $0) }) : ("devices.modules", modules)
      let text = "SELECT * FROM \(source) WHERE \(condition(&random))"
      let query = try TwinQuery(text)
      var expected: [JSONValue] = []
      for key in keys {
        let twin = try hub.twin(key)
        if query.matches(twin) { expected.append(twin) }
      }
      answers += expected.count
      for size in [2, 100] {
        #expect(try rows(hub, text, size: size) == expected, "\(text), \(size) a page")
      }
    }
    #expect(answers > 30, "the conditions hardly found anything")
  }

  private func rows(_ hub: TestHub, _ text: String, size: Int) throws -> [JSONValue] {
    var rows: [JSONValue] = []
    var continuation: String?
    repeat {
      let page = try hub.engine.view.query(
        text,
        pageSize: size,
        continuation: continuation,
        facts: { _ in ConnectionFacts() }
      )
      #expect(page.count <= size)
      rows += try JSON.parse(page.body).arrayValue ?? []
      continuation = page.continuation
    } while continuation != nil
    return rows
  }

  @Test("equal values have one fingerprint, others have others")
  func fingerprints() throws {
    func all(_ tags: String, module: String? = nil) -> Set<PropertyFingerprint> {
      PropertyFingerprint.all(
        in: TwinRecord(key: IdentityKey(deviceID: "d", moduleID: module), tags: [UInt8](tags.utf8))
      )
    }
    #expect(all(#"{"a":1}"#) == all(#"{"a":1.0}"#))
    #expect(all(#"{"a":0}"#) == all(#"{"a":-0.0}"#))
    let different = [
      #"{"a":1}"#, #"{"a":"1"}"#, #"{"a":true}"#, #"{"a":false}"#, #"{"b":1}"#, #"{"a":{"a":1}}"#,
      #"{"a":""}"#, #"{"a":"\u00e9"}"#, #"{"a":"e\u0301"}"#,
    ]
    #expect(different.reduce(into: Set()) { $0.formUnion(all($1)) }.count == different.count)
    for none in ["{}", #"{"a":null}"#, #"{"a":[1]}"#, #"{"a":{}}"#] { #expect(all(none) == []) }
    #expect(all(#"{"a":1}"#, module: "m").isDisjoint(with: all(#"{"a":1}"#)))
    #expect(all(#"{"a":1,"b":{"c":2,"d":[3]}}"#).count == 2)
    let many = "{" + (0..<257).map { "\"n\($0)\":1" }.joined(separator: ",") + "}"
    #expect(all(many).count == 1, "a section with very many properties counts as one entry")
    // These are in databases.
    #expect(all(#"{"site":"north"}"#).map(\.rawValue) == [14_089_504_914_837])
    #expect(all(#"{"n":1.5}"#, module: "m").map(\.rawValue) == [77_619_535_669_973])
  }

  @Test("a change names what came and what went, section by section")
  func changes() throws {
    var old = TwinRecord(key: IdentityKey(deviceID: "d"), tags: [UInt8](#"{"a":1,"b":2}"#.utf8))
    old.reported.properties = [UInt8](#"{"a":1}"#.utf8)
    var new = old
    new.tags = [UInt8](#"{"a":1,"b":3}"#.utf8)
    let change = PropertyFingerprint.changes(from: old, to: new)
    #expect(change.removed.count == 1)
    #expect(change.added.count == 1)
    #expect(change.added.isSubset(of: PropertyFingerprint.all(in: new)))
    #expect(change.removed.isDisjoint(with: PropertyFingerprint.all(in: new)))
    #expect(PropertyFingerprint.changes(from: new, to: new).added == [])
    #expect(PropertyFingerprint.changes(from: old, to: nil).removed.count == 3)
  }

  @Test("a long search ends its page early, and the pages together find everything")
  func longSearch() throws {
    var hub = TestHub()
    for index in 0..<1200 { _ = try hub.device("d\(index)") }
    try update(&hub, IdentityKey(deviceID: "d99"), TwinUpdate(tags: .set(["last": true])))
    var pages = 0
    var found = 0
    var continuation: String?
    repeat {
      let page = try hub.engine.view.query(
        "SELECT * FROM devices WHERE deviceEtag = 'none' OR tags.last = true",
        pageSize: 100,
        continuation: continuation,
        facts: { _ in ConnectionFacts() }
      )
      pages += 1
      found += page.count
      continuation = page.continuation
    } while continuation != nil
    #expect(found == 1)
    #expect(pages > 1)
  }
}

import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Who may connect to an edge (edge contract 5.2, 9.3)")
struct EdgeScopeTests {
  private static let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
  private static let page: JSONValue = [
    "devices": [
      [
        "deviceId": "edge", "generationId": "1", "capabilities": ["iotEdge": true],
        "deviceScope": "s-edge", "authentication": sas,
      ],
      [
        "deviceId": "leaf", "generationId": "2", "deviceScope": "s-edge",
        "parentScopes": ["s-edge"], "authentication": sas,
      ],
      [
        "deviceId": "off", "generationId": "3", "status": "disabled", "parentScopes": ["s-edge"],
        "authentication": sas,
      ],
      [
        "deviceId": "child", "generationId": "4", "capabilities": ["iotEdge": true],
        "deviceScope": "s-child", "parentScopes": ["s-edge"], "authentication": sas,
      ],
      [
        "deviceId": "grand", "generationId": "5", "parentScopes": ["s-child"],
        "authentication": sas,
      ],
    ],
    "modules": [
      [
        "deviceId": "edge", "moduleId": "filter", "generationId": "6", "managedBy": "IotEdge",
        "authentication": sas,
      ],
      ["deviceId": "child", "moduleId": "$edgeHub", "generationId": "7", "authentication": sas],
    ],
    "continuationLink": nil,
  ]
  private static let sas: JSONValue = [
    "type": "sas", "symmetricKey": ["primaryKey": .string(key), "secondaryKey": .string(key)],
  ]

  private func scope() throws -> EdgeScope {
    var scope = EdgeScope(edgeID: "edge")
    let page = try ScopePage(json: Self.page)
    #expect(page.faults.isEmpty && page.continuation == nil)
    let changed = scope.replace(by: page.entries)
    #expect(changed.isEmpty)
    return scope
  }

  @Test("those that are named may connect, others and disabled ones not")
  func allowed() throws {
    let scope = try scope()
    #expect(scope.count == 7)
    for (device, module, expected) in [
      ("leaf", nil, true), ("off", nil, false), ("other", nil, false), ("edge", "filter", true),
      ("edge", "gone", false), ("off", "filter", false), ("grand", nil, true),
      ("child", "$edgeHub", true),
    ] as [(String, String?, Bool)] {
      #expect(scope.isAllowed(IdentityKey(deviceID: device, moduleID: module)) == expected)
    }
  }

  @Test("what is stored is read again as it was")
  func stored() throws {
    let scope = try scope()
    let again = try ScopePage(json: try JSON.parse(JSON.bytes(ScopePage.json(scope.all))))
    var second = EdgeScope(edgeID: "edge")
    _ = second.replace(by: again.entries)
    let changed = second.replace(by: Array(scope.all))
    #expect(changed.isEmpty)
    #expect(second.count == scope.count)
  }

  @Test("an entry that cannot be read is left out; what is no page is refused")
  func malformed() throws {
    let page = try ScopePage(
      json: [
        "devices": [["deviceId": "a"], ["deviceId": "b b", "generationId": "1"], 5],
        "modules": [["deviceId": "a", "moduleId": "m"]],
      ]
    )
    #expect(page.entries.isEmpty)
    #expect(page.faults.count == 4)
    for json in [5, [:], ["devices": nil]] as [JSONValue] {
      #expect(throws: HubError.self) { try ScopePage(json: json) }
    }
  }

  @Test("a refresh names whose entry has changed or gone")
  func changes() throws {
    var scope = try scope()
    var entries = Array(scope.all).filter { $0.key.deviceID != "grand" }
    for index in entries.indices {
      if case .device(var device) = entries[index], device.deviceID == "leaf" {
        device.status = .disabled
        entries[index] = .device(device)
      }
    }
    let changed = scope.replace(by: entries)
    #expect(Set(changed.map(\.clientID)) == ["leaf", "grand"])
    #expect(!scope.isAllowed(IdentityKey(deviceID: "leaf")))
    let leaf = IdentityKey(deviceID: "leaf")
    let gone = scope.update(leaf, by: [], now: Instant(nanoseconds: 1))
    #expect(gone == [leaf])
    let none = scope.update(leaf, by: [], now: Instant(nanoseconds: 1))
    #expect(none.isEmpty)
  }

  @Test("the hub above is asked for one identity once in two minutes")
  func looks() throws {
    var scope = EdgeScope(edgeID: "edge")
    let (one, other) = (IdentityKey(deviceID: "a"), IdentityKey(deviceID: "b"))
    let start = Instant(nanoseconds: 5)
    for (identity, milliseconds, expected) in [
      (one, 0, true), (one, 119_999, false), (other, 119_999, true), (one, 120_000, true),
      (other, 120_000, false),
    ] as [(IdentityKey, UInt64, Bool)] {
      let may = scope.mayLook(for: identity, now: start.adding(milliseconds: milliseconds))
      #expect(may == expected)
    }
  }

  @Test("of an edge that was heard of alone, or was stored, not all is known")
  func listed() throws {
    var scope = EdgeScope(edgeID: "edge")
    let entries = try ScopePage(json: Self.page).entries
    scope.restore(entries)
    #expect(scope.count == 7 && !scope.isListed("edge") && !scope.isListed("child"))
    _ = scope.replace(by: entries.filter { $0.key.deviceID != "child" })
    #expect(scope.isListed("edge"))
    let child = IdentityKey(deviceID: "child")
    let found = entries.filter { $0.key == child }
    _ = scope.update(child, by: found, now: Instant(nanoseconds: 1))
    #expect(scope.isAllowed(child) && !scope.isListed("child"))
    _ = scope.replace(by: entries)
    #expect(scope.isListed("child") && !scope.isListed("leaf"))
    _ = scope.replace(by: entries, keepingBelow: ["child"])
    #expect(!scope.isListed("child"))
  }

  @Test("a look that was not answered does not count, and edges below may look sooner")
  func failedLooks() {
    var scope = EdgeScope(edgeID: "edge")
    let key = IdentityKey(deviceID: "a")
    let start = Instant(nanoseconds: 5)
    var may = scope.mayLook(for: key, now: start)
    scope.lookFailed(for: key)
    may = may && scope.mayLook(for: key, now: start)
    #expect(may)
    may = scope.mayLook(for: key, now: start.adding(milliseconds: 60_000), pause: 60_001)
    #expect(!may)
    may = scope.mayLook(for: key, now: start.adding(milliseconds: 60_000), pause: 60_000)
    #expect(may)
  }

  @Test("a module that is not there leaves its device as it is")
  func unknownModule() throws {
    var scope = try scope()
    let changed = scope.update(
      IdentityKey(deviceID: "edge", moduleID: "gone"),
      by: [],
      now: Instant(nanoseconds: 1)
    )
    #expect(changed.isEmpty)
    #expect(scope.isAllowed(IdentityKey(deviceID: "edge", moduleID: "filter")))
  }

  @Test("what was learnt of one identity meanwhile is newer than a list")
  func newer() throws {
    var scope = try scope()
    let list = Array(scope.all)
    let (leaf, grand) = (IdentityKey(deviceID: "leaf"), IdentityKey(deviceID: "grand"))
    let begun = Instant(nanoseconds: 100)
    _ = scope.update(grand, by: [], now: Instant(nanoseconds: 50))
    _ = scope.update(leaf, by: [], now: Instant(nanoseconds: 150))
    let changed = scope.replace(by: list, begun: begun)
    #expect(changed.isEmpty)
    #expect(!scope.isAllowed(leaf))
    #expect(scope.isAllowed(grand))
    let entry = try ScopeEntry(device: Self.page["devices"]?.arrayValue?[1] ?? .null)
    _ = scope.update(leaf, by: [entry], now: Instant(nanoseconds: 250))
    _ = scope.replace(by: list.filter { $0.key != leaf }, begun: Instant(nanoseconds: 200))
    #expect(scope.isAllowed(leaf))
    // With the next list that is over.
    _ = scope.replace(by: list.filter { $0.key != leaf }, begun: Instant(nanoseconds: 200))
    #expect(!scope.isAllowed(leaf))
  }

  @Test("below an edge that is disabled everybody stays known, and nobody may connect")
  func disabledEdge() throws {
    var scope = try scope()
    var entries = Array(scope.all).filter { $0.key.deviceID != "grand" }
    for index in entries.indices {
      if case .device(var device) = entries[index], device.deviceID == "child" {
        device.status = .disabled
        entries[index] = .device(device)
      }
    }
    let changed = scope.replace(by: entries, keepingBelow: ["child"])
    #expect(changed == [IdentityKey(deviceID: "child")])
    let grand = IdentityKey(deviceID: "grand")
    #expect(scope.device("grand") != nil)
    #expect(!scope.isAllowed(grand))
    #expect(scope.standing(of: grand, below: "child") == nil)
  }

  @Test("the chain leads from a child up to this edge, or there is none")
  func chains() throws {
    let scope = try scope()
    for (device, module, expected) in [
      ("leaf", nil, ["leaf", "edge"]), ("edge", nil, ["edge"]),
      ("edge", "filter", ["edge/filter", "edge"]), ("grand", nil, ["grand", "child", "edge"]),
      ("child", "$edgeHub", ["child/$edgeHub", "child", "edge"]), ("other", nil, nil),
    ] as [(String, String?, [String]?)] {
      let chain = scope.chain(from: IdentityKey(deviceID: device, moduleID: module))
      #expect(chain == expected)
    }
  }
}

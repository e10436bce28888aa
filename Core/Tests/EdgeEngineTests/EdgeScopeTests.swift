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
    var scope = EdgeScope()
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
      ("edge", "gone", false), ("off", "filter", false),
    ] as [(String, String?, Bool)] {
      #expect(scope.isAllowed(IdentityKey(deviceID: device, moduleID: module)) == expected)
    }
  }

  @Test("what is stored is read again as it was")
  func stored() throws {
    let scope = try scope()
    let again = try ScopePage(json: try JSON.parse(JSON.bytes(ScopePage.json(scope.all))))
    var second = EdgeScope()
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
    let gone = scope.update(leaf, by: [])
    #expect(gone == [leaf])
    let none = scope.update(leaf, by: [])
    #expect(none.isEmpty)
  }

  @Test("the hub above is asked for one identity once in two minutes")
  func looks() throws {
    var scope = EdgeScope()
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

  @Test("the chain leads from a child up to this edge, or there is none")
  func chains() throws {
    let scope = try scope()
    for (device, module, expected) in [
      ("leaf", nil, ["leaf", "edge"]), ("edge", nil, ["edge"]),
      ("edge", "filter", ["edge/filter", "edge"]), ("grand", nil, ["grand", "child", "edge"]),
      ("child", "$edgeHub", ["child/$edgeHub", "child", "edge"]), ("other", nil, nil),
    ] as [(String, String?, [String]?)] {
      let chain = scope.chain(from: IdentityKey(deviceID: device, moduleID: module), to: "edge")
      #expect(chain == expected)
    }
  }
}

import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Edges below an edge (edge contract 5.2, 9.3)")
struct EdgesBelowTests {
  /// top ── mid ── low ── leaf, and beside them another edge with a leaf of its own.
  private static let devices: [(id: String, parent: String?, isEdge: Bool)] = [
    ("top", nil, true), ("mid", "top", true), ("low", "mid", true), ("leaf", "low", false),
    ("other", "top", true), ("stranger", "other", false), ("near", "top", false),
  ]
  private static let modules = [
    ("top", "m"), ("mid", "$edgeHub"), ("low", "$edgeHub"), ("low", "filter"),
    ("other", "$edgeHub"),
  ]
  private static let sas: JSONValue = [
    "type": "sas",
    "symmetricKey": [
      "primaryKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      "secondaryKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ],
  ]

  private func scope(disabled: String? = nil) throws -> EdgeScope {
    var entries: [ScopeEntry] = []
    for device in Self.devices {
      var json: JSONObject = [
        "deviceId": .string(device.id), "generationId": "1", "authentication": Self.sas,
        "capabilities": ["iotEdge": .bool(device.isEdge)],
        "status": device.id == disabled ? "disabled" : "enabled",
      ]
      if device.isEdge { json["deviceScope"] = .string("s-\(device.id)") }
      if let parent = device.parent { json["parentScopes"] = .array([.string("s-\(parent)")]) }
      entries.append(try ScopeEntry(device: .object(json)))
    }
    for (device, module) in Self.modules {
      entries.append(
        try ScopeEntry(
          module: [
            "deviceId": .string(device), "moduleId": .string(module), "generationId": "1",
            "authentication": Self.sas,
          ]
        )
      )
    }
    var scope = EdgeScope(edgeID: "top")
    _ = scope.replace(by: entries)
    return scope
  }

  @Test("an edge hub acts for those below its device and for its modules, and for nobody else")
  func standing() throws {
    let scope = try scope()
    for (child, edge, expected) in [
      ("leaf", "mid", ["leaf", "low", "mid"]), ("leaf", "low", ["leaf", "low"]),
      ("low/filter", "mid", ["low/filter", "low", "mid"]),
      ("low/filter", "low", ["low/filter", "low"]), ("low", "mid", ["low", "mid"]),
      ("mid", "mid", nil), ("stranger", "mid", nil), ("near", "mid", nil), ("top/m", "mid", nil),
      ("mid", "low", nil), ("nobody", "mid", nil), ("low/none", "mid", nil),
    ] as [(String, String, [String]?)] {
      let key = try #require(IdentityKey(clientID: child))
      #expect(scope.standing(of: key, below: edge) == expected, "\(child) below \(edge)")
    }
    for disabled in ["leaf", "low", "mid"] {
      let scope = try self.scope(disabled: disabled)
      #expect(scope.standing(of: IdentityKey(deviceID: "leaf"), below: "mid") == nil)
    }
  }

  @Test("a chain of a user name is checked link by link")
  func actingEdge() throws {
    let scope = try scope()
    for (child, chain, expected) in [
      ("leaf", ["leaf", "low"], "low"), ("leaf", ["leaf", "low", "mid"], "mid"),
      ("leaf", ["leaf", "low", "mid", "mid/$edgeHub"], "mid"),
      ("leaf", ["leaf", "low", "mid/$edgeHub"], "mid"),
      ("low/filter", ["low/filter", "low", "mid"], "mid"),
      ("low/filter", ["low/filter", "low"], "low"),
      ("leaf", ["leaf"], nil), ("leaf", ["leaf", "mid"], nil), ("leaf", ["leaf", "other"], nil),
      ("leaf", ["low", "mid"], nil), ("leaf", ["leaf", "low", "mid", "top"], nil),
      ("leaf", [], nil), ("leaf", ["leaf", "low", "low"], nil),
      ("stranger", ["stranger", "mid"], nil), ("near", ["near", "top"], nil),
      ("low/none", ["low/none", "low", "mid"], nil), ("mid", ["mid"], nil),
    ] as [(String, [String], String?)] {
      let key = try #require(IdentityKey(clientID: child))
      #expect(scope.actingEdge(for: key, authChain: chain) == expected, "\(chain)")
    }
    let off = try self.scope(disabled: "low")
    let leaf = IdentityKey(deviceID: "leaf")
    #expect(off.actingEdge(for: leaf, authChain: ["leaf", "low", "mid"]) == nil)
  }

  @Test("a chain of a request leads from an edge device to the caller")
  func target() throws {
    let scope = try scope()
    for (chain, actor, expected) in [
      ("mid", "mid", "mid"), ("low;mid", "mid", "low"), ("low/$edgeHub;low;mid", "mid", "low"),
    ] {
      #expect(try scope.target(authChain: chain, actor: actor) == expected)
    }
    for (chain, actor, code) in [
      ("", "mid", HubErrorCode.argumentNull), (";", "mid", .invalidDeviceScope),
      ("low", "mid", .invalidDeviceScope), ("leaf;low;mid", "mid", .invalidDeviceScope),
      ("other;mid", "mid", .invalidDeviceScope), ("other", "mid", .invalidDeviceScope),
      ("mid;low;mid", "mid", .invalidDeviceScope), ("mid;top", "top", .invalidDeviceScope),
      ("low/$edgeHub;mid", "mid", .invalidDeviceScope), ("a b;mid", "mid", .invalidDeviceScope),
      ("low;low;mid", "mid", .invalidDeviceScope),
      (String(repeating: "low;", count: 20) + "mid", "mid", .invalidDeviceScope),
    ] {
      #expect {
        try scope.target(authChain: chain, actor: actor)
      } throws: { error in
        (error as? HubError)?.code == code
      }
    }
    let off = try self.scope(disabled: "low")
    #expect(throws: HubError.self) { try off.target(authChain: "low;mid", actor: "mid") }
  }

  @Test("pages give an edge below itself, its modules and its children, and nobody else's")
  func pages() throws {
    let scope = try scope()
    func names(_ page: (entries: [ScopeEntry], last: String?)) -> [String] {
      page.entries.map(\.key.clientID)
    }
    #expect(names(scope.page(of: "mid", after: nil, limit: 10)) == ["mid", "mid/$edgeHub", "low"])
    let first = scope.page(of: "top", after: nil, limit: 2)
    #expect(names(first) == ["top", "top/m", "mid", "near"])
    #expect(first.last == "near")
    let second = scope.page(of: "top", after: first.last, limit: 2)
    #expect(names(second) == ["other"])
    #expect(second.last == nil)
    let exact = scope.page(of: "top", after: nil, limit: 3)
    #expect(exact.last == nil)
  }

  @Test("one identity is given to those above it alone")
  func identities() throws {
    let scope = try scope()
    for (key, edge, expected) in [
      ("leaf", "mid", ["leaf"]), ("low/filter", "mid", ["low", "low/filter"]),
      ("mid", "mid", ["mid"]),
      ("mid/$edgeHub", "mid", ["mid", "mid/$edgeHub"]), ("stranger", "mid", nil),
      ("top/m", "mid", nil), ("low/none", "mid", nil), ("mid", "low", nil),
    ] as [(String, String, [String]?)] {
      let target = try #require(IdentityKey(clientID: key))
      #expect(scope.entries(of: target, below: edge)?.map(\.key.clientID) == expected, "\(key)")
    }
    for (key, expected) in [
      ("leaf", true), ("low", true), ("mid/$edgeHub", true), ("mid", true), ("near", false),
      ("top/m", false), ("top", false), ("nobody", false),
    ] {
      let target = try #require(IdentityKey(clientID: key))
      #expect(scope.isBehindAnotherEdge(target) == expected, "\(key)")
    }
  }
}

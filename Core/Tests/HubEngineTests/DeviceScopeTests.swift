import HubContract
import HubEngine
import Testing

@Suite("The scope of an edge device (contract §3.10)")
struct DeviceScopeTests {
  /// `top` has the leaf `leaf` and the edge device `mid`, which has the leaf `low` and the edge device
  /// `end`; `else` and `stray` are elsewhere.
  private func plant() throws -> TestHub {
    var hub = TestHub()
    let top = try hub.device("top", isEdge: true)
    let mid = try nested(&hub, "mid", below: top)
    _ = try nested(&hub, "end", below: mid)
    _ = try hub.device("leaf", scope: top.deviceScope)
    _ = try hub.device("low", scope: mid.deviceScope)
    _ = try hub.device("else", isEdge: true)
    _ = try hub.device("stray")
    _ = try hub.module("mid", "m")
    _ = try hub.module("leaf", "m")
    return hub
  }

  private func nested(
    _ hub: inout TestHub,
    _ id: String,
    below parent: DeviceIdentity
  ) throws -> DeviceIdentity {
    try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: id, isEdge: true, parentScopes: [parent.deviceScope ?? ""]),
      ifMatch: .absent,
      now: hub.now
    )
  }

  private func names(_ page: DeviceScopePage) -> [String] {
    page.devices.map(\.identity.deviceID) + page.modules.map { "\($0.identity.key)" }
  }

  @Test("the edge device, its own modules, its direct children")
  func scope() throws {
    let hub = try plant()
    let rows: [(String, [String])] = [
      ("top", ["top", "leaf", "mid", "top/$edgeAgent", "top/$edgeHub"]),
      ("mid", ["mid", "end", "low", "mid/$edgeAgent", "mid/$edgeHub", "mid/m"]),
      ("end", ["end", "end/$edgeAgent", "end/$edgeHub"]),
    ]
    for (edge, expected) in rows {
      let page = try hub.engine.view.scope(of: edge, after: nil, limit: 100)
      #expect(names(page) == expected)
      #expect(page.last == nil)
    }
    for (id, expected) in [
      ("stray", .invalidDeviceScope), ("nobody", .deviceNotFound),
    ] as [(String, HubErrorCode)] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.view.scope(of: id, after: nil, limit: 100)
      }
      #expect(answer == expected)
    }
  }

  @Test("pages tell every child once, the edge device and its modules on the first alone")
  func pages() throws {
    var hub = TestHub()
    let edge = try hub.device("e", isEdge: true)
    for number in 0..<7 { _ = try hub.device("c\(number)", scope: edge.deviceScope) }
    for limit in 1...8 {
      var found: [String] = []
      var last: String?
      repeat {
        let page = try hub.engine.view.scope(of: "e", after: last, limit: limit)
        #expect(page.modules.count == (last == nil ? 2 : 0))
        #expect(page.devices.count <= limit + (last == nil ? 1 : 0))
        found += page.devices.map(\.identity.deviceID)
        last = page.last
      } while last != nil
      #expect(found == ["e"] + (0..<7).map { "c\($0)" }, "\(limit)")
    }
  }

  @Test(
    "a chain leads from child to parent to the caller",
    arguments: [
      ("top", "top", "top"), ("top/$edgeHub;top", "top", "top"), ("mid;top", "top", "mid"),
      ("end;mid;top", "top", "end"), ("end/$edgeHub;end;mid;top", "top", "end"),
      ("end;mid;", "mid", "end"), ("mid/m;mid;top", "top", "mid"),
      // Not to the caller, not by parents, not by edge devices, not without gaps.
      ("end;mid", "top", nil), ("mid", "top", nil), ("end;top", "top", nil),
      ("top;mid", "mid", nil), ("leaf;top", "top", nil), ("leaf/m;leaf;top", "top", nil),
      ("else;top", "top", nil), ("nobody;top", "top", nil), ("mid/m;top", "top", nil),
      ("end/$edgeHub;mid;top", "top", nil), ("top;top", "top", nil), ("mid/m", "top", nil),
      ("mid;mid/m;top", "top", nil), (" top", "top", nil), ("TOP", "top", nil),
      (String(repeating: "mid;", count: 40) + "top", "top", nil),
    ] as [(String, String, String?)]
  )
  func chain(text: String, actor: String, expected: String?) throws {
    let hub = try plant()
    var found: String?
    let answer = code { () throws(HubError) in
      found = try hub.engine.view.edgeDevice(authChain: text, actor: actor).deviceID
    }
    #expect(found == expected)
    #expect(answer == (expected == nil ? .invalidDeviceScope : nil))
  }

  @Test(
    "an edge hub connects for its device's modules and for what is below, by the whole chain",
    arguments: [
      ("leaf", "leaf;top", "top"), ("mid", "mid;top", "top"), ("low", "low;mid;top", "top"),
      ("low", "low;mid", "mid"), ("end", "end;mid;top", "top"), ("mid/m", "mid/m;mid;top", "top"),
      ("mid/m", "mid/m;mid", "mid"), ("leaf/m", "leaf/m;leaf;top", "top"),
      ("leaf", "leaf;top/$edgeHub", "top"), ("leaf", "leaf;top;top/$edgeHub", "top"),
      ("top/$edgeAgent", "top/$edgeAgent;top", "top"),
      // The device of the edge hub itself, somebody else's chain, gaps, strangers, no edge device.
      ("top", "top", nil), ("top", "top;top/$edgeHub", nil), ("leaf", "mid;top", nil),
      ("leaf", "leaf", nil), ("leaf/m", "leaf/m;leaf", nil), ("leaf/m", "leaf/m;top", nil),
      ("low", "low;top", nil), ("leaf", "leaf;mid", nil), ("stray", "stray;top", nil),
      ("nobody", "nobody;top", nil), ("leaf", "leaf;else", nil), ("leaf", "", nil),
      ("mid", "mid;top;mid", nil), ("leaf", "leaf;leaf;top", nil), ("leaf", "leaf;top/m", nil),
    ] as [(String, String, String?)]
  )
  func acting(client: String, text: String, expected: String?) throws {
    let hub = try plant()
    let key = try #require(IdentityKey(clientID: client))
    let chain = text.split(separator: ";").map(String.init)
    var found: String?
    let answer = code { () throws(HubError) in
      found = try hub.engine.view.actingEdgeDevice(for: key, authChain: chain).deviceID
    }
    #expect(found == expected)
    #expect(answer == (expected == nil ? .invalidDeviceScope : nil))
  }

  @Test(
    "an edge hub sends for its device's modules and for what is below, all of it enabled",
    arguments: [
      ("leaf", "top", true), ("mid", "top", true), ("low", "top", true), ("low", "mid", true),
      ("end", "top", true), ("mid/m", "top", true), ("leaf/m", "top", true),
      ("top/$edgeAgent", "top", true), ("top", "top", false), ("stray", "top", false),
      ("nobody", "top", false), ("leaf", "else", false), ("leaf", "mid", false),
      ("top", "mid", false), ("leaf/none", "top", false),
    ] as [(String, String, Bool)]
  )
  func sending(client: String, edge: String, isAllowed: Bool) throws {
    var hub = try plant()
    let key = try #require(IdentityKey(clientID: client))
    var found: ChildStanding?
    func ask() -> HubErrorCode? {
      found = nil
      return code { () throws(HubError) in
        found = try hub.engine.view.standing(of: key, below: edge)
      }
    }
    #expect(ask() == (isAllowed ? nil : .invalidDeviceScope))
    guard isAllowed else { return }
    let row = try hub.engine.view.device(key.deviceID).identity
    let module = try key.moduleID.map { _ in try hub.engine.view.module(key).identity }
    let standing = try #require(found)
    #expect(standing.generationID == module?.generationID ?? row.generationID)
    let chain = standing.authChain
    #expect(try hub.engine.view.actingEdgeDevice(for: key, authChain: chain).deviceID == edge)
    let disabled = DeviceIdentityRequest(
      deviceID: row.deviceID,
      status: .disabled,
      isEdge: row.isEdge,
      deviceScope: row.isEdge ? nil : row.deviceScope,
      parentScopes: row.parentScopes
    )
    _ = try hub.engine.putDevice(disabled, ifMatch: .any, now: hub.now)
    #expect(ask() == .invalidDeviceScope)
  }

  @Test("an empty chain is 400005")
  func emptyChain() throws {
    let hub = try plant()
    for text in ["", ";", ";;"] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.view.edgeDevice(authChain: text, actor: "top")
      }
      #expect(answer == .argumentNull, "\(text)")
    }
  }

  @Test("a disabled edge device breaks the chain, and stays visible from above")
  func disabled() throws {
    var hub = try plant()
    let top = try hub.engine.view.device("top").identity
    _ = try hub.engine.putDevice(
      DeviceIdentityRequest(
        deviceID: "mid",
        status: .disabled,
        isEdge: true,
        parentScopes: [top.deviceScope ?? ""]
      ),
      ifMatch: .any,
      now: hub.now
    )
    for text in ["mid;top", "end;mid;top"] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.view.edgeDevice(authChain: text, actor: "top")
      }
      #expect(answer == .invalidDeviceScope)
    }
    let page = try hub.engine.view.scope(of: "top", after: nil, limit: 10)
    #expect(page.devices.first { $0.identity.deviceID == "mid" }?.identity.status == .disabled)
  }

  @Test("one identity in the scope, however deep; all others are 400028 alike")
  func identity() throws {
    let hub = try plant()
    let rows: [(String, String, [String]?)] = [
      ("leaf", "top", ["leaf"]), ("top", "top", ["top"]), ("low", "top", ["low"]),
      ("low", "mid", ["low"]), ("leaf/m", "top", ["leaf", "leaf/m"]),
      ("mid/$edgeHub", "top", ["mid", "mid/$edgeHub"]), ("mid/m", "mid", ["mid", "mid/m"]),
      ("leaf", "mid", nil), ("top", "mid", nil), ("stray", "top", nil), ("else", "top", nil),
      ("nobody", "top", nil), ("leaf/none", "top", nil), ("else/$edgeHub", "top", nil),
      ("low", "end", nil),
    ]
    for (target, edge, expected) in rows {
      let parts = target.split(separator: "/").map(String.init)
      let key = IdentityKey(deviceID: parts[0], moduleID: parts.count > 1 ? parts[1] : nil)
      var found: [String]?
      let answer = code { () throws(HubError) in
        found = names(try hub.engine.view.identity(key, inScopeOf: edge))
      }
      #expect(found == expected, "\(target) in \(edge)")
      #expect(answer == (expected == nil ? .invalidDeviceScope : nil), "\(target) in \(edge)")
    }
  }

  @Test("a child that moved away is in the scope no more")
  func moved() throws {
    var hub = try plant()
    let other = try hub.engine.view.device("else").identity
    _ = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "leaf", deviceScope: other.deviceScope),
      ifMatch: .any,
      now: hub.now
    )
    #expect(
      names(try hub.engine.view.scope(of: "top", after: nil, limit: 9)).contains("leaf") == false
    )
    #expect(names(try hub.engine.view.scope(of: "else", after: nil, limit: 9)).contains("leaf"))
    let answer = code { () throws(HubError) in
      _ = try hub.engine.view.identity(IdentityKey(deviceID: "leaf"), inScopeOf: "top")
    }
    #expect(answer == .invalidDeviceScope)
  }
}

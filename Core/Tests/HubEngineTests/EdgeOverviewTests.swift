import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Edge devices as operators see them")
struct EdgeOverviewTests {
  private static func away(_: IdentityKey) -> ConnectionFacts { ConnectionFacts() }

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

  @Test("deployment and modules are what the agent's twin says")
  func health() throws {
    var hub = TestHub()
    _ = try hub.device("gate", isEdge: true)
    let agent = IdentityKey(deviceID: "gate", moduleID: ModuleID.edgeAgent)
    let before = try hub.engine.view.edge("gate", facts: Self.away)
    #expect(before.deployment.code == nil && !before.deployment.isApplied)
    #expect(before.modules.isEmpty && before.children?.isEmpty == true)
    try hub.patch(
      agent,
      """
      {"properties":{"desired":{"systemModules":{"edgeAgent":{},"edgeHub":{"status":"running"}},
      "modules":{"a":{"status":"running","settings":{"image":"a:1"}},"b":{"status":"stopped"},
      "c":{"status":"running"}}}}}
      """
    )
    let version = try hub.engine.view.edge("gate", facts: Self.away).deployment.desiredVersion
    func report(_ version: UInt64, _ code: Int) throws {
      let text = """
        {"lastDesiredVersion":\(version),"lastDesiredStatus":{"code":\(code),"description":"x"},
        "systemModules":{"edgeAgent":{"runtimeStatus":"running"},"edgeHub":{"runtimeStatus":"running"}},
        "modules":{"a":{"runtimeStatus":"backoff","restartCount":7,"exitCode":3},
        "b":{"runtimeStatus":"stopped"},"old":{"runtimeStatus":"running"}}}
        """
      _ = try hub.engine.patchReported(agent, json(text), now: hub.now)
    }
    try report(version, 200)
    let edge = try hub.engine.view.edge("gate") { key in
      ConnectionFacts(isConnected: key == agent)
    }
    #expect(edge.deployment.isApplied)
    #expect(edge.agent.isConnected && !edge.hub.isConnected)
    #expect(edge.modules.map(\.name) == ["edgeAgent", "edgeHub", "a", "b", "c", "old"])
    #expect(edge.unwellCount == 2, "a crashes, c is not there")
    let crashing = try #require(edge.modules.first { $0.name == "a" })
    #expect(crashing.restartCount == 7 && crashing.exitCode == 3 && crashing.image == "a:1")
    #expect(edge.modules.last?.desiredStatus == nil)
    try report(version - 1, 200)
    #expect(try !hub.engine.view.edge("gate", facts: Self.away).deployment.isApplied)
    try report(version, 500)
    #expect(try !hub.engine.view.edge("gate", facts: Self.away).deployment.isApplied)
  }

  @Test("all devices below are told, each behind its parent")
  func tree() throws {
    var hub = TestHub()
    let top = try hub.device("top", isEdge: true)
    let mid = try nested(&hub, "mid", below: top)
    _ = try nested(&hub, "end", below: mid)
    _ = try hub.device("leaf", scope: top.deviceScope)
    _ = try hub.device("low", scope: mid.deviceScope)
    _ = try hub.device("stray")
    let edge = try hub.engine.view.edge("top", facts: Self.away)
    let children = try #require(edge.children)
    #expect(children.map(\.deviceID) == ["leaf", "mid", "end", "low"])
    #expect(children.map(\.parentID) == ["top", "top", "mid", "mid"])
    #expect(edge.childCount == 2)
    #expect(try hub.engine.view.edge("mid", facts: Self.away).parentID == "top")
    for (id, expected) in [
      ("stray", .invalidDeviceScope), ("nobody", .deviceNotFound),
    ] as [(String, HubErrorCode)] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.view.edge(id, facts: Self.away)
      }
      #expect(answer == expected)
    }
  }

  @Test("pages list every edge device once, and no other device")
  func pages() throws {
    var hub = TestHub()
    for number in 0..<9 { _ = try hub.device("d\(number)", isEdge: number % 2 == 0) }
    for size in 1...6 {
      var found: [String] = []
      var continuation: String?
      repeat {
        let page = try hub.engine.view.edges(
          pageSize: size,
          continuation: continuation,
          facts: Self.away
        )
        #expect(page.edges.count <= size)
        found += page.edges.map(\.deviceID)
        continuation = page.continuation
      } while continuation != nil
      #expect(found == ["d0", "d2", "d4", "d6", "d8"], "pages of \(size)")
    }
    let answer = code { () throws(HubError) in
      _ = try hub.engine.view.edges(pageSize: 1, continuation: "x", facts: Self.away)
    }
    #expect(answer == .argumentInvalid)
  }
}

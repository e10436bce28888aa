import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Edge deployments (contract §7.8)")
struct DeploymentTests {
  private let base = #"""
    {"modulesContent":{"$edgeAgent":{"properties.desired":{"schemaVersion":"1.1","modules":{
    "m":{"image":"m:1"}}}},"$edgeHub":{"properties.desired":{"routes":{"up":"r0"}}},
    "m":{"properties.desired":{"speed":1}}}}
    """#
  private let layer = #"""
    {"modulesContent":{"$edgeAgent":{"properties.desired.modules.f":{"image":"f:1"}},
    "$edgeHub":{"properties.desired.routes.up":"r1","properties.desired.routes.f":"r2"},
    "f":{"properties.desired.level":3}}}
    """#

  private func hub() throws -> TestHub {
    var hub = TestHub()
    _ = try hub.device("e", isEdge: true)
    _ = try hub.device("leaf")
    _ = hub.engine.takeEffects()
    return hub
  }

  @Test("a base sets the modules' twins whole, creates what is missing, and only on edge devices")
  func baseAlone() throws {
    var hub = try hub()
    try hub.patch(
      IdentityKey(deviceID: "e", moduleID: "$edgeHub"),
      #"{"properties":{"desired":{"old":1}}}"#
    )
    try hub.configure("base", base, priority: 1)
    #expect(
      try hub.desired("e", "$edgeAgent")
        == json(#"{"schemaVersion":"1.1","modules":{"m":{"image":"m:1"}}}"#)
    )
    #expect(try hub.desired("e", "$edgeHub") == json(#"{"routes":{"up":"r0"}}"#))
    #expect(try hub.desired("e", "m") == json(#"{"speed":1}"#))
    let module = try hub.engine.view.module(IdentityKey(deviceID: "e", moduleID: "m"))
    #expect(module.identity.managedBy == "iotEdge")
    #expect(module.identity.authentication == .none)
    #expect(try hub.configurations("e", "$edgeAgent") == ["base": "Applied"])
    #expect(try hub.configurations("e") == ["base": "Applied"])
    #expect(try hub.configurations("leaf") == [:])
    #expect(try hub.desired("leaf") == json("{}"))
  }

  @Test("a layer of a higher priority is laid upon the base, and leaves no trace when it goes")
  func layers() throws {
    var hub = try hub()
    try hub.configure("base", base, priority: 1)
    try hub.configure("layer", layer, priority: 2)
    #expect(
      try hub.desired("e", "$edgeAgent")
        == json(
          #"{"schemaVersion":"1.1","modules":{"m":{"image":"m:1"},"f":{"image":"f:1"}}}"#
        )
    )
    #expect(try hub.desired("e", "$edgeHub") == json(#"{"routes":{"up":"r1","f":"r2"}}"#))
    #expect(try hub.desired("e", "f") == json(#"{"level":3}"#))
    #expect(try hub.configurations("e", "$edgeAgent") == ["base": "Applied", "layer": "Applied"])
    try hub.configure("layer", layer, target: "", priority: 2, ifMatch: .any)
    #expect(try hub.desired("e", "$edgeHub") == json(#"{"routes":{"up":"r0"}}"#))
    #expect(try hub.desired("e", "f") == json("{}"))
    #expect(
      try hub.desired("e", "$edgeAgent")
        == json(#"{"schemaVersion":"1.1","modules":{"m":{"image":"m:1"}}}"#)
    )
  }

  @Test(
    "a layer that is not above the base, or has none, waits",
    arguments: [(1 as Int64?, 1 as Int64), (5, 4), (nil, 9)]
  )
  func lowLayers(basePriority: Int64?, layerPriority: Int64) throws {
    var hub = try hub()
    if let basePriority { try hub.configure("base", base, priority: basePriority) }
    try hub.configure("layer", layer, priority: layerPriority)
    #expect(try hub.configurations("e", "$edgeAgent")["layer"] == "Targeted")
    #expect(try hub.desired("e", "f") == nil)
    #expect(try hub.desired("e", "$edgeHub")?["routes"]?["f"] == nil)
  }

  @Test("of two layers the higher one's key wins")
  func twoLayers() throws {
    var hub = try hub()
    try hub.configure("base", base, priority: 1)
    let other =
      #"{"modulesContent":{"$edgeAgent":{},"$edgeHub":{"properties.desired.routes.up":"r9"}}}"#
    try hub.configure("top", other, priority: 3)
    try hub.configure("layer", layer, priority: 2)
    #expect(try hub.desired("e", "$edgeHub") == json(#"{"routes":{"up":"r9","f":"r2"}}"#))
  }

  @Test("the highest base applies alone, then the next")
  func twoBases() throws {
    var hub = try hub()
    let other = #"{"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{}}}}}"#
    try hub.configure("base", base, priority: 1)
    try hub.configure("other", other, priority: 2)
    #expect(try hub.configurations("e") == ["base": "Targeted", "other": "Applied"])
    #expect(try hub.desired("e", "$edgeAgent") == json(#"{"modules":{}}"#))
    #expect(try hub.desired("e", "m") == json("{}"))
    try hub.engine.deleteConfiguration("other", ifMatch: .any)
    try hub.sweep()
    #expect(try hub.desired("e", "$edgeAgent")?["schemaVersion"] == "1.1")
    #expect(try hub.desired("e", "m") == json(#"{"speed":1}"#))
  }

  @Test("the metrics tell what the agents report of the newest version")
  func metrics() throws {
    var hub = try hub()
    for id in ["e2", "e3"] { _ = try hub.device(id, isEdge: true) }
    try hub.configure("base", base, priority: 1)
    for (id, version, code) in [("e", 2, 200), ("e2", 2, 400), ("e3", 1, 200)] {
      _ = try hub.engine.patchReported(
        IdentityKey(deviceID: id, moduleID: "$edgeAgent"),
        json(#"{"lastDesiredVersion":\#(version),"lastDesiredStatus":{"code":\#(code)}}"#),
        now: hub.now
      )
    }
    try hub.commit()
    #expect(
      try hub.metrics("base") == [
        "targetedCount": 3, "appliedCount": 3, "reportedSuccessfulCount": 1,
        "reportedFailedCount": 1,
      ]
    )
  }

  @Test("applyConfigurationContent sets twins once, creates and removes modules")
  func applyOnce() throws {
    var hub = try hub()
    func apply(_ content: String, to id: String = "e") throws(HubError) {
      guard let value = try? json(content) else { return }
      try hub.engine.applyConfigurationContent(
        ConfigurationContent(json: value),
        to: id,
        now: hub.now
      )
    }
    try apply(base)
    #expect(try hub.desired("e", "m") == json(#"{"speed":1}"#))
    _ = try hub.module("e", "own")
    try apply(
      #"{"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{"k":{}}}},"k":{}}}"#
    )
    #expect(try hub.desired("e", "m") == nil)
    #expect(try hub.desired("e", "k") == json("{}"))
    #expect(try hub.desired("e", "own") == json("{}"))
    #expect(try hub.desired("e", "$edgeHub") == json(#"{"routes":{"up":"r0"}}"#))

    let before = hub.engine.storage.tables
    let filler = String(repeating: "f", count: 4096)
    let large = (0..<9).map { "\"properties.desired.f\($0)\":\"\(filler)\"" }.joined(separator: ",")
    for (content, id, expected) in [
      (base, "nobody", HubErrorCode.deviceNotFound),
      (base, "leaf", .argumentInvalid),
      (#"{"deviceContent":{}}"#, "e", .invalidConfigurationContent),
      (#"{"modulesContent":{"m":{}}}"#, "e", .invalidConfigurationContent),
      (#"{"modulesContent":{"$edgeAgent":{},"m":{\#(large)}}}"#, "e", .invalidConfigurationContent),
    ] {
      #expect(code { () throws(HubError) in try apply(content, to: id) } == expected)
    }
    #expect(hub.engine.storage.tables == before)
  }
}

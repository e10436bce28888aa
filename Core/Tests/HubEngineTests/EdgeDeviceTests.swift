import HubContract
import HubEngine
import Testing

@Suite("Edge devices (contract §7.3)")
struct EdgeDeviceTests {
  @Test("an edge device gets its scope and its two modules, whatever scope is sent")
  func create() throws {
    var hub = TestHub()
    let edge = try hub.device("e", isEdge: true, scope: "nonsense")
    #expect(edge.deviceScope == "ms-azure-iot-edge://e-\(edge.generationID)")
    #expect(edge.parentScopes.isEmpty)
    let modules = try hub.engine.view.modules(of: "e").map(\.identity)
    #expect(modules.map(\.moduleID) == ["$edgeAgent", "$edgeHub"])
    for module in modules {
      #expect(module.authentication == Authentication.none)
      #expect(module.managedBy == "iotEdge")
    }
  }

  @Test("on update the own scope may be echoed or left out, not changed")
  func immutableScope() throws {
    var hub = TestHub()
    let edge = try hub.device("e", isEdge: true)
    for (scope, expected) in [
      (edge.deviceScope, nil), (nil, nil), ("ms-azure-iot-edge://e-1", .argumentInvalid),
    ] as [(String?, HubErrorCode?)] {
      let answer = code { () throws(HubError) in
        let device = try hub.engine.putDevice(
          DeviceIdentityRequest(deviceID: "e", isEdge: true, deviceScope: scope),
          ifMatch: .any,
          now: .epoch
        )
        #expect(device.deviceScope == edge.deviceScope)
      }
      #expect(answer == expected)
    }
  }

  @Test("a leaf's scope is its parent's and is repeated in parentScopes")
  func leaf() throws {
    var hub = TestHub()
    let edge = try hub.device("my-edge", isEdge: true)
    let leaf = try hub.device("leaf", scope: edge.deviceScope)
    #expect(leaf.deviceScope == edge.deviceScope)
    #expect(leaf.parentScopes == [edge.deviceScope])
    let orphan = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "orphan", parentScopes: [edge.deviceScope ?? ""]),
      ifMatch: .absent,
      now: hub.now
    )
    #expect(orphan.deviceScope == nil)
    #expect(orphan.parentScopes.isEmpty)
  }

  @Test("scopes that name no edge device are 400028")
  func unknownScope() throws {
    var hub = TestHub()
    let edge = try hub.device("e", isEdge: true)
    _ = try hub.device("plain")
    for scope in [
      "x", "ms-azure-iot-edge://e", "ms-azure-iot-edge://e-1", "ms-azure-iot-edge://plain-1",
      "ms-azure-iot-edge://", (edge.deviceScope ?? "") + "0",
    ] {
      #expect(
        code { () throws(HubError) in _ = try hub.device("leaf", scope: scope) }
          == .invalidDeviceScope,
        "\(scope)"
      )
    }
  }

  @Test("edge devices nest by parentScopes, one parent, no circle")
  func nesting() throws {
    var hub = TestHub()
    let top = try hub.device("top", isEdge: true)
    let below = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "below", isEdge: true, parentScopes: [top.deviceScope ?? ""]),
      ifMatch: .absent,
      now: hub.now
    )
    #expect(below.parentScopes == [top.deviceScope])
    #expect(below.deviceScope != top.deviceScope)
    for (parents, expected) in [
      ([below.deviceScope ?? ""], HubErrorCode.invalidDeviceScope),
      ([top.deviceScope ?? ""], .invalidDeviceScope),
      (["a", "b"], .argumentInvalid),
    ] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.putDevice(
          DeviceIdentityRequest(deviceID: "top", isEdge: true, parentScopes: parents),
          ifMatch: .any,
          now: .epoch
        )
      }
      #expect(answer == expected)
    }
  }

  @Test("without room for its two modules nothing becomes an edge device")
  func room() throws {
    var quotas = Quotas()
    quotas.modulesPerDevice = 3
    var hub = TestHub(quotas: quotas)
    let device = try hub.device("d")
    for id in ["a", "b"] { _ = try hub.module("d", id) }
    _ = hub.engine.takeEffects()
    let refusal = code { () throws(HubError) in
      _ = try hub.engine.putDevice(
        DeviceIdentityRequest(deviceID: "d", isEdge: true),
        ifMatch: .any,
        now: hub.now
      )
    }
    #expect(refusal == .tooManyModulesOnDevice)
    #expect(try hub.engine.view.device("d").identity == device)
    #expect(try hub.engine.view.modules(of: "d").count == 2)
    #expect(hub.engine.takeEffects().isEmpty)

    quotas.modulesPerDevice = 1
    hub = TestHub(quotas: quotas)
    let creation = code { () throws(HubError) in _ = try hub.device("e", isEdge: true) }
    #expect(creation == .tooManyModulesOnDevice)
    #expect(code { () throws(HubError) in _ = try hub.engine.view.device("e") } == .deviceNotFound)
  }

  @Test("a device can become an edge device and stop being one")
  func change() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for (isEdge, count) in [(true, 2), (true, 2), (false, 0)] {
      let device = try hub.engine.putDevice(
        DeviceIdentityRequest(deviceID: "d", isEdge: isEdge),
        ifMatch: .any,
        now: hub.now
      )
      #expect((device.deviceScope != nil) == isEdge)
      #expect(try hub.engine.view.modules(of: "d").count == count)
    }
  }
}

import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Module identities (contract §7.3)")
struct ModuleTests {
  @Test("create without If-Match, update with: the table of answers")
  func ifMatch() throws {
    let old = ETags.identity(999_999)
    for (device, exists, condition, expected) in [
      (false, false, ETagCondition.absent, HubErrorCode.deviceNotFound),
      (true, false, .absent, nil),
      (true, false, .any, .moduleNotFound),
      (true, true, .absent, .moduleAlreadyExistsOnDevice),
      (true, true, .any, nil),
      (true, true, .exactly(old), .preconditionFailed),
    ] as [(Bool, Bool, ETagCondition, HubErrorCode?)] {
      var hub = TestHub()
      if device { _ = try hub.device("d") }
      if exists { _ = try hub.module("d", "m") }
      let answer = code { () throws(HubError) in
        _ = try hub.engine.putModule(
          ModuleIdentityRequest(deviceID: "d", moduleID: "m"),
          ifMatch: condition,
          now: .epoch
        )
      }
      #expect(answer == expected, "\(device) \(exists) \(condition)")
    }
  }

  @Test("deletion: the table of answers")
  func delete() throws {
    for (id, condition, expected) in [
      ("m", ETagCondition.absent, HubErrorCode.preconditionFailed),
      ("m", .exactly("x"), .preconditionFailed),
      ("n", .any, .moduleNotFound),
      ("m", .any, nil),
    ] as [(String, ETagCondition, HubErrorCode?)] {
      var hub = TestHub()
      _ = try hub.device("d")
      _ = try hub.module("d", "m")
      let answer = code { () throws(HubError) in
        try hub.engine.deleteModule(
          IdentityKey(deviceID: "d", moduleID: id),
          ifMatch: condition,
          now: .epoch
        )
      }
      #expect(answer == expected)
      #expect(hub.engine.storage.tables.twins.count == (expected == nil ? 1 : 2))
    }
  }

  @Test("type none stays with modules of iotEdge and becomes keys elsewhere")
  func none() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for (manager, kind) in [("iotEdge", Authentication.Kind.none), (nil, .sas), ("me", .sas)] {
      let module = try hub.engine.putModule(
        ModuleIdentityRequest(
          deviceID: "d",
          moduleID: "m-\(manager ?? "")",
          authentication: .given(.none),
          managedBy: manager
        ),
        ifMatch: .absent,
        now: hub.now
      )
      #expect(module.authentication.kind == kind)
      #expect(module.managedBy == manager)
    }
  }

  @Test("at most 50 modules on one device: 413003")
  func limit() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for index in 0..<50 { _ = try hub.module("d", "m\(index)") }
    #expect(
      code { () throws(HubError) in _ = try hub.module("d", "one-more") }
        == .tooManyModulesOnDevice
    )
    #expect(try hub.engine.view.modules(of: "d").count == 50)
  }

  @Test("users cannot create $-modules, but update those that the hub made")
  func reserved() throws {
    var hub = TestHub()
    _ = try hub.device("d", isEdge: true)
    _ = try hub.device("leaf")
    for (device, id) in [("leaf", "$edgeHub"), ("leaf", "$mine"), ("d", "$mine")] {
      #expect(
        code { () throws(HubError) in _ = try hub.module(device, id) } == .argumentInvalid
      )
    }
    let module = try hub.engine.putModule(
      ModuleIdentityRequest(deviceID: "d", moduleID: "$edgeHub", managedBy: "iotEdge"),
      ifMatch: .any,
      now: hub.now
    )
    #expect(module.authentication.kind == .sas)
  }

  @Test("a module of a disabled device is served like any other; a missing one is 404010")
  func disabledDevice() throws {
    var hub = TestHub()
    _ = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "d", status: .disabled),
      ifMatch: .absent,
      now: hub.now
    )
    _ = try hub.module("d", "m")
    let view = hub.engine.view
    let key = IdentityKey(deviceID: "d", moduleID: "m")
    #expect(try view.module(key).device.status == .disabled)
    for (key, expected) in [
      (IdentityKey(deviceID: "d", moduleID: "n"), HubErrorCode.moduleNotFound),
      (IdentityKey(deviceID: "x", moduleID: "n"), .deviceNotFound),
    ] {
      #expect(code { () throws(HubError) in _ = try view.module(key) } == expected)
    }
    #expect(code { () throws(HubError) in _ = try view.modules(of: "x") } == .deviceNotFound)
  }
}

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

@Suite("Events of the hub (contract §9.3)")
struct EventTests {
  @Test("creation and deletion are told with the twin")
  func lifecycle() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try hub.module("d", "m")
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    let events = hub.events()
    #expect(
      events.map { "\($0.operation) \($0.key)" } == [
        "createDeviceIdentity d", "createDeviceIdentity d/m", "deleteDeviceIdentity d/m",
        "deleteDeviceIdentity d",
      ]
    )
    for event in events {
      let body = try JSON.parse(event.body)
      #expect(body["deviceId"] == "d")
      #expect(body["moduleId"]?.stringValue == event.key.moduleID)
      #expect(body["version"] == 2)
      #expect(body["properties"]?["desired"]?["$version"] == 1)
      #expect(event.source == .deviceLifecycle)
      #expect(event.schema == "deviceLifecycleNotification")
    }
  }

  @Test("connecting and disconnecting are numbered, also across a restart")
  func connectionState() throws {
    var hub = TestHub()
    let key = try hub.device("d").key
    _ = hub.events()
    try hub.engine.connected(key, now: hub.now)
    hub.now = hub.now.adding(seconds: 5)
    try hub.engine.disconnected(key, lastActivity: hub.now.adding(seconds: -1), now: hub.now)
    let events = hub.events()
    #expect(events.map(\.operation) == [.deviceConnected, .deviceDisconnected])
    let numbers = try events.map { try JSON.parse($0.body)["sequenceNumber"]?.stringValue ?? "" }
    #expect(numbers.allSatisfy { $0.utf8.count == 64 })
    #expect(numbers[0] < numbers[1])
    let row = try hub.engine.view.device("d")
    #expect(row.connection.sequenceNumber == 2)
    #expect(row.activity(ConnectionFacts()).lastActivityTime == hub.now.adding(seconds: -1))
    #expect(row.activity(ConnectionFacts()).connectionStateUpdatedTime == hub.now)
    #expect(row.activity(ConnectionFacts(isConnected: true)).isConnected)
  }

  @Test("a client that goes after its identity was deleted leaves no trace")
  func goneIdentity() throws {
    var hub = TestHub()
    try hub.engine.disconnected(IdentityKey(deviceID: "d"), lastActivity: .epoch, now: .epoch)
    #expect(hub.engine.storage.tables == HubTables())
    #expect(hub.engine.takeEffects().isEmpty)
  }

  @Test("events that nobody wants are not made")
  func unwanted() throws {
    var hub = TestHub()
    hub.engine.eventSources = []
    let key = try hub.device("d").key
    _ = try hub.engine.patchReported(key, ["a": 1], now: hub.now)
    #expect(hub.events().isEmpty)
  }
}

import HubContract
import HubEngine
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

import HubContract
import HubEngine
import Simulation
import Testing

@Suite("Device identities (contract §7.3)")
struct DeviceTests {
  private let old = ETags.identity(999_999)

  @Test("create without If-Match, update with: the table of answers")
  func ifMatch() throws {
    for (exists, condition, expected) in [
      (false, ETagCondition.absent, nil),
      (false, .any, HubErrorCode.deviceNotFound),
      (false, .exactly(old), .deviceNotFound),
      (true, .absent, .deviceAlreadyExists),
      (true, .any, nil),
      (true, .exactly(old), .preconditionFailed),
    ] as [(Bool, ETagCondition, HubErrorCode?)] {
      var hub = TestHub()
      if exists { _ = try hub.device("d") }
      let now = hub.now
      let answer = code { () throws(HubError) in
        _ = try hub.engine.putDevice(
          DeviceIdentityRequest(deviceID: "d"),
          ifMatch: condition,
          now: now
        )
      }
      #expect(answer == expected, "\(exists) \(condition)")
    }
  }

  @Test("a right ETag updates, and the ETag changes with every write")
  func rightETag() throws {
    var hub = TestHub()
    let first = try hub.device("d")
    let second = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "d", status: .disabled, statusReason: "stolen"),
      ifMatch: .exactly(ETags.identity(first.etagCounter)),
      now: hub.now
    )
    #expect(second.etagCounter != first.etagCounter)
    #expect(second.generationID == first.generationID)
    #expect(second.status == .disabled)
    #expect(second.statusReason == "stolen")
    #expect(second.statusUpdatedTime == hub.now)
    #expect(first.statusUpdatedTime == .never)
  }

  @Test("a create without authentication mints two different keys of 32 bytes")
  func mintedKeys() throws {
    var hub = TestHub()
    guard case .sas(let primary, let secondary) = try hub.device("d").authentication else {
      Issue.record("not sas")
      return
    }
    #expect(primary.bytes.count == 32)
    #expect(secondary.bytes.count == 32)
    #expect(primary != secondary)
  }

  @Test("an update without authentication mints new keys and says so to live connections")
  func replacedKeys() throws {
    var hub = TestHub()
    let first = try hub.device("d")
    _ = hub.effects()
    let second = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "d"),
      ifMatch: .any,
      now: hub.now
    )
    #expect(second.authentication != first.authentication)
    #expect(hub.effects() == [.identityChanged(first.key, .credentialsReplaced)])
  }

  @Test("what live connections are told of an update")
  func changes() throws {
    var hub = TestHub()
    let device = try hub.device("d")
    for (status, change) in [
      (IdentityStatus.enabled, IdentityChange.updated), (.disabled, .disabled),
      (.enabled, .updated),
    ] {
      _ = hub.effects()
      _ = try hub.engine.putDevice(
        DeviceIdentityRequest(
          deviceID: "d",
          status: status,
          authentication: .given(device.authentication)
        ),
        ifMatch: .any,
        now: hub.now
      )
      #expect(hub.effects() == [.identityChanged(device.key, change)])
    }
  }

  @Test("refused: bad IDs, type none, a long statusReason")
  func refusals() {
    var hub = TestHub()
    let now = hub.now
    for request in [
      DeviceIdentityRequest(deviceID: ""),
      DeviceIdentityRequest(deviceID: "a b"),
      DeviceIdentityRequest(deviceID: String(repeating: "x", count: 129)),
      DeviceIdentityRequest(deviceID: "d", authentication: .given(.none)),
      DeviceIdentityRequest(deviceID: "d", statusReason: String(repeating: "x", count: 129)),
    ] {
      let answer = code { () throws(HubError) in
        _ = try hub.engine.putDevice(request, ifMatch: .absent, now: now)
      }
      #expect(answer == .argumentInvalid, "\(request)")
    }
    #expect(hub.engine.storage.tables == HubTables())
  }

  @Test("a refusal writes nothing")
  func quota() throws {
    var quotas = Quotas()
    quotas.devices = 1
    var hub = TestHub(quotas: quotas)
    _ = try hub.device("a")
    let before = hub.engine.storage.tables
    let answer = code { () throws(HubError) in _ = try hub.device("b") }
    #expect(answer == .tooManyDevices)
    #expect(hub.engine.storage.tables == before)
  }

  @Test("delete wants If-Match and takes all that hangs on the device along")
  func delete() throws {
    var hub = TestHub()
    let device = try hub.device("d")
    let module = try hub.module("d", "m")
    _ = try hub.device("other")
    _ = try hub.engine.enqueue(
      CloudToDeviceRequest(recipient: device.key, body: []),
      now: hub.now
    )
    try hub.engine.setSubscriptions([], of: device.key)
    try hub.engine.connected(module.key, now: hub.now)
    let now = hub.now
    #expect(
      code { () throws(HubError) in
        try hub.engine.deleteDevice("d", ifMatch: .absent, now: now)
      } == .preconditionFailed
    )
    #expect(
      code { () throws(HubError) in
        try hub.engine.deleteDevice("d", ifMatch: .exactly(old), now: now)
      } == .preconditionFailed
    )
    _ = hub.effects()
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    #expect(
      hub.effects() == [
        .identityChanged(module.key, .deleted), .identityChanged(device.key, .deleted),
      ]
    )
    let tables = hub.engine.storage.tables
    #expect(tables.devices.keys.sorted() == ["other"])
    #expect(tables.modules.isEmpty)
    #expect(tables.twins.count == 1)
    #expect(tables.cloudToDevice.isEmpty)
    #expect(tables.subscriptions.isEmpty)
    #expect(tables.connections.isEmpty)
    #expect(
      code { () throws(HubError) in
        try hub.engine.deleteDevice("d", ifMatch: .any, now: now)
      } == .deviceNotFound
    )
  }

  @Test("a device made again has another generation and another ETag")
  func generation() throws {
    var hub = TestHub()
    let first = try hub.device("d")
    try hub.engine.deleteDevice("d", ifMatch: .any, now: hub.now)
    let second = try hub.device("d")
    #expect(first.generationID != second.generationID)
    #expect(first.etagCounter != second.etagCounter)
    #expect(first.generationID.utf8.count == 18)
  }

  @Test("list: in ID order, 1 to 1000, other numbers mean 1000")
  func list() throws {
    var hub = TestHub()
    for id in ["b", "a", "C"] { _ = try hub.device(id) }
    #expect(try hub.engine.view.devices(top: nil).map(\.identity.deviceID) == ["C", "a", "b"])
    #expect(try hub.engine.view.devices(top: 2).count == 2)
    for top in [0, -1, 1001] {
      #expect(try hub.engine.view.devices(top: top).count == 3)
    }
  }

  @Test("statistics count by status")
  func statistics() throws {
    var hub = TestHub()
    for id in ["a", "b", "c"] { _ = try hub.device(id) }
    _ = try hub.engine.putDevice(
      DeviceIdentityRequest(deviceID: "b", status: .disabled),
      ifMatch: .any,
      now: hub.now
    )
    let statistics = try hub.engine.view.statistics()
    #expect(statistics.totalDeviceCount == 3)
    #expect(statistics.enabledDeviceCount == 2)
    #expect(statistics.disabledDeviceCount == 1)
  }

  @Test("a storage fault is a 500, is remembered, and its transaction is forgotten when undone")
  func fault() {
    var hub = TestHub()
    hub.engine.storage.accessesUntilFault = 3
    let answer = code { () throws(HubError) in _ = try hub.device("d") }
    #expect(answer == .serverError)
    #expect(hub.engine.fault?.kind == .failed)
    hub.engine.storage.rollback()
    hub.engine.transactionUndone()
    #expect(hub.engine.fault == nil)
    #expect(hub.engine.takeEffects().isEmpty)
  }
}

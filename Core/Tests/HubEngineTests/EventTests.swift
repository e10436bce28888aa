import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

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

import ByteIO
import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Twin from the device (contract §3.6)")
struct ClientTwinTests {
  private let key = IdentityKey(deviceID: "d")

  @Test("GET holds both sections with $version, no metadata, no tags")
  func get() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    #expect(
      try String(decoding: hub.engine.view.twinForClient(key), as: UTF8.self)
        == #"{"desired":{"$version":1},"reported":{"$version":1}}"#
    )
    _ = try hub.engine.patchReported(key, json(#"{"a":1.0}"#), now: hub.now)
    #expect(
      try String(decoding: hub.engine.view.twinForClient(key), as: UTF8.self)
        == #"{"desired":{"$version":1},"reported":{"a":1.0,"$version":2}}"#
    )
  }

  @Test("a reported patch moves version but not the ETag, and tells nobody but the events")
  func reported() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = hub.engine.takeEffects()
    #expect(try hub.engine.patchReported(key, json(#"{"a":{"b":1}}"#), now: hub.now) == 2)
    let twin = try #require(hub.engine.storage.tables.twins[key])
    #expect(twin.version == 3)
    #expect(twin.etagCounter == 1)
    #expect(hub.effects().isEmpty)
    let last = try hub.engine.view.outgoingEvents(after: 0, limit: .max).last
    let record = try #require(last).record
    let event = try EventView(record.span)
    let stamp = #""$lastUpdated":"\#(hub.now.iso8601)""#
    #expect(
      try JSON.parse(event.body.array())
        == json(
          """
          {"version":3,"properties":{"reported":{"a":{"b":1},"$metadata":{\(stamp),
          "a":{\(stamp),"b":{\(stamp)}}},"$version":2}}}
          """
        )
    )
  }

  @Test("the condition on the version")
  func condition() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    #expect(
      try hub.engine.patchReported(key, json(#"{"a":1}"#), ifVersion: 1, now: hub.now) == 2
    )
    let answer = code { () throws(HubError) in
      _ = try hub.engine.patchReported(key, .object(["a": 2]), ifVersion: 1, now: .epoch)
    }
    #expect(answer == .preconditionFailed)
  }

  @Test("a body that is no object is refused")
  func shapes() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for body in ["[]", "1", "null", #""x""#] {
      let value = try json(body)
      let answer = code { () throws(HubError) in
        _ = try hub.engine.patchReported(key, value, now: .epoch)
      }
      #expect(answer == .argumentInvalid)
    }
  }
}

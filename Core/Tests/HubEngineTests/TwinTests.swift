import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Twins from the service (contract §7.5)")
struct TwinTests {
  private let key = IdentityKey(deviceID: "d")

  private func update(
    _ hub: inout TestHub,
    _ body: String,
    replacing: Bool = false,
    ifMatch: ETagCondition = .absent
  ) throws -> TwinRecord {
    try hub.engine.updateTwin(
      key,
      TwinUpdate(body: json(body)),
      replacing: replacing,
      ifMatch: ifMatch,
      now: hub.now
    )
  }

  @Test("a new twin has version 2, empty sections at version 1, never updated")
  func newTwin() throws {
    var hub = TestHub()
    let device = try hub.device("d")
    let twin = try hub.twin(key)
    let section = try json(
      #"{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}"#
    )
    #expect(
      try twin
        == json(
          """
          {"deviceId":"d","etag":"AAAAAAAAAAE=","deviceEtag":"\(ETags.identity(device.etagCounter))",
          "status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z",
          "connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z",
          "cloudToDeviceMessageCount":0,"authenticationType":"sas",
          "x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
          "capabilities":{"iotEdge":false},"version":2,"tags":{},
          "properties":{"desired":\(JSON.text(section)),"reported":\(JSON.text(section))}}
          """
        )
    )
  }

  @Test("merge, metadata and versions of a patch")
  func patch() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try update(&hub, #"{"properties":{"desired":{"a":{"b":1.0,"c":[1]},"x":"y"}}}"#)
    let first = hub.now.iso8601
    hub.now = hub.now.adding(seconds: 60)
    let twin = try update(
      &hub,
      #"{"tags":{"floor":"2"},"properties":{"desired":{"a":{"b":null,"e":{}},"x":{"z":true}}}}"#
    )
    let second = hub.now.iso8601
    #expect(twin.desired.version == 3)
    #expect(twin.version == 4)
    #expect(twin.etagCounter == 3)
    let rendered = try hub.twin(key)
    #expect(try rendered["tags"] == json(#"{"floor":"2"}"#))
    let at = { (time: String, version: Int) in
      #""$lastUpdated":"\#(time)","$lastUpdatedVersion":\#(version)"#
    }
    #expect(
      try rendered["properties"]?["desired"]
        == json(
          """
          {"a":{"c":[1],"e":{}},"x":{"z":true},"$metadata":{\(at(second, 3)),
          "a":{\(at(second, 3)),"c":{\(at(first, 2))},"e":{\(at(second, 3))}},
          "x":{\(at(second, 3)),"z":{\(at(second, 3))}}},"$version":3}
          """
        )
    )
  }

  @Test("the client is told the patch as sent, nulls included, with $version inside")
  func notification() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = hub.effects()
    _ = try update(&hub, #"{"properties":{"desired":{"a":1.0,"b":null}}}"#)
    let body = [UInt8](#"{"a":1.0,"b":null,"$version":2}"#.utf8)
    #expect(
      hub.effects() == [
        .desiredChanged(DesiredChange(key: key, version: 2, body: body, isComplete: false))
      ]
    )
    _ = try update(&hub, #"{"properties":{"desired":{"c":1}}}"#, replacing: true)
    let whole = [UInt8](#"{"c":1,"$version":3}"#.utf8)
    #expect(
      hub.effects() == [
        .desiredChanged(DesiredChange(key: key, version: 3, body: whole, isComplete: true))
      ]
    )
  }

  @Test("tags alone do not touch the desired section or tell the client")
  func tags() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = hub.effects()
    let twin = try update(&hub, #"{"tags":{"a":1}}"#)
    #expect(twin.desired.version == 1)
    #expect(twin.etagCounter == 2)
    #expect(hub.effects().isEmpty)
  }

  @Test("a replacement empties what it does not name")
  func replacement() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try update(&hub, #"{"tags":{"a":1},"properties":{"desired":{"b":1}}}"#)
    let twin = try update(&hub, #"{"properties":{"desired":{"c":null,"d":2}}}"#, replacing: true)
    #expect(String(decoding: twin.tags, as: UTF8.self) == "{}")
    #expect(String(decoding: twin.desired.properties, as: UTF8.self) == #"{"d":2}"#)
  }

  @Test("a twin that was read can be sent back, by PATCH and by PUT", arguments: [false, true])
  func sentBack(replacing: Bool) throws {
    var hub = TestHub()
    _ = try hub.device("d")
    _ = try update(&hub, #"{"tags":{"a":1},"properties":{"desired":{"b":{"c":1}}}}"#)
    _ = try hub.engine.patchReported(key, json(#"{"r":1}"#), now: hub.now)
    let before = try hub.twin(key)
    _ = try update(&hub, JSON.text(before), replacing: replacing)
    let after = try hub.twin(key)
    #expect(after["tags"] == before["tags"])
    #expect(after["properties"]?["reported"] == before["properties"]?["reported"])
    #expect(after["properties"]?["desired"]?["b"] == before["properties"]?["desired"]?["b"])
  }

  @Test("an empty patch changes nothing")
  func emptyPatch() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    let before = hub.engine.storage.tables
    for body in ["{}", #"{"tags":{}}"#, #"{"properties":{"desired":{}}}"#, #"{"etag":"x"}"#] {
      _ = try update(&hub, body)
      #expect(hub.engine.storage.tables == before, "\(body)")
    }
  }

  @Test("If-Match is about the twin's ETag: absent and * pass, a stale one is 412001")
  func ifMatch() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    let twin = try update(&hub, #"{"tags":{"a":1}}"#)
    _ = try update(&hub, #"{"tags":{"a":2}}"#, ifMatch: .exactly(ETags.twin(twin.etagCounter)))
    _ = try update(&hub, #"{"tags":{"a":3}}"#, ifMatch: .any)
    let stale = #expect(throws: HubError.self) {
      try update(&hub, #"{"tags":{"a":4}}"#, ifMatch: .exactly(ETags.twin(twin.etagCounter)))
    }
    #expect(stale?.code == .preconditionFailed)
  }

  @Test("no device and no module are both 404001")
  func missing() throws {
    var hub = TestHub()
    _ = try hub.device("d")
    for key in [IdentityKey(deviceID: "x"), IdentityKey(deviceID: "d", moduleID: "m")] {
      let view = hub.engine.view
      #expect(
        code { () throws(HubError) in _ = try view.twin(key, facts: ConnectionFacts()) }
          == .deviceNotFound
      )
      let now = hub.now
      #expect(
        code { () throws(HubError) in
          _ = try hub.engine.updateTwin(
            key,
            TwinUpdate(tags: .set([:])),
            replacing: false,
            ifMatch: .absent,
            now: now
          )
        } == .deviceNotFound
      )
    }
  }

  @Test("parts that are no objects are refused")
  func shapes() throws {
    for body in [
      "[]", #"{"tags":1}"#, #"{"properties":[]}"#, #"{"properties":{"desired":"x"}}"#,
    ] {
      let refusal = #expect(throws: HubError.self) { try TwinUpdate(body: json(body)) }
      #expect(refusal?.code == .argumentInvalid, "\(body)")
    }
  }
}

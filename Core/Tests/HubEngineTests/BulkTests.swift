import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Bulk (contract §7.4)")
struct BulkTests {
  private func bulk(_ hub: inout TestHub, _ body: String) throws -> [String] {
    let elements = try BulkRegistry.parse(json(body))
    return try hub.engine.bulk(elements, now: hub.now)
      .map { "\($0.deviceID) \($0.error.code.name)" }
  }

  @Test("the modes, on what exists and what does not")
  func modes() throws {
    for (mode, existing, missing) in [
      ("create", "DeviceAlreadyExists", nil),
      ("update", nil, "DeviceNotFound"),
      ("updateIfMatchETag", nil, "DeviceNotFound"),
      ("delete", nil, "DeviceNotFound"),
      ("deleteIfMatchETag", nil, "DeviceNotFound"),
      ("updateTwin", nil, "DeviceNotFound"),
      ("updateTwinIfMatchETag", nil, "DeviceNotFound"),
    ] as [(String, String?, String?)] {
      var hub = TestHub()
      let device = try hub.device("here")
      let etags =
        #""eTag":"\#(ETags.identity(device.etagCounter))","twinETag":"\#(ETags.twin(1))""#
      let failures = try bulk(
        &hub,
        """
        [{"id":"here","importMode":"\(mode)",\(etags),"tags":{"a":1}},
        {"id":"gone","importMode":"\(mode)",\(etags)}]
        """
      )
      #expect(
        failures
          == [existing.map { "here \($0)" }, missing.map { "gone \($0)" }]
          .compactMap(\.self),
        "\(mode)"
      )
    }
  }

  @Test("the modes that compare need an ETag and refuse a stale one")
  func etags() throws {
    for mode in ["updateIfMatchETag", "deleteIfMatchETag", "updateTwinIfMatchETag"] {
      for (etags, expected) in [
        ("", "d ArgumentNull"), (#","eTag":"x","twinETag":"x""#, "d PreconditionFailed"),
      ] {
        var hub = TestHub()
        _ = try hub.device("d")
        let before = hub.engine.storage.tables
        let failures = try bulk(&hub, #"[{"id":"d","importMode":"\#(mode)"\#(etags)}]"#)
        #expect(failures == [expected])
        #expect(hub.engine.storage.tables == before)
      }
    }
  }

  @Test("create brings the twin along, at version 1")
  func createWithTwin() throws {
    var hub = TestHub()
    #expect(
      try bulk(
        &hub,
        #"""
        [{"id":"d","importMode":"create","tags":{"t":1},"properties":{"desired":{"a":{"b":1}}}},
        {"id":"d","moduleId":"m","importMode":"create","properties":{"desired":{"c":2}}}]
        """#
      ).isEmpty
    )
    let twin = try hub.twin(IdentityKey(deviceID: "d"))
    #expect(twin["tags"] == ["t": 1])
    #expect(twin["properties"]?["desired"]?["a"] == ["b": 1])
    #expect(twin["properties"]?["desired"]?["$version"] == 1)
    #expect(twin["version"] == 2)
    let module = try hub.twin(IdentityKey(deviceID: "d", moduleID: "m"))
    #expect(module["properties"]?["desired"]?["c"] == 2)
  }

  @Test("one faulty element does not stop the others, and leaves nothing")
  func isolation() throws {
    var hub = TestHub()
    let failures = try bulk(
      &hub,
      #"""
      [{"id":"a","importMode":"create"},
      {"id":"b","importMode":"create","tags":{"x.y":1}},
      {"id":"bad id","importMode":"create"},
      {"id":"x","moduleId":"m","importMode":"create"},
      {"id":"c","importMode":"create","status":"disabled","statusReason":"lost"}]
      """#
    )
    #expect(
      failures == ["b ArgumentInvalid", "bad id ArgumentInvalid", "x DeviceNotFound"]
    )
    #expect(hub.engine.storage.tables.devices.keys.sorted() == ["a", "c"])
    #expect(hub.engine.storage.tables.twins.count == 2)
  }

  @Test("what an update does not mention stays, the keys too")
  func update() throws {
    var hub = TestHub()
    let before = try hub.device("d")
    #expect(
      try bulk(
        &hub,
        #"[{"id":"d","importMode":"update","status":"disabled","statusReason":"why"}]"#
      ).isEmpty
    )
    #expect(try bulk(&hub, #"[{"id":"d","importMode":"update"}]"#).isEmpty)
    let after = try hub.engine.view.device("d").identity
    #expect(after.authentication == before.authentication)
    #expect(after.status == .disabled)
    #expect(after.statusReason == "why")
    #expect(after.etagCounter > before.etagCounter)
  }

  @Test("a part of the twin that a line without a mode leaves out stays")
  func restoredPart() throws {
    var hub = TestHub()
    let key = try hub.device("d").key
    for (line, tags, desired) in [
      (#"{"id":"d","tags":{"t":1},"properties":{"desired":{"d":1}}}"#, ["t": 1], ["d": 1]),
      (#"{"id":"d","tags":{"u":2}}"#, ["u": 2], ["d": 1]),
      (#"{"id":"d","properties":{"desired":{"e":2}}}"#, ["u": 2], ["e": 2]),
      (#"{"id":"d"}"#, ["u": 2], ["e": 2]),
    ] as [(String, JSONValue, JSONValue)] {
      try hub.engine.apply(ExportImportDevice(json: json(line)), now: hub.now)
      let twin = try #require(hub.engine.storage.tables.twins[key])
      #expect(try JSON.parse(twin.tags) == tags, "\(line)")
      #expect(try JSON.parse(twin.desired.properties) == desired, "\(line)")
    }
  }

  @Test("a storage fault refuses the call as a whole")
  func fault() throws {
    var hub = TestHub()
    hub.engine.storage.accessesUntilFault = 6
    let refusal = #expect(throws: HubError.self) {
      _ = try bulk(&hub, #"[{"id":"a","importMode":"create"},{"id":"b","importMode":"create"}]"#)
    }
    #expect(refusal?.code == .serverError)
    #expect(hub.engine.fault != nil)
  }

  @Test("an export, read back by an empty hub, makes the same registry and twins")
  func exportImport() throws {
    var hub = TestHub()
    let edge = try hub.device("e", isEdge: true)
    _ = try hub.module("e", "m")
    _ = try hub.device("plain", scope: edge.deviceScope)
    _ = try hub.engine.patchReported(edge.key, json(#"{"r":{"s":1.0}}"#), now: hub.now)
    _ = try hub.engine.updateTwin(
      edge.key,
      TwinUpdate(tags: .set(["t": 1]), desired: .set(["d": [1, 2]])),
      replacing: false,
      ifMatch: .absent,
      now: hub.now
    )

    var lines: [String] = []
    var last: String?
    repeat {
      let page = try hub.engine.view.export(after: last, limit: 1)
      lines += page.elements.map { JSON.text($0.json(includingKeys: true)) }
      last = page.last
    } while last != nil
    #expect(lines.count == 5)

    var copy = TestHub()
    copy.now = hub.now.adding(seconds: 86_400)
    for _ in 0..<2 {
      // The hub itself makes the two edge modules; their lines then update them.
      for line in lines {
        var element = try ExportImportDevice(json: json(line))
        element.importMode = nil
        try copy.engine.apply(element, now: copy.now)
      }
    }
    let scope = try copy.engine.view.device("e").identity.deviceScope
    #expect(scope != edge.deviceScope)
    #expect(try copy.engine.view.device("plain").identity.deviceScope == scope)
    for id in ["e", "plain"] {
      let original = try hub.engine.view.device(id)
      let restored = try copy.engine.view.device(id)
      #expect(restored.identity.authentication == original.identity.authentication)
      #expect(restored.identity.isEdge == original.identity.isEdge)
      #expect(restored.twin.tags == original.twin.tags)
      #expect(restored.twin.desired.properties == original.twin.desired.properties)
      #expect(restored.twin.reported.properties == original.twin.reported.properties)
      #expect(
        try copy.engine.view.modules(of: id).map(\.identity.authentication)
          == hub.engine.view.modules(of: id).map(\.identity.authentication)
      )
    }
  }
}

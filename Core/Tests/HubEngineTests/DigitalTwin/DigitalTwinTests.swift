import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Digital twins (contract §7.10)")
struct DigitalTwinTests {
  private let key = IdentityKey(deviceID: "d")

  /// A hub with one device, whose twin is as told.
  private func twinHub(
    model: String? = "dtmi:com:example:Boiler;1",
    desired: String = "{}",
    reported: String = "{}"
  ) throws -> TestHub {
    var hub = TestHub(sources: [.digitalTwinChange])
    _ = try hub.device("d")
    try hub.engine.setModelID(model, of: key)
    _ = try hub.engine.patchReported(key, json(reported), now: hub.now)
    _ = try hub.engine.updateTwin(
      key,
      TwinUpdate(desired: .set(try #require(json(desired).objectValue))),
      replacing: false,
      ifMatch: .absent,
      now: hub.now
    )
    _ = try hub.events()
    _ = hub.effects()
    return hub
  }

  private func shown(_ hub: TestHub) throws -> JSONValue {
    try JSON.parse(hub.engine.view.digitalTwin("d").body)
  }

  private func update(
    _ hub: inout TestHub,
    _ patch: String,
    ifMatch: ETagCondition = .absent
  ) throws -> String {
    try hub.engine.updateDigitalTwin(
      "d",
      DigitalTwinPatch(body: json(patch)),
      ifMatch: ifMatch,
      now: hub.now
    )
  }

  private func desired(_ hub: TestHub) throws -> JSONValue {
    let twin = try #require(hub.engine.storage.tables.twins[key])
    return try JSON.parse(twin.desired.properties)
  }

  @Test("values are the reported ones; what is desired and acknowledged stands in the metadata")
  func rendering() throws {
    let hub = try twinHub(
      desired: """
        {"fan":2.0,"wanted":1,"thermostat1":{"__t":"c","target":21.8},"valve":{"__t":"c"}}
        """,
      reported: """
        {"serial":"a-1","fan":{"value":3.0,"ac":200,"av":1,"ad":"ok"},"plain":{"value":3,"ac":"x"},
        "thermostat1":{"__t":"c","max":25.3,"target":{"ac":202,"av":4}}}
        """
    )
    let time = hub.now.iso8601
    #expect(
      try shown(hub)
        == json(
          """
          {"$dtId":"d","serial":"a-1","fan":3.0,"plain":{"value":3,"ac":"x"},
          "thermostat1":{"max":25.3,"$metadata":{"max":{"lastUpdateTime":"\(time)"},
            "target":{"desiredValue":21.8,"desiredVersion":2,"lastUpdateTime":"\(time)"}},
            "target":{"ac":202,"av":4}},
          "valve":{"$metadata":{}},
          "$metadata":{"$model":"dtmi:com:example:Boiler;1",
            "serial":{"lastUpdateTime":"\(time)"},"plain":{"lastUpdateTime":"\(time)"},
            "fan":{"desiredValue":2.0,"desiredVersion":2,"ackVersion":1,"ackCode":200,
              "ackDescription":"ok","lastUpdateTime":"\(time)"},
            "wanted":{"desiredValue":1,"desiredVersion":2}}}
          """
        )
    )
    let bare = try twinHub(model: nil)
    #expect(try shown(bare) == json(#"{"$dtId":"d","$metadata":{"$model":""}}"#))
    #expect(
      code { () throws(HubError) in _ = try bare.engine.view.digitalTwin("x") } == .deviceNotFound
    )
  }

  @Test("a patch becomes one of the desired properties, which the device hears of")
  func patches() throws {
    let rows: [(desired: String, reported: String, patch: String, merge: String, after: String)] = [
      (
        "{}", "{}", #"[{"op":"add","path":"/fan","value":2.0}]"#, #"{"fan":2.0}"#, #"{"fan":2.0}"#
      ),
      (
        #"{"fan":1}"#, "{}", #"[{"op":"replace","path":"/fan","value":1}]"#, #"{"fan":1}"#,
        #"{"fan":1}"#
      ),
      (
        "{}", #"{"fan":1}"#, #"[{"op":"replace","path":"/fan","value":2}]"#, #"{"fan":2}"#,
        #"{"fan":2}"#
      ),
      // An object takes the place of the former one.
      (
        #"{"o":{"a":1,"b":{"c":1,"d":2}}}"#, "{}",
        #"[{"op":"add","path":"/o","value":{"b":{"c":3}}}]"#,
        #"{"o":{"a":null,"b":{"d":null,"c":3}}}"#, #"{"o":{"b":{"c":3}}}"#
      ),
      (
        #"{"fan":1,"x":1}"#, "{}", #"[{"op":"remove","path":"/fan"}]"#, #"{"fan":null}"#,
        #"{"x":1}"#
      ),
      // Of a component only what is named changes.
      (
        #"{"t":{"__t":"c","a":1,"b":2}}"#, "{}", #"[{"op":"add","path":"/t/a","value":3}]"#,
        #"{"t":{"__t":"c","a":3}}"#, #"{"t":{"__t":"c","a":3,"b":2}}"#
      ),
      (
        "{}", #"{"t":{"__t":"c","a":1}}"#, #"[{"op":"replace","path":"/t/a","value":3}]"#,
        #"{"t":{"a":3,"__t":"c"}}"#, #"{"t":{"a":3,"__t":"c"}}"#
      ),
      (
        #"{"t":{"__t":"c","a":1,"b":2}}"#, "{}", #"[{"op":"remove","path":"/t/a"}]"#,
        #"{"t":{"__t":"c","a":null}}"#, #"{"t":{"__t":"c","b":2}}"#
      ),
      // The last property takes its component along.
      (
        #"{"t":{"__t":"c","a":1}}"#, "{}", #"[{"op":"remove","path":"/t/a"}]"#, #"{"t":null}"#, "{}"
      ),
      // A component that is set as a whole loses what is not in it.
      (
        #"{"t":{"__t":"c","a":1,"b":2}}"#, "{}",
        #"[{"op":"replace","path":"/t","value":{"b":3,"$metadata":{}}}]"#,
        #"{"t":{"a":null,"b":3,"__t":"c"}}"#, #"{"t":{"b":3,"__t":"c"}}"#
      ),
      (
        "{}", "{}", #"[{"op":"add","path":"/t","value":{"$metadata":{}}}]"#, #"{"t":{"__t":"c"}}"#,
        #"{"t":{"__t":"c"}}"#
      ),
      (
        #"{"t":{"__t":"c","a":1}}"#, "{}", #"[{"op":"remove","path":"/t"}]"#, #"{"t":null}"#, "{}"
      ),
      // Each operation sees what those before it have made.
      (
        #"{"t":{"__t":"c","a":1,"b":2}}"#, "{}",
        """
        [{"op":"remove","path":"/t/a"},{"op":"add","path":"/t/n","value":1},
        {"op":"remove","path":"/t/n"},{"op":"replace","path":"/t/b","value":5}]
        """,
        #"{"t":{"__t":"c","a":null,"b":5}}"#, #"{"t":{"__t":"c","b":5}}"#
      ),
      (
        #"{"t":{"__t":"c","a":1}}"#, "{}",
        """
        [{"op":"remove","path":"/t"},{"op":"add","path":"/t","value":{"$metadata":{},"z":1}},
        {"op":"add","path":"/t/y","value":2}]
        """,
        #"{"t":{"a":null,"z":1,"y":2,"__t":"c"}}"#, #"{"t":{"z":1,"__t":"c","y":2}}"#
      ),
    ]
    for row in rows {
      var hub = try twinHub(desired: row.desired, reported: row.reported)
      let before = try #require(hub.engine.storage.tables.twins[key])
      let etag = try update(&hub, row.patch)
      #expect(try desired(hub) == json(row.after), "\(row.patch)")
      #expect(etag == ETags.twin(before.etagCounter + 1))
      guard case .desiredChanged(let change)? = hub.effects().first else {
        Issue.record("nobody was told of \(row.patch)")
        continue
      }
      var told = try #require(JSON.parse(change.body).objectValue)
      told["$version"] = nil
      #expect(try .object(told) == json(row.merge), "\(row.patch)")
    }
  }

  @Test("what is desired of nothing changes nothing, and makes no version")
  func nothing() throws {
    for patch in ["[]", #"[{"op":"remove","path":"/a"}]"#, #"[{"op":"remove","path":"/t/a"}]"#] {
      var hub = try twinHub(reported: #"{"a":1,"t":{"__t":"c","a":1}}"#)
      let before = hub.engine.storage.tables.twins[key]
      _ = try update(&hub, patch)
      #expect(hub.engine.storage.tables.twins[key] == before, "\(patch)")
      #expect(hub.effects().isEmpty)
    }
  }

  @Test("patches that digital twins do not take are refused, with number and path")
  func refusals() throws {
    let long = String(repeating: "n", count: 65)
    let rows: [(patch: String, code: HubErrorCode, place: String)] = [
      ("{}", .deserializationError, "array"), ("[1]", .deserializationError, "[0]"),
      ("[[]]", .deserializationError, "[0]"), ("[{}]", .argumentNull, "[0].op"),
      (#"[{"op":1,"path":"/a"}]"#, .deserializationError, "[0].op"),
      (#"[{"op":"add"}]"#, .argumentNull, "[0].path"),
      (#"[{"op":"add","path":7,"value":1}]"#, .deserializationError, "[0].path"),
      (#"[{"op":"add","path":"/a"}]"#, .argumentNull, "[0] /a"),
      (#"[{"op":"Add","path":"/a","value":1}]"#, .argumentInvalid, "[0].op"),
      (#"[{"op":"move","from":"/b","path":"/a"}]"#, .argumentInvalid, "[0].op"),
      (#"[{"op":"add","path":"","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"a","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/a/b/c","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/~","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/$metadata","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"remove","path":"/t/__t"}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/a_","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/1a","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/\#(long)","value":1}]"#, .argumentInvalid, "[0].path"),
      (#"[{"op":"add","path":"/a","value":null}]"#, .argumentInvalid, "[0] /a"),
      (#"[{"op":"add","path":"/a","value":[]}]"#, .argumentInvalid, "[0] /a"),
      (#"[{"op":"add","path":"/a","value":{"b":{"c":[1]}}}]"#, .argumentInvalid, "[0] /a/b/c"),
      (#"[{"op":"add","path":"/a","value":{"b c":1}}]"#, .argumentInvalid, "[0] /a/b c"),
      (
        #"[{"op":"add","path":"/a","value":{"b":{"c":{"d":{"e":{"f":{}}}}}}}]"#, .argumentInvalid,
        "[0] /a/b/c/d/e/f"
      ),
      (#"[{"op":"add","path":"/n","value":{"$metadata":1}}]"#, .argumentInvalid, "/n/$metadata"),
      (
        #"[{"op":"add","path":"/n","value":{"$metadata":{"a":1}}}]"#, .argumentInvalid,
        "/n/$metadata"
      ),
      (
        #"[{"op":"add","path":"/n","value":{"$metadata":{},"x":{"$metadata":{}}}}]"#,
        .argumentInvalid, "/n/x/$metadata"
      ),
      (#"[{"op":"remove","path":"/none"}]"#, .argumentInvalid, "[0] /none"),
      (#"[{"op":"replace","path":"/none","value":1}]"#, .argumentInvalid, "[0] /none"),
      (#"[{"op":"remove","path":"/t/none"}]"#, .argumentInvalid, "[0] /t/none"),
      (#"[{"op":"add","path":"/none/a","value":1}]"#, .argumentInvalid, "[0] /none/a"),
      (#"[{"op":"add","path":"/p/a","value":1}]"#, .argumentInvalid, "[0] /p/a"),
      (#"[{"op":"add","path":"/p","value":{"$metadata":{}}}]"#, .argumentInvalid, "[0] /p"),
      (#"[{"op":"add","path":"/t","value":{"a":1}}]"#, .argumentInvalid, "$metadata"),
      (#"[{"op":"add","path":"/t","value":1}]"#, .argumentInvalid, "$metadata"),
      (
        #"[{"op":"remove","path":"/x"},{"op":"remove","path":"/x"}]"#, .argumentInvalid, "[1] /x"
      ),
      // The twin's own rules hold as well.
      (
        #"[{"op":"add","path":"/a","value":9007199254740993}]"#, .argumentInvalid,
        "properties.desired.a"
      ),
    ]
    for row in rows {
      var hub = try twinHub(desired: #"{"x":1}"#, reported: #"{"p":{"a":1},"t":{"__t":"c","a":1}}"#)
      let before = hub.engine.storage.tables
      do {
        _ = try update(&hub, row.patch)
        Issue.record("\(row.patch) was taken")
      } catch let error as HubError {
        #expect(error.code == row.code, "\(row.patch): \(error)")
        #expect(error.message.contains(row.place), "\(row.patch): \(error)")
        #expect(error.message.utf8.count < 400)
      }
      #expect(hub.engine.storage.tables == before)
    }
    let many = JSONValue.array(
      Array(repeating: ["op": "remove", "path": "/x"], count: DigitalTwinPatch.operationLimit + 1)
    )
    #expect(
      code { () throws(HubError) in _ = try DigitalTwinPatch(body: many) } == .argumentInvalid
    )
  }

  @Test("the condition is judged before the patch")
  func condition() throws {
    var hub = try twinHub()
    let etag = try hub.engine.view.digitalTwin("d").etag
    let patch = try DigitalTwinPatch(body: json(#"[{"op":"remove","path":"/none"}]"#))
    let answer = code { () throws(HubError) in
      _ = try hub.engine.updateDigitalTwin("d", patch, ifMatch: .exactly("x"), now: .epoch)
    }
    #expect(answer == .preconditionFailed)
    let good = #"[{"op":"add","path":"/a","value":1}]"#
    #expect(try update(&hub, good, ifMatch: .exactly(etag)) != etag)
    let gone = code { () throws(HubError) in
      _ = try hub.engine.updateDigitalTwin("x", patch, ifMatch: .absent, now: .epoch)
    }
    #expect(gone == .deviceNotFound)
  }
}

extension DigitalTwinTests {
  @Test("changes are told as a JSON Patch, of identities with a model alone")
  func events() throws {
    var hub = try twinHub(reported: #"{"serial":"a"}"#)
    _ = try update(&hub, #"[{"op":"add","path":"/t","value":{"target":21.8,"$metadata":{}}}]"#)
    hub.now = hub.now.adding(seconds: 5)
    _ = try hub.engine.patchReported(
      key,
      json(#"{"t":{"__t":"c","target":{"value":21.8,"ac":200,"av":3,"ad":"done"}}}"#),
      now: hub.now
    )
    _ = try update(&hub, #"[{"op":"remove","path":"/t"}]"#)
    // Tags are no part of a digital twin, and a name that nobody has is no change.
    _ = try hub.engine.updateTwin(
      key,
      TwinUpdate(tags: .set(["a": 1]), desired: .set(["none": .null])),
      replacing: false,
      ifMatch: .absent,
      now: hub.now
    )
    let events = try hub.events()
    let time = hub.now.iso8601
    #expect(
      events.map { String(decoding: $0.body, as: UTF8.self) } == [
        """
        [{"op":"add","path":"/t","value":{"$metadata":{"target":{"desiredValue":21.8,\
        "desiredVersion":2}}}}]
        """,
        """
        [{"op":"add","path":"/t/$metadata/target/ackCode","value":200},\
        {"op":"add","path":"/t/$metadata/target/ackDescription","value":"done"},\
        {"op":"add","path":"/t/$metadata/target/ackVersion","value":3},\
        {"op":"add","path":"/t/$metadata/target/lastUpdateTime","value":"\(time)"},\
        {"op":"add","path":"/t/target","value":21.8}]
        """,
        """
        [{"op":"remove","path":"/t/$metadata/target/desiredValue"},\
        {"op":"remove","path":"/t/$metadata/target/desiredVersion"}]
        """,
      ]
    )
    for event in events {
      #expect(event.source == .digitalTwinChange && event.operation == "updateTwin")
      #expect(event["iothub-message-schema"] == "digitalTwinChangeNotification")
      #expect(event.properties.contentType == "application/json-patch+json")
      #expect(event.properties.contentEncoding == "utf-8")
    }
    var without = try twinHub(model: nil)
    _ = try update(&without, #"[{"op":"add","path":"/a","value":1}]"#)
    #expect(try without.events().isEmpty)
  }
}

import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Queries over twins (contract §7.7)")
struct QueryTests {
  /// Twelve devices d00 to d11, floors 0 to 2, every third with a module.
  private func hub() throws -> TestHub {
    var hub = TestHub()
    for index in 0..<12 {
      let id = index < 10 ? "d0\(index)" : "d\(index)"
      let device = try hub.device(id)
      _ = try hub.engine.updateTwin(
        device.key,
        TwinUpdate(
          tags: .set(["floor": .int(Int64(index % 3))]),
          desired: .set(["rate": .int(Int64(index))])
        ),
        replacing: false,
        ifMatch: .absent,
        now: hub.now
      )
      if index % 3 == 0 { _ = try hub.module(id, "m") }
    }
    _ = try hub.engine.patchReported(
      IdentityKey(deviceID: "d05"),
      json(#"{"fan":{"on":true}}"#),
      now: hub.now
    )
    return hub
  }

  private func page(
    _ hub: TestHub,
    _ text: String,
    size: Int = 100,
    continuation: String? = nil
  ) throws(HubError) -> QueryPage {
    try hub.engine.view.query(text, pageSize: size, continuation: continuation) { key in
      ConnectionFacts(isConnected: key.deviceID == "d07")
    }
  }

  private func ids(_ page: QueryPage) throws -> [String] {
    try JSON.parse(page.body).arrayValue?.map { row in
      (row["deviceId"]?.stringValue ?? "")
        + (row["moduleId"].map { "/\($0.stringValue ?? "")" } ?? "")
    } ?? []
  }

  @Test("which rows a condition finds")
  func conditions() throws {
    let hub = try hub()
    for (condition, expected) in [
      ("tags.floor = 1 AND properties.desired.rate > 5", ["d07", "d10"]),
      ("properties.reported.fan.on = true", ["d05"]),
      ("connectionState = 'Connected'", ["d07"]),
      ("DeviceId = 'd03'", ["d03"]),
      ("deviceId = 'd03' AND tags.floor = 1", []),
      ("deviceId = 'nobody'", []),
      ("deviceId IN ['d01', 'd02']", ["d01", "d02"]),
      ("status = 'disabled'", []),
      ("properties.reported.$version > 1", ["d05"]),
      ("properties.desired.$version = 1", []),
      ("is_defined(properties.reported.fan)", ["d05"]),
      ("capabilities.iotEdge = true", []),
      ("etag = 'AAAAAAAAAAI=' AND tags.floor = 0", ["d00", "d03", "d06", "d09"]),
      (
        "is_defined(properties.desired.$metadata.rate) AND tags.floor = 2 AND version = 3",
        ["d02", "d08", "d11"]
      ),
    ] as [(String, [String])] {
      let page = try page(hub, "SELECT * FROM devices WHERE \(condition)")
      #expect(try ids(page) == expected, "\(condition)")
      #expect(page.itemType == .twin)
      #expect(page.continuation == nil)
    }
  }

  @Test("a row of SELECT * is the twin itself")
  func wholeTwin() throws {
    let hub = try hub()
    let page = try page(hub, "SELECT * FROM devices WHERE deviceId = 'd05'")
    #expect(
      try JSON.parse(page.body) == .array([hub.twin(IdentityKey(deviceID: "d05"))])
    )
  }

  @Test("pages: each row once, in order, whatever their size", arguments: [1, 5, 11, 12, 13])
  func pages(size: Int) throws {
    let hub = try hub()
    for (text, expected) in [
      ("SELECT * FROM devices", 12), ("SELECT TOP 7 * FROM devices", 7),
      ("SELECT deviceId FROM devices WHERE tags.floor != 0", 8),
      ("SELECT * FROM devices.modules", 4),
      ("SELECT * FROM devices.modules WHERE deviceId = 'd03'", 1),
      ("SELECT tags.floor, COUNT() AS n FROM devices GROUP BY tags.floor", 3),
    ] {
      var all: [String] = []
      var count = 0
      var continuation: String?
      repeat {
        let page = try page(hub, text, size: size, continuation: continuation)
        #expect(page.count <= size)
        #expect(page.count > 0, "\(text): an empty page")
        count += page.count
        all += try ids(page)
        continuation = page.continuation
      } while continuation != nil
      #expect(count == expected, "\(text)")
      #expect(all == all.sorted())
    }
  }

  @Test("modules have their own rows")
  func modules() throws {
    let hub = try hub()
    let page = try page(hub, "SELECT * FROM devices.modules WHERE moduleId = 'm'")
    #expect(try ids(page) == ["d00/m", "d03/m", "d06/m", "d09/m"])
  }

  @Test("projections and aggregates are Raw")
  func raw() throws {
    let hub = try hub()
    let projection = try page(
      hub,
      "SELECT properties.desired.rate AS r, tags FROM devices WHERE deviceId = 'd04'"
    )
    #expect(projection.itemType == .raw)
    #expect(try JSON.parse(projection.body) == [["r": 4, "tags": ["floor": 1]]])
    let count = try page(hub, "SELECT COUNT() AS n FROM devices WHERE tags.floor = 2")
    #expect(try JSON.parse(count.body) == [["n": 4]])
    #expect(count.itemType == .raw)
  }

  @Test("queries that do not compile are 400004 and say where")
  func malformed() throws {
    let hub = try hub()
    for text in ["", "SELECT", "SELECT * FROM nowhere", "SELECT * FROM devices WHERE a ="] {
      let refusal = #expect(throws: HubError.self) { try page(hub, text) }
      #expect(refusal?.code == .argumentInvalid)
      #expect(refusal?.message.contains("column") == true, "\(refusal?.message ?? "")")
    }
  }

  @Test("a continuation of another query, cut, changed or invented: 400004")
  func badContinuations() throws {
    let hub = try hub()
    let text = "SELECT * FROM devices"
    let good = try #require(try page(hub, text, size: 5).continuation)
    var bad = ["", "x", "AAAA", String(good.dropLast(4)), String(repeating: "A", count: 2000)]
    for index in good.indices where good[index] != "=" {
      var changed = good
      changed.replaceSubrange(index...index, with: good[index] == "B" ? "C" : "B")
      bad.append(changed)
    }
    for continuation in bad {
      #expect(
        code { () throws(HubError) in _ = try page(hub, text, continuation: continuation) }
          == .argumentInvalid,
        "\(continuation)"
      )
    }
    #expect(
      code { () throws(HubError) in
        _ = try page(hub, text + " WHERE tags.floor = 1", continuation: good)
      } == .argumentInvalid
    )
    #expect(try page(hub, text, continuation: good).count == 7)
  }

  @Test("rows that come or go between pages disturb no others")
  func changes() throws {
    var hub = try hub()
    let first = try page(hub, "SELECT * FROM devices", size: 5)
    try hub.engine.deleteDevice("d04", ifMatch: .any, now: hub.now)
    _ = try hub.device("a-new-one-before")
    _ = try hub.device("d99")
    let second = try page(
      hub,
      "SELECT * FROM devices",
      size: 100,
      continuation: first.continuation
    )
    #expect(try ids(second) == ["d05", "d06", "d07", "d08", "d09", "d10", "d11", "d99"])
  }
}

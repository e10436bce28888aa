import Foundation
import GRDB
import HTTPTypes
import JSONTree
import Testing

private func body(
  _ content: String = #""deviceContent":{"properties.desired.a":1}"#,
  target: String = "*",
  priority: Int = 0
) -> String {
  #"{"content":{\#(content)},"targetCondition":"\#(target)","priority":\#(priority)}"#
}

@Suite("Configurations by REST")
struct RESTConfigurationTests {
  @Test("PUT creates without If-Match and changes with it; DELETE and GET follow")
  func lifecycle() async throws {
    try await RESTHub.run { hub in
      let path = "/configurations/c-1"
      let stale = [("If-Match", "\"Mg==\"")]
      #expect(try await hub.send(.get, path).errorCode == "ConfigurationNotFound")
      let missing = try await hub.send(
        .put,
        path,
        headers: [("If-Match", "*")],
        json: body()
      )
      #expect(missing.errorCode == "ConfigurationNotFound")
      let made = try await hub.send(.put, path, json: body())
      #expect(made.status == 200 && made.etag == "MQ==", "\(made)")
      let again = try await hub.send(.put, path, json: body())
      #expect(again.status == 409 && again.errorCode == "ConfigurationAlreadyExists")
      let refused = try await hub.send(.put, path, headers: stale, json: body())
      #expect(refused.status == 412 && refused.errorCode == "PreconditionFailed")
      let other = body(#""deviceContent":{"properties.desired.b":1}"#, priority: 7)
      // Bare, as the stock client sends it.
      let changed = try await hub.send(.put, path, headers: [("If-Match", "MQ==")], json: other)
      #expect(changed.status == 200 && changed.etag == "Mg==")
      #expect(changed.header("x-orrery-warning") == "content-immutable")
      let read = try await hub.send(.get, path)
      #expect(read.etag == "Mg==")
      let json = try read.json()
      #expect(json["priority"] == 7)
      #expect(json["content"]?["deviceContent"] == ["properties.desired.a": 1])
      #expect(json["systemMetrics"]?["results"]?["targetedCount"] == 0)
      #expect(json["schemaVersion"] == .null)
      let list = try await hub.send(.get, "/configurations?top=5").json()
      #expect(list.arrayValue?.map { $0["id"] } == ["c-1"])
      let early = try await hub.send(.delete, path, headers: [("If-Match", "MQ==")])
      #expect(early.errorCode == "PreconditionFailed")
      #expect(try await hub.send(.delete, path).status == 204)
      #expect(try await hub.send(.delete, path).errorCode == "ConfigurationNotFound")
    }
  }

  @Test(
    "what cannot work is refused, a condition with its place",
    arguments: [
      ("c", body(target: "tags.a = = 1"), "InvalidConfigurationTargetCondition", "column"),
      (
        "c", body(target: "FROM devices.modules WHERE moduleId = 'm'"),
        "InvalidConfigurationTargetCondition", "leave FROM"
      ),
      (
        "c", body(#""deviceContent":{"properties.reported.a":1}"#), "InvalidConfigurationContent",
        "properties.desired"
      ),
      (
        "c", body(#""deviceContent":{"tags.a":1}"#), "InvalidConfigurationContent", "deviceContent"
      ),
      ("c", body(#""unknownContent":{}"#), "InvalidConfigurationContent", "exactly one"),
      (
        "c", body(#""deviceContent":{},"moduleContent":{}"#), "InvalidConfigurationContent",
        "one of"
      ),
      ("c", body(#""modulesContent":{"m":{}}"#), "InvalidConfigurationContent", "$edgeAgent"),
      ("c", body(priority: -1), "ArgumentInvalid", "priority"),
      ("c", #"{"targetCondition":"*"}"#, "InvalidConfigurationContent", "missing"),
      ("c", #"{"id":"d","content":{"deviceContent":{}}}"#, "ArgumentInvalid", "id"),
      ("c", #"{"content":7}"#, "DeserializationError", "content"),
      (
        "c",
        #"{"content":{"deviceContent":{}},"metrics":{"queries":{"m":"SELECT a FROM devices WHERE a ="}}}"#,
        "InvalidConfigurationCustomMetricsQuery", "Metric m"
      ),
      ("Upper", body(), "ArgumentInvalid", "lower-case"),
      (String(repeating: "a", count: 129), body(), "ArgumentInvalid", "128"),
    ] as [(String, String, String, String)]
  )
  func refusals(id: String, text: String, code: String, hint: String) async throws {
    try await RESTHub.run { hub in
      for (method, path) in [
        (HTTPRequest.Method.put, "/configurations/\(id)"),
        (.post, "/configurations/\(id)/plan"),
      ] {
        let reply = try await hub.send(method, path, json: text)
        #expect(reply.status == 400 && reply.errorCode == code, "\(reply)")
        #expect(reply.text.contains(hint), "\(reply)")
      }
      #expect(try await hub.send(.get, "/configurations").json() == [])
    }
  }

  @Test("Two priorities: the higher one wins, follows the twin, and gives way when it is deleted")
  func priorities() async throws {
    try await RESTHub.run { hub in
      try await hub.fleet(4)
      try await hub.advancing {
        let low = try await hub.send(.put, "/configurations/low", json: body())
        #expect(low.status == 200)
        let high = body(
          #""deviceContent":{"properties.desired.a":2,"properties.desired.b":true}"#,
          target: "tags.site = 'north'",
          priority: 5
        )
        #expect(try await hub.send(.put, "/configurations/high", json: high).status == 200)
        try await hub.until("both are applied") {
          let (north, south) = (try await hub.desired("d0"), try await hub.desired("d3"))
          return north == ["a": 2, "b": true] && south == ["a": 1]
        }
        #expect(try await hub.status("low", "d0") == "Targeted")
        #expect(try await hub.status("high", "d0") == "Applied")
        #expect(try await hub.status("high", "d3") == nil)
        // In the transaction of the patch itself.
        _ = try await hub.send(.patch, "/twins/d3", json: #"{"tags":{"site":"north"}}"#)
        #expect(try await hub.desired("d3") == ["a": 2, "b": true])
        _ = try await hub.send(.patch, "/twins/d3", json: #"{"tags":{"site":null}}"#)
        #expect(try await hub.desired("d3") == ["a": 1])
        try await hub.until("the metrics count") {
          let json = try await hub.send(.get, "/configurations/high").json()
          return json["systemMetrics"]?["results"] == ["targetedCount": 2, "appliedCount": 2]
        }
        let rows = try await hub.send(
          .post,
          "/devices/query",
          json: """
            {"query":"SELECT deviceId FROM devices WHERE configurations.[[low]].status = 'Applied'"}
            """
        )
        #expect(try rows.json() == [["deviceId": "d1"], ["deviceId": "d3"]])
        #expect(try await hub.send(.delete, "/configurations/high").status == 204)
        try await hub.until("the lower one applies") {
          try await hub.desired("d0") == ["a": 1, "b": true]
        }
        #expect(try await hub.status("high", "d0") == nil)
      }
    }
  }

  @Test("Configurations and what they have done outlive the process, and a walk goes on")
  func reopening() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        try await hub.fleet(5)
        // Nothing carries it out in this life.
        let reply = try await hub.send(.put, "/configurations/c", json: body())
        #expect(reply.status == 200)
        #expect(try await hub.desired("d0") == [:])
        // But a twin that changes follows at once.
        _ = try await hub.send(.patch, "/twins/d4", json: #"{"tags":{"x":1}}"#)
        #expect(try await hub.status("c", "d4") == "Applied")
      }
      try await RESTHub.run(in: folder) { hub in
        #expect(try await hub.status("c", "d4") == "Applied")
        try await hub.advancing {
          try await hub.until("all have it") { try await hub.desired("d3") == ["a": 1] }
        }
        #expect(
          try await hub.send(.delete, "/devices/d0", headers: [("If-Match", "*")]).status == 204
        )
        #expect(try await hub.send(.delete, "/configurations/c").status == 204)
      }
      try await RESTHub.run(in: folder) { hub in
        #expect(try await hub.send(.get, "/configurations").json() == [])
        try await hub.advancing {
          try await hub.until("the states are cleared") {
            try await hub.status("c", "d4") == nil
          }
        }
        #expect(try await hub.desired("d4") == ["a": 1])
      }
      let queue = try DatabaseQueue(path: folder + "/registry.sqlite")
      let left = try await queue.read { database in
        try ["configuration_state", "configuration_target", "configuration_sweep"].map { table in
          try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)")
        }
      }
      #expect(left == [0, 0, 0])
      try queue.close()
    }
  }

  @Test("A database from before configurations and jobs gets their tables when it is opened")
  func migration() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in try await hub.fleet(2) }
      let queue = try DatabaseQueue(path: folder + "/registry.sqlite")
      try await queue.write { database in
        for table in [
          "configuration", "configuration_state", "configuration_target", "configuration_sweep",
          "job", "device_job",
        ] {
          try database.execute(sql: "DROP TABLE \(table)")
        }
        try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '5 %'")
        #expect(database.changesCount == 1)
      }
      try queue.close()
      try await RESTHub.run(in: folder) { hub in
        #expect(try await hub.send(.get, "/devices").json().arrayValue?.count == 2)
        #expect(try await hub.send(.put, "/configurations/c", json: body()).status == 200)
        try await hub.advancing {
          try await hub.until("it works") { try await hub.desired("d1") == ["a": 1] }
        }
      }
    }
  }

  @Test("A plan lists what changes, page by page, and changes nothing")
  func plan() async throws {
    try await RESTHub.run { hub in
      try await hub.fleet(5)
      var devices: [JSONValue?] = []
      var continuation: String?
      var pages = 0
      repeat {
        var headers = [("x-ms-max-item-count", "2")]
        if let continuation { headers.append(("x-ms-continuation", continuation)) }
        let reply = try await hub.send(
          .post,
          "/configurations/c/plan",
          headers: headers,
          json: body(target: "tags.site = 'north'")
        )
        #expect(reply.status == 200, "\(reply)")
        let page = try reply.json()
        #expect(page["action"] == "create")
        for change in page["changes"]?.arrayValue ?? [] {
          devices.append(change["deviceId"])
          #expect(change["desired"] == ["a": 1])
          #expect(change["configurations"] == ["c": ["before": .null, "after": "Applied"]])
        }
        continuation = reply.header("x-ms-continuation")
        pages += 1
      } while continuation != nil
      #expect(devices == ["d0", "d2", "d4"])
      #expect(pages == 2)
      #expect(try await hub.send(.get, "/configurations").json() == [])
      let gone = try await hub.send(.post, "/configurations/c/plan?operation=delete")
      #expect(gone.errorCode == "ConfigurationNotFound")
      let unknown = try await hub.send(.post, "/configurations/c/plan?operation=x", json: "{}")
      #expect(unknown.errorCode == "ArgumentInvalid")
    }
  }

  @Test("Queries are tested, and content is applied to one edge device")
  func testQueriesAndApply() async throws {
    try await RESTHub.run { hub in
      let tested = try await hub.send(
        .post,
        "/configurations/testQueries",
        json:
          #"{"targetCondition":"tags.a =","customMetricQueries":{"bad":"SELECT","good":"SELECT deviceId FROM devices"}}"#
      )
      let json = try tested.json()
      #expect(json["targetConditionError"]?.stringValue?.contains("column") == true)
      #expect(json["customMetricQueryErrors"]?.objectValue?.keys == ["bad"])
      let fine = try await hub.send(
        .post,
        "/configurations/testQueries",
        json: #"{"targetCondition":"*","customMetricQueries":{}}"#
      )
      #expect(
        try fine.json() == ["targetConditionError": .null, "customMetricQueryErrors": [:]]
      )

      let edge = try await hub.send(
        .put,
        "/devices/e",
        json: #"{"deviceId":"e","capabilities":{"iotEdge":true}}"#
      )
      #expect(edge.status == 200)
      _ = try await hub.device("leaf")
      let content = #"""
        {"modulesContent":{"$edgeAgent":{"properties.desired":{"modules":{"m":{"image":"m:1"}}}},
        "m":{"properties.desired":{"speed":1}}}}
        """#
      let applied = try await hub.send(
        .post,
        "/devices/e/applyConfigurationContent",
        json: content
      )
      #expect(applied.status == 204, "\(applied)")
      let module = try await hub.send(.get, "/twins/e/modules/m").json()
      #expect(module["properties"]?["desired"]?["speed"] == 1)
      for (device, body, code) in [
        ("leaf", content, "ArgumentInvalid"), ("none", content, "DeviceNotFound"),
        ("e", #"{"deviceContent":{}}"#, "InvalidConfigurationContent"),
      ] {
        let reply = try await hub.send(
          .post,
          "/devices/\(device)/applyConfigurationContent",
          json: body
        )
        #expect(reply.errorCode == code, "\(reply)")
      }
    }
  }

  @Test("The hundred-and-first configuration is refused, and other rights do not do")
  func limits() async throws {
    try await RESTHub.run { hub in
      for index in 0..<100 {
        let reply = try await hub.send(.put, "/configurations/c\(index)", json: body())
        #expect(reply.status == 200)
      }
      let more = try await hub.send(.put, "/configurations/more", json: body())
      #expect(more.status == 413 && more.errorCode == "ConfigurationCountLimitExceeded")
      let few = try await hub.send(.get, "/configurations?top=3").json()
      #expect(few.arrayValue?.count == 3)
      let refused = try await hub.send(.get, "/configurations", as: .policy("registryRead"))
      #expect(refused.status == 401)
      #expect(try await hub.send(.get, "/configurations", as: .policy("service")).status == 200)
    }
  }
}

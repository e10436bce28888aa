import HTTPTypes
import JSONTree
import Testing

@Suite("Identities, bulk and statistics (hub contract §7.3, §7.4, §7.10)")
struct RESTRegistryTests {
  @Test("A PUT without If-Match only creates, with it only replaces")
  func putDevice() async throws {
    try await RESTHub.run { hub in
      let body = #"{"deviceId":"d1"}"#
      let created = try await hub.send(.put, "/devices/d1", json: body)
      #expect(created.status == 200)
      let device = try created.json()
      #expect(device["status"] == "enabled")
      #expect(device["authentication"]?["type"] == "sas")
      #expect(device["etag"]?.stringValue == created.etag)
      let rows: [(String, [(String, String)], String, Int, String?)] = [
        ("again", [], "d1", 409, "DeviceAlreadyExists"),
        ("stale", [("If-Match", "\"AAAA\"")], "d1", 412, "PreconditionFailed"),
        ("of no ETag", [("If-Match", "\"\"")], "d1", 412, "PreconditionFailed"),
        ("of half an ETag", [("If-Match", "W/")], "d1", 412, "PreconditionFailed"),
        ("of a blank", [("If-Match", " ")], "d1", 409, "DeviceAlreadyExists"),
        ("missing", [("If-Match", "*")], "d2", 404, "DeviceNotFound"),
        ("current", [("If-Match", "\"\(created.etag ?? "")\"")], "d1", 200, nil),
        ("any", [("If-Match", "*")], "d1", 200, nil),
      ]
      for (name, headers, id, status, code) in rows {
        let reply = try await hub.send(
          .put,
          "/devices/\(id)",
          headers: headers,
          json: #"{"deviceId":"\#(id)"}"#
        )
        #expect(reply.status == status, "\(name): \(reply)")
        #expect(reply.errorCode == code, "\(name)")
      }
      let other = try await hub.send(.put, "/devices/d3", json: body)
      #expect(other.errorCode == "ArgumentInvalid", "the IDs differ")
    }
  }

  @Test("A DELETE needs a condition")
  func deleteDevice() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let rows: [([(String, String)], Int)] = [
        ([], 412), ([("If-Match", "W/\"AAAA\"")], 412), ([("If-Match", "*")], 204),
        ([("If-Match", "*")], 404),
      ]
      for (headers, status) in rows {
        let reply = try await hub.send(.delete, "/devices/d1", headers: headers)
        #expect(reply.status == status, "\(reply)")
        if status == 204 {
          #expect(reply.body.isEmpty)
          #expect(reply.header("Content-Length") == nil)
        }
      }
    }
  }

  @Test(
    "Every character of a device ID survives the path (§1.3)",
    arguments: ["a-b.c+d%e_f", "#*?!(),:=@$'", "%41", "100%", "+", "query"]
  )
  func identifiers(id: String) async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device(id)
      let reply = try await hub.send(.get, "/devices/\(hub.encoded(id))")
      #expect(try reply.json()["deviceId"] == .string(id))
      // What needs no escape may stand bare; a plus is no blank.
      let bare = id.utf8.allSatisfy { !"%#?".utf8.contains($0) }
      if bare { #expect(try await hub.send(.get, "/devices/\(id)").status == 200) }
    }
  }

  @Test("Lists, modules and statistics show what was made")
  func lists() async throws {
    try await RESTHub.run { hub in
      for id in ["a", "b", "c"] { _ = try await hub.device(id) }
      _ = try await hub.send(
        .put,
        "/devices/c",
        headers: [("If-Match", "*")],
        json: #"{"deviceId":"c","status":"disabled"}"#
      )
      let list = try await hub.send(.get, "/devices?top=2")
      #expect(try list.json().arrayValue?.map { $0["deviceId"] } == ["a", "b"])
      let counts = try await hub.send(.get, "/statistics/devices")
      #expect(
        try counts.json()
          == ["totalDeviceCount": 3, "enabledDeviceCount": 2, "disabledDeviceCount": 1]
      )
      let connected = try await hub.send(.get, "/statistics/service")
      #expect(try connected.json() == ["connectedDeviceCount": 0])
      let path = "/devices/a/modules/m1"
      let module = try await hub.send(
        .put,
        path,
        json: #"{"deviceId":"a","moduleId":"m1"}"#
      )
      #expect(module.status == 200)
      let again = try await hub.send(.put, path, json: #"{"deviceId":"a","moduleId":"m1"}"#)
      #expect(again.errorCode == "ModuleAlreadyExistsOnDevice")
      #expect(try again.json()["errorCode"] == 409301)
      let modules = try await hub.send(.get, "/devices/a/modules")
      #expect(try modules.json().arrayValue?.count == 1)
      #expect(try await hub.send(.get, path).etag == module.etag)
      let gone = try await hub.send(.delete, path, headers: [("If-Match", "*")])
      #expect(gone.status == 204)
      #expect(try await hub.send(.get, path).errorCode == "ModuleNotFound")
    }
  }

  @Test("An edge device manages its own modules by its own key (§5)")
  func ownModules() async throws {
    try await RESTHub.run { hub in
      let created = try await hub.send(
        .put,
        "/devices/edge",
        json: #"{"deviceId":"edge","capabilities":{"iotEdge":true}}"#
      )
      let key = try #require(
        try created.json()["authentication"]?["symmetricKey"]?["primaryKey"]?.stringValue
      )
      let edge = RESTHub.Credential.key(key, device: "edge")
      let list = try await hub.send(.get, "/devices/edge/modules", as: edge)
      #expect(try list.json().arrayValue?.map { $0["moduleId"] } == ["$edgeAgent", "$edgeHub"])
      let made = try await hub.send(
        .put,
        "/devices/edge/modules/m",
        as: edge,
        json: #"{"deviceId":"edge","moduleId":"m","managedBy":"iotEdge"}"#
      )
      #expect(made.status == 200, "\(made)")
      let leaf = try await hub.device("leaf")
      #expect(try await hub.send(.get, "/devices/leaf/modules", as: leaf).status == 401)
      #expect(try await hub.send(.get, "/devices/leaf/modules", as: edge).status == 401)
      #expect(try await hub.send(.get, "/devices/edge", as: edge).status == 401)
    }
  }

  @Test("The elements of a bulk call stand for themselves")
  func bulk() async throws {
    try await RESTHub.run { hub in
      let good = try await hub.send(
        .post,
        "/devices",
        json: #"[{"id":"a","importMode":"create"},{"id":"b","importMode":"create"}]"#
      )
      #expect(good.status == 200)
      #expect(try good.json() == ["isSuccessful": true, "errors": [], "warnings": []])
      let mixed = try await hub.send(
        .post,
        "/devices",
        json: #"[{"id":"a","importMode":"create"},{"id":"c","importMode":"create"},{"id":7}]"#
      )
      #expect(mixed.status == 400)
      #expect(mixed.errorCode == "BulkRegistryOperationFailure")
      let errors = try mixed.json()["errors"]?.arrayValue ?? []
      #expect(errors.map { $0["errorCode"] } == ["DeviceAlreadyExists", "DeserializationError"])
      #expect(try await hub.send(.get, "/devices/c").status == 200)
      let twice = try await hub.send(.post, "/devices", json: #"[{"id":"x"},{"id":"x"}]"#)
      #expect(twice.errorCode == "DeviceDefinedMultipleTimes")
      let many = (0...100).map { #"{"id":"m\#($0)"}"# }.joined(separator: ",")
      #expect(try await hub.send(.post, "/devices", json: "[\(many)]").status == 413)
    }
  }

  @Test("An export restores the registry it was made of, line by line")
  func transfer() async throws {
    var exported: [UInt8] = []
    try await RESTHub.run { hub in
      // More than one page of the export.
      for first in stride(from: 0, to: 450, by: 90) {
        let lines = (first..<(first + 90)).map { number in
          #"{"id":"d\#(1000 + number)","importMode":"create","tags":{"n":\#(number)}}"#
        }
        _ = try await hub.send(.post, "/devices", json: "[\(lines.joined(separator: ","))]")
      }
      _ = try await hub.send(
        .put,
        "/devices/d1000/modules/m",
        json: #"{"deviceId":"d1000","moduleId":"m"}"#
      )
      let bare = try await hub.send(.get, "/registry/export", as: .policy("registryRead"))
      #expect(bare.status == 200)
      #expect(bare.text.contains(#""primaryKey":null"#))
      #expect(!bare.text.contains(#""primaryKey":""#))
      let refused = try await hub.send(
        .get,
        "/registry/export?keys=true",
        as: .policy("registryRead")
      )
      #expect(refused.status == 401)
      exported = try await hub.send(.get, "/registry/export?keys=true").body
      #expect(exported.count { $0 == UInt8(ascii: "\n") } == 451)
    }
    try await RESTHub.run { hub in
      let result = try await hub.send(.post, "/registry/import", body: exported)
      #expect(
        try result.json()
          == [
            "isSuccessful": true, "processed": 451, "succeeded": 451, "failed": 0, "errors": [],
          ],
        "\(result)"
      )
      let again = try await hub.send(.get, "/registry/export?keys=true").body
      func withoutETags(_ bytes: [UInt8]) throws -> [JSONValue] {
        try bytes.split(separator: UInt8(ascii: "\n")).map { line in
          var object = try #require(try JSON.parse(Array(line)).objectValue)
          object["eTag"] = nil
          object["twinETag"] = nil
          return .object(object)
        }
      }
      #expect(try withoutETags(again) == withoutETags(exported))
    }
  }

  @Test("Children find their edge devices in another hub, whichever line comes first")
  func transferOfEdgeDevices() async throws {
    var exported: [UInt8] = []
    var oldScopes: [String] = []
    try await RESTHub.run { hub in
      func put(_ body: String, _ id: String) async throws -> JSONValue {
        let reply = try await hub.send(.put, "/devices/\(id)", json: body)
        #expect(reply.status == 200, "\(reply)")
        return try reply.json()
      }
      let top = try await put(#"{"deviceId":"z-top","capabilities":{"iotEdge":true}}"#, "z-top")
      let topScope = try #require(top["deviceScope"]?.stringValue)
      let mid = try await put(
        #"{"deviceId":"m-mid","capabilities":{"iotEdge":true},"parentScopes":["\#(topScope)"]}"#,
        "m-mid"
      )
      let midScope = try #require(mid["deviceScope"]?.stringValue)
      _ = try await put(#"{"deviceId":"a-leaf","deviceScope":"\#(midScope)"}"#, "a-leaf")
      _ = try await hub.send(
        .put,
        "/devices/a-leaf/modules/m",
        json: #"{"deviceId":"a-leaf","moduleId":"m"}"#
      )
      oldScopes = [topScope, midScope]
      exported = try await hub.send(.get, "/registry/export?keys=true").body
    }
    let orphan =
      #"{"id":"b-orphan","deviceScope":"ms-azure-iot-edge://gone-1"}"# + "\n"
      + #"{"id":"b-orphan","moduleId":"m"}"# + "\n"
    try await RESTHub.run { hub in
      let result = try await hub.send(
        .post,
        "/registry/import",
        body: [UInt8](orphan.utf8) + exported
      ).json()
      #expect(result["processed"] == 10)
      #expect(result["failed"] == 2)
      let errors = result["errors"]?.arrayValue ?? []
      #expect(errors.map { $0["line"] } == [1, 2])
      #expect(errors.map { $0["errorCode"] } == ["InvalidDeviceScope", "DeviceNotFound"])
      func get(_ id: String) async throws -> JSONValue {
        try await hub.send(.get, "/devices/\(id)").json()
      }
      let (top, mid, leaf) = (
        try await get("z-top"), try await get("m-mid"), try await get("a-leaf")
      )
      #expect(mid["parentScopes"] == .array([top["deviceScope"] ?? nil]))
      #expect(leaf["deviceScope"] == mid["deviceScope"])
      #expect(leaf["parentScopes"] == .array([mid["deviceScope"] ?? nil]))
      for device in [top, mid, leaf] {
        #expect(!oldScopes.contains(device["deviceScope"]?.stringValue ?? ""), "\(device)")
      }
      #expect(try await hub.send(.get, "/devices/a-leaf/modules/m").status == 200)
      #expect(try await hub.send(.get, "/devices/b-orphan").status == 404)
      // With a mode the line means what it says, and an old generation's scope is refused.
      let created = try await hub.send(
        .post,
        "/registry/import",
        json: #"{"id":"c","importMode":"create","deviceScope":"\#(oldScopes[0])"}"#
      ).json()
      #expect(created["errors"]?.arrayValue?.first?["errorCode"] == "InvalidDeviceScope")
    }
  }

  @Test("A bad line of an import is told by its number and stops nothing")
  func badLines() async throws {
    try await RESTHub.run { hub in
      let long = String(repeating: "x", count: 1_048_577)
      let lines = [
        #"{"id":"a"}"#, "", "  \r", "{", #"{"id":"b c"}"#, long, #"{"id":"z"}"#,
        #"{"id":"a","importMode":"create"}"#, "[]", #"{"id":"last"}"#,
      ]
      let reply = try await hub.send(
        .post,
        "/registry/import",
        as: .policy("registryReadWrite"),
        json: lines.joined(separator: "\n")
      )
      #expect(reply.status == 200)
      let result = try reply.json()
      #expect(result["processed"] == 8)
      #expect(result["failed"] == 5)
      let errors = result["errors"]?.arrayValue ?? []
      #expect(errors.map { $0["line"] } == [4, 5, 6, 8, 9])
      #expect(
        errors.map { $0["errorCode"] }
          == [
            "IotHubFormatError", "ArgumentInvalid", "MessageTooLarge", "DeviceAlreadyExists",
            "DeserializationError",
          ]
      )
      #expect(try await hub.send(.get, "/devices/last").status == 200)
      #expect(
        try await hub.send(.post, "/registry/import", as: .policy("registryRead")).status == 401
      )
    }
  }
}

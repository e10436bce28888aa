import HTTPTypes
import JSONTree
import Testing

@Suite("Twins, queries and direct methods (hub contract §7.5 to §7.7)")
struct RESTTwinTests {
  @Test("PATCH merges, PUT replaces, and both answer the whole twin with its ETag")
  func updates() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let fresh = try await hub.send(.get, "/twins/d1")
      #expect(try fresh.json()["version"] == 2)
      let patched = try await hub.send(
        .patch,
        "/twins/d1",
        json: #"{"tags":{"a":1.0,"b":{"c":true}},"properties":{"desired":{"x":1}}}"#
      )
      #expect(patched.status == 200)
      let twin = try patched.json()
      #expect(JSON.text(twin["tags"] ?? nil) == #"{"a":1.0,"b":{"c":true}}"#)
      #expect(twin["properties"]?["desired"]?["$version"] == 2)
      #expect(twin["etag"]?.stringValue == patched.etag)
      let stale = try await hub.send(
        .patch,
        "/twins/d1",
        headers: [("If-Match", fresh.header("ETag") ?? "")],
        json: #"{"tags":{}}"#
      )
      #expect(stale.errorCode == "PreconditionFailed")
      let replaced = try await hub.send(
        .put,
        "/twins/d1",
        headers: [("If-Match", patched.etag ?? "")],
        json: #"{"tags":{"only":1}}"#
      )
      #expect(replaced.status == 200)
      #expect(try replaced.json()["tags"] == ["only": 1])
      #expect(try replaced.json()["properties"]?["desired"]?["x"] == nil)
      let rows: [(String, String, String)] = [
        ("not an object", "[]", "ArgumentInvalid"),
        ("tags of another type", #"{"tags":7}"#, "ArgumentInvalid"),
        ("a key with a dot", #"{"tags":{"a.b":1}}"#, "ArgumentInvalid"),
        (
          "too large", #"{"tags":{"a":"\#(String(repeating: "x", count: 4097))"}}"#,
          "ArgumentInvalid"
        ),
        ("no JSON", "x", "IotHubFormatError"),
      ]
      for (name, body, code) in rows {
        let reply = try await hub.send(.patch, "/twins/d1", json: body)
        #expect(reply.status == 400, "\(name): \(reply)")
        #expect(reply.errorCode == code, "\(name)")
      }
      // A twin that was read can be sent back.
      let read = try await hub.send(.get, "/twins/d1")
      #expect(try await hub.send(.put, "/twins/d1", body: read.body).status == 200)
      #expect(try await hub.send(.get, "/twins/nobody/modules/m").errorCode == "DeviceNotFound")
    }
  }

  @Test("A query comes in pages that hang together")
  func query() async throws {
    try await RESTHub.run { hub in
      for id in ["a", "b", "c", "d", "e"] { _ = try await hub.device(id) }
      func page(
        _ text: String,
        _ headers: [(String, String)]
      ) async throws -> Reply {
        try await hub.send(
          .post,
          "/devices/query",
          headers: headers,
          json: #"{"query":"\#(text)"}"#
        )
      }
      var ids: [JSONValue] = []
      var headers = [("x-ms-max-item-count", "2")]
      var pages = 0
      while true {
        let reply = try await page("SELECT * FROM devices", headers)
        #expect(reply.header("x-ms-item-type") == "Twin")
        ids += try reply.json().arrayValue?.compactMap { $0["deviceId"] } ?? []
        pages += 1
        guard let next = reply.header("x-ms-continuation") else { break }
        headers = [("x-ms-max-item-count", "2"), ("x-ms-continuation", next)]
      }
      #expect(ids == ["a", "b", "c", "d", "e"])
      #expect(pages == 3)
      let raw = try await page("SELECT COUNT() AS n FROM devices WHERE deviceId > 'b'", [])
      #expect(raw.header("x-ms-item-type") == "Raw")
      #expect(try raw.json() == [["n": 3]])
      let rows: [(String, [(String, String)])] = [
        ("SELECT", []), ("SELECT * FROM nothing", []),
        ("SELECT * FROM devices", [("x-ms-continuation", "bogus")]),
        ("SELECT * FROM devices", [("x-ms-max-item-count", "many")]),
        ("SELECT * FROM devices", [("x-ms-max-item-count", "0")]),
        (String(repeating: "x", count: 8193), []),
      ]
      for (text, headers) in rows {
        let reply = try await page(text, headers)
        #expect(reply.status == 400, "\(text.prefix(40)) \(headers)")
        #expect(reply.errorCode == "ArgumentInvalid")
      }
    }
  }

  @Test("A method's arguments are judged before the device is looked for on line")
  func methods() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let rows: [(String, Int, String)] = [
        (#"{"methodName":"m"}"#, 404, "DeviceNotOnline"),
        (#"{"methodName":"a*b","payload":null}"#, 404, "DeviceNotOnline"),
        (#"{}"#, 400, "ArgumentNull"),
        (#"{"methodName":""}"#, 400, "ArgumentInvalid"),
        (#"{"methodName":"a b"}"#, 400, "ArgumentInvalid"),
        (#"{"methodName":7}"#, 400, "DeserializationError"),
        (#"{"methodName":"m","responseTimeoutInSeconds":4}"#, 400, "ArgumentInvalid"),
        (#"{"methodName":"m","responseTimeoutInSeconds":301}"#, 400, "ArgumentInvalid"),
        (#"{"methodName":"m","connectTimeoutInSeconds":31}"#, 400, "ArgumentInvalid"),
        (#"{"methodName":"m","connectTimeoutInSeconds":-1}"#, 400, "ArgumentInvalid"),
        (
          #"{"methodName":"m","payload":"\#(String(repeating: "x", count: 131_072))"}"#, 413,
          "MessageTooLarge"
        ),
      ]
      for (body, status, code) in rows {
        let reply = try await hub.send(.post, "/twins/d1/methods", json: body)
        #expect(reply.status == status, "\(body.prefix(60)): \(reply)")
        #expect(reply.errorCode == code, "\(body.prefix(60))")
      }
      let module = try await hub.send(
        .post,
        "/twins/d1/modules/m/methods",
        json: #"{"methodName":"m"}"#
      )
      #expect(module.errorCode == "ModuleNotFound")
    }
  }
}

import HTTPTypes
import JSONTree
import Testing

@Suite("Digital twins by REST (hub contract §7.10)")
struct RESTDigitalTwinTests {
  private static let patch = #"[{"op":"add","path":"/fan","value":2}]"#

  @Test("A patch is answered by ETag and place, and the digital twin shows what is desired")
  func update() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d#1")
      let fresh = try await hub.send(.get, "/digitaltwins/d%231")
      #expect(try fresh.json() == ["$dtId": "d#1", "$metadata": ["$model": ""]])
      let patched = try await hub.send(
        .patch,
        "/digitaltwins/d%231",
        headers: [("If-Match", fresh.header("ETag") ?? "")],
        json: Self.patch
      )
      #expect(patched.status == 202 && patched.body.isEmpty, "\(patched)")
      #expect(patched.header("Location") == "/digitaltwins/d%231")
      #expect(patched.etag != nil && patched.etag != fresh.etag)
      let read = try await hub.send(.get, "/digitaltwins/d%231")
      #expect(read.etag == patched.etag)
      #expect(try read.json()["$metadata"]?["fan"]?["desiredValue"] == 2)
      let twin = try await hub.send(.get, "/twins/d%231")
      #expect(twin.etag == patched.etag)
      #expect(try twin.json()["properties"]?["desired"]?["fan"] == 2)
    }
  }

  @Test("Refusals have the codes of twins and methods, and the rights are those of services")
  func refusals() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let stale = [("If-Match", "\"x\"")]
      let rows: [(HTTPRequest.Method, String, [(String, String)], String, Int, String)] = [
        (.patch, "/digitaltwins/d1", [], "{}", 400, "DeserializationError"),
        (.patch, "/digitaltwins/d1", [], "x", 400, "IotHubFormatError"),
        (.patch, "/digitaltwins/d1", [], "", 400, "ArgumentNull"),
        (.patch, "/digitaltwins/d1", [], #"[{"op":"test","path":"/a"}]"#, 400, "ArgumentInvalid"),
        (.patch, "/digitaltwins/d1", stale, Self.patch, 412, "PreconditionFailed"),
        (.patch, "/digitaltwins/none", [], Self.patch, 404, "DeviceNotFound"),
        (.get, "/digitaltwins/none", [], "", 404, "DeviceNotFound"),
        (.post, "/digitaltwins/none/commands/c", [], "", 404, "DeviceNotFound"),
        (.post, "/digitaltwins/d1/commands/c", [], "", 404, "DeviceNotOnline"),
        (.post, "/digitaltwins/d1/components/t/commands/c", [], "1", 404, "DeviceNotOnline"),
        (.post, "/digitaltwins/d1/commands/c", [], "x", 400, "IotHubFormatError"),
        (.post, "/digitaltwins/d1/commands/a%20b", [], "", 400, "ArgumentInvalid"),
        (
          .post, "/digitaltwins/d1/commands/c?responseTimeoutInSeconds=4", [], "", 400,
          "ArgumentInvalid"
        ),
        (
          .post, "/digitaltwins/d1/commands/c?connectTimeoutInSeconds=31", [], "", 400,
          "ArgumentInvalid"
        ),
        (
          .post, "/digitaltwins/d1/commands/c?connectTimeoutInSeconds=soon", [], "", 400,
          "ArgumentInvalid"
        ),
        (
          .post, "/digitaltwins/d1/commands/c", [],
          "\"" + String(repeating: "x", count: 131_072) + "\"", 413, "MessageTooLarge"
        ),
      ]
      for (method, path, headers, body, status, code) in rows {
        let reply = try await hub.send(method, path, headers: headers, json: body)
        #expect(reply.status == status, "\(method) \(path) \(body.prefix(40)): \(reply)")
        #expect(reply.errorCode == code, "\(method) \(path) \(body.prefix(40))")
      }
      for policy in ["registryRead", "registryReadWrite", "device"] {
        let reply = try await hub.send(.get, "/digitaltwins/d1", as: .policy(policy))
        #expect(reply.status == 401 || reply.status == 403, "\(policy): \(reply)")
      }
      #expect(try await hub.send(.get, "/digitaltwins/d1", as: .policy("service")).status == 200)
    }
  }
}

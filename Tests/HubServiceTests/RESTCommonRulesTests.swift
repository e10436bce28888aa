import HTTPTypes
import HubContract
import HubEngine
import JSONTree
import Platform
import Testing

@Suite("Common rules of REST (hub contract §7.1, §7.2)")
struct RESTCommonRulesTests {
  @Test("Paths and methods have exact answers")
  func paths() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let rows: [(HTTPRequest.Method, String, Int, String?)] = [
        (.get, "/devices", 200, nil),
        (.get, "/devices/", 200, nil),
        (.get, "/devices/?top=1", 200, nil),
        (.get, "/Devices/d1", 200, nil),
        (.get, "/devices/%64%31", 200, nil),
        (.get, "https://hub.test/devices/d1", 200, nil),
        (.get, "/devices/D1", 404, "DeviceNotFound"),
        // Once, not twice.
        (.get, "/devices/%2564%2531", 404, "DeviceNotFound"),
        (.get, "/nothing", 404, "NotFound"),
        (.get, "/", 404, "NotFound"),
        (.get, "/devices//modules", 404, "NotFound"),
        (.get, "/devices/d1/modules/m/x/y/z", 404, "NotFound"),
        (.patch, "/devices/d1", 405, "GenericMethodNotAllowed"),
        (.options, "/devices/d1", 405, "GenericMethodNotAllowed"),
        (.head, "/devices/query", 404, "DeviceNotFound"),
        (.get, "/devices/%zz", 400, "ArgumentInvalid"),
        (.get, "/devices/%ff%fe", 400, "ArgumentInvalid"),
        (.get, "/devices/a%20b", 400, "ArgumentInvalid"),
        (.get, "/devices/d1/modules/$other", 400, "ArgumentInvalid"),
      ]
      for (method, path, status, code) in rows {
        let reply = try await hub.send(method, path)
        #expect(reply.status == status, "\(method) \(path): \(reply)")
        #expect(reply.errorCode == code, "\(method) \(path): \(reply)")
        #expect(reply.header("x-ms-request-id")?.utf8.count == 36)
        #expect(reply.header("Date")?.hasSuffix(" GMT") == true)
      }
      let refused = try await hub.send(.patch, "/devices/d1")
      #expect(refused.header("Allow") == "DELETE, GET, HEAD, PUT")
    }
  }

  @Test("HEAD is GET without the body")
  func head() async throws {
    try await RESTHub.run { hub in
      let full = try await hub.send(.get, "/statistics/devices")
      let head = try await hub.send(.head, "/statistics/devices")
      #expect(head.status == 200)
      #expect(head.body.isEmpty)
      #expect(head.header("Content-Length") == String(full.body.count))
      // Taking a message is no reading.
      let taking = try await hub.send(.head, "/messages/serviceBound/feedback")
      #expect(taking.status == 405)
    }
  }

  @Test("The version is judged before the credential, as iotedge check expects (§3.10)")
  func version() async throws {
    try await RESTHub.run { hub in
      let probe = try await hub.send(
        .get,
        "/devices/0000/modules",
        as: .none,
        isVersioned: false
      )
      #expect(probe.status == 400)
      #expect(probe.errorCode == "InvalidProtocolVersion")
      for version in ["", "1999-01-01", "2021-04-12x"] {
        let reply = try await hub.send(
          .get,
          "/devices?api-version=\(version)",
          as: .none,
          isVersioned: false
        )
        #expect(reply.errorCode == "InvalidProtocolVersion", "\(version)")
      }
      for version in ["2018-06-30", "2020-05-31-preview", "2020-09-30", "2024-03-31"] {
        let reply = try await hub.send(
          .get,
          "/devices?api-version=\(version)",
          isVersioned: false
        )
        #expect(reply.status == 200, "\(version)")
      }
    }
  }

  @Test("A credential opens what its policy and resource say, and nothing else (§2.1)")
  func credentials() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      let owner = try #require(hub.policies["iothubowner"])
      let reader = try #require(hub.policies["registryRead"])
      func token(
        _ resource: String,
        _ policy: PolicyRecord,
        secondsLeft: Int64 = 3600,
        isSecondary: Bool = false
      ) -> RESTHub.Credential {
        .header(
          RESTHub.token(
            resource,
            isSecondary ? policy.secondaryKey : policy.primaryKey,
            policy: policy.name,
            secondsLeft: secondsLeft
          )
        )
      }
      let rows: [(String, RESTHub.Credential, String, Int, String?)] = [
        ("primary key", token("hub.test", owner), "/devices/d1", 200, nil),
        ("secondary key", token("hub.test", owner, isSecondary: true), "/devices/d1", 200, nil),
        ("scheme and port", token("https://HUB.test:443", owner), "/devices/d1", 200, nil),
        ("a prefix of the path", token("hub.test/devices", owner), "/devices/d1", 200, nil),
        ("another path", token("hub.test/devices", owner), "/twins/d1", 401, "IotHubUnauthorized"),
        (
          "half a segment", token("hub.test/devices/d", owner), "/devices/d1", 401,
          "IotHubUnauthorized"
        ),
        (
          "within the allowance", token("hub.test", owner, secondsLeft: -200), "/devices/d1", 200,
          nil
        ),
        (
          "expired", token("hub.test", owner, secondsLeft: -400), "/devices/d1", 401,
          "IotHubUnauthorized"
        ),
        ("another hub", token("other.test", owner), "/devices/d1", 401, "IotHubNotFound"),
        (
          "a missing right", token("hub.test", reader), "/twins/d1", 401, "IotHubUnauthorizedAccess"
        ),
        ("nothing", .none, "/devices/d1", 401, "IotHubUnauthorized"),
        ("a device's token", device, "/devices/d1", 401, "IotHubUnauthorized"),
        ("no token", .header("Bearer x"), "/devices/d1", 401, "IotHubUnauthorized"),
        ("empty", .header(""), "/devices/d1", 401, "IotHubUnauthorized"),
        (
          "an endless token",
          .header("SharedAccessSignature " + String(repeating: "a", count: 9000)), "/devices/d1",
          401, "IotHubUnauthorized"
        ),
        (
          "an unknown policy",
          .header(RESTHub.token("hub.test", owner.primaryKey, policy: "nobody")), "/devices/d1",
          401, "IotHubUnauthorized"
        ),
        (
          "another policy's key",
          .header(RESTHub.token("hub.test", reader.primaryKey, policy: "iothubowner")),
          "/devices/d1", 401, "IotHubUnauthorized"
        ),
        (
          "registry rights on twins (§2.1)", .policy("registryReadWrite"), "/twins/d1", 401,
          "IotHubUnauthorizedAccess"
        ),
        (
          "service rights on identities", .policy("service"), "/devices/d1", 401,
          "IotHubUnauthorizedAccess"
        ),
        (
          "registry rights on policies", .policy("registryReadWrite"), "/policies", 401,
          "IotHubUnauthorizedAccess"
        ),
      ]
      for (name, credential, path, status, code) in rows {
        let reply = try await hub.send(.get, path, as: credential)
        #expect(reply.status == status, "\(name): \(reply)")
        #expect(reply.errorCode == code, "\(name): \(reply)")
      }
    }
  }

  @Test("Refusals have the three shapes of §7.2")
  func shapes() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let registry = try await hub.send(.get, "/devices/nobody")
      let first = try registry.json()
      #expect(first["Message"]?.stringValue?.hasPrefix("ErrorCode:DeviceNotFound;") == true)
      #expect(first["ExceptionMessage"]?.stringValue?.hasPrefix("Tracking ID:") == true)

      let module = try await hub.send(.get, "/devices/d1/modules/nobody")
      let second = try module.json()
      #expect(second["errorCode"] == 404010)
      #expect(second["trackingId"]?.stringValue?.utf8.count == 32)

      let unknown = try await hub.send(
        .post,
        "/twins/nobody/methods",
        json: #"{"methodName":"m"}"#
      )
      #expect(unknown.status == 404)
      #expect(
        try unknown.json()["Message"]?.stringValue?.hasPrefix("ErrorCode:DeviceNotFound;") == true
      )
      let offline = try await hub.send(
        .post,
        "/twins/d1/methods",
        json: #"{"methodName":"m"}"#
      )
      #expect(offline.status == 404)
      #expect(offline.errorCode == "DeviceNotOnline")
      let outer = try offline.json()
      #expect(outer["ExceptionMessage"] == "")
      let inner = try JSON.parse(try #require(outer["Message"]?.stringValue))
      #expect(inner["errorCode"] == 404103)
      #expect(inner["info"] == [:])
    }
  }

  @Test("A body above the limit is refused, and its connection ends")
  func bodies() async throws {
    try await RESTHub.run { hub in
      let long = [UInt8](repeating: 0x20, count: 1_048_577)
      let counted = try await hub.send(.put, "/devices/d1", body: long)
      #expect(counted.status == 413)
      #expect(counted.errorCode == "MessageTooLarge")
      #expect(counted.header("Connection") == "close")
      let chunked = try await hub.send(
        .put,
        "/devices/d1",
        headers: [("Transfer-Encoding", "chunked"), ("Content-Length", "1")],
        body: long
      )
      #expect(chunked.status == 413)
      let empty = try await hub.send(.put, "/devices/d1")
      #expect(empty.errorCode == "ArgumentNull")
      let broken = try await hub.send(.put, "/devices/d1", json: "{")
      #expect(broken.errorCode == "IotHubFormatError")
    }
  }

  @Test("A class with a rate refuses what comes too early, and says when to come back (§10)")
  func throttles() async throws {
    try await RESTHub.run(settings: [("throttle.queries_per_minute", "2")]) { hub in
      for _ in 0..<2 {
        let reply = try await hub.send(
          .post,
          "/devices/query",
          json: #"{"query":"SELECT * FROM devices"}"#
        )
        #expect(reply.status == 200)
      }
      let refused = try await hub.send(
        .post,
        "/devices/query",
        json: #"{"query":"SELECT * FROM devices"}"#
      )
      #expect(refused.status == 429)
      #expect(refused.errorCode == "ThrottlingException")
      let seconds = try #require(refused.header("Retry-After").flatMap { Int($0) })
      #expect((1...60).contains(seconds))
      let other = try await hub.send(.get, "/devices")
      #expect(other.status == 200)
    }
  }

  @Test("Requests are counted by route and status, never by what a client chose")
  func metrics() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.send(.get, "/devices/nobody")
      _ = try await hub.send(.get, "/nothing/at/all")
      let page = hub.metrics.page()
      let line =
        #"orrery_rest_requests_total{route="/devices/{deviceId}",method="GET",status="404"} 1"#
      #expect(page.contains(line), "\(page)")
      #expect(page.contains(#"{route="none",method="other",status="404"} 1"#))
      #expect(!page.contains("nobody"))
    }
  }
}

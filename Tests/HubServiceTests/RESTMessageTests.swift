import HTTPTypes
import JSONTree
import Testing

@Suite("Messages over HTTPS (hub contract §5, §7.10)")
struct RESTMessageTests {
  private static let queue = "/devices/d1/messages/deviceBound"

  @Test("A message reaches its device with all its properties, and its feedback the service")
  func cloudToDevice() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      let sent = try await hub.send(
        .post,
        Self.queue,
        as: .policy("service"),
        headers: [
          ("iothub-messageid", "m 1/ü"), ("iothub-correlationid", "c"), ("iothub-userid", "u"),
          ("iothub-contenttype", "text/plain"), ("iothub-contentencoding", "utf-8"),
          ("iothub-expiry", "2090-01-02T03:04:05Z"), ("iothub-ack", "full"),
          ("iothub-app-Colour", "a&b=c"),
        ],
        body: [UInt8]("hello".utf8)
      )
      #expect(sent.status == 201, "\(sent)")
      #expect(try sent.json()["messageId"] == "m 1/ü")
      let taken = try await hub.send(.get, Self.queue, as: device)
      #expect(taken.status == 200, "\(taken)")
      #expect(taken.text == "hello")
      let expected = [
        ("iothub-messageid", "m 1/ü"), ("iothub-correlationid", "c"), ("iothub-userid", "u"),
        ("iothub-contenttype", "text/plain"), ("iothub-contentencoding", "utf-8"),
        ("iothub-expiry", "2090-01-02T03:04:05Z"), ("iothub-ack", "full"),
        ("iothub-app-Colour", "a&b=c"), ("iothub-to", "/devices/d1/messages/deviceBound"),
        ("iothub-deliverycount", "1"),
      ]
      for (name, value) in expected { #expect(taken.header(name) == value, "\(name)") }
      #expect(taken.header("iothub-sequencenumber") != nil)
      #expect(try await hub.send(.get, Self.queue, as: device).status == 204, "it is held")
      let token = try #require(taken.etag)
      #expect(try await hub.send(.delete, "\(Self.queue)/\(token)", as: device).status == 204)
      let late = try await hub.send(.delete, "\(Self.queue)/\(token)", as: device)
      #expect(late.errorCode == "DeviceMessageLockLost")

      let path = "/messages/serviceBound/feedback"
      let feedback = try await hub.send(.get, path, as: .policy("service"))
      #expect(feedback.header("Content-Type") == "application/vnd.microsoft.iothub.feedback.json")
      let record = try #require(try feedback.json().arrayValue?.first)
      #expect(record["originalMessageId"] == "m 1/ü")
      #expect(record["statusCode"] == "Success")
      let lock = try #require(feedback.etag)
      #expect(try await hub.send(.post, "\(path)/\(lock)/abandon").status == 204)
      let again = try #require(try await hub.send(.get, path).etag)
      #expect(try await hub.send(.delete, "\(path)/\(again)").status == 204)
      #expect(try await hub.send(.get, path).status == 204)
      #expect(try await hub.send(.delete, "\(path)/\(again)").errorCode == "DeviceMessageLockLost")
    }
  }

  @Test("An abandoned message comes again, a rejected one does not")
  func settlement() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      for text in ["one", "two"] {
        _ = try await hub.send(.post, Self.queue, body: [UInt8](text.utf8))
      }
      let first = try await hub.send(.get, Self.queue, as: device)
      #expect(
        try await hub.send(.post, "\(Self.queue)/\(first.etag ?? "")/abandon", as: device).status
          == 204
      )
      let again = try await hub.send(.get, Self.queue, as: device)
      #expect(again.text == "one")
      #expect(again.header("iothub-deliverycount") == "2")
      let rejected = try await hub.send(
        .delete,
        "\(Self.queue)/\(again.etag ?? "")?reject",
        as: device
      )
      #expect(rejected.status == 204)
      #expect(try await hub.send(.get, Self.queue, as: device).text == "two")
      let purged = try await hub.send(.delete, "/devices/d1/commands")
      #expect(
        try purged.json() == ["totalMessagesPurged": 1, "deviceId": "d1", "moduleId": nil]
      )
      for token in ["x", "00000000-0000-0000-0000-000000000000"] {
        let reply = try await hub.send(.delete, "\(Self.queue)/\(token)", as: device)
        #expect(reply.status == 412, "\(token)")
        #expect(try reply.json()["errorCode"] == 412002)
      }
    }
  }

  @Test("A device may ask how long it holds a message, within 5 to 300 seconds")
  func lockTimeout() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      _ = try await hub.send(.post, Self.queue, body: [1])
      for text in ["4", "301", "-5", "5.5", "x", "99999999999999999999", "5 0"] {
        let reply = try await hub.send(
          .get,
          Self.queue,
          as: device,
          headers: [("IotHub-MessageLockTimeout", text)]
        )
        #expect(reply.status == 400, "\(text)")
        #expect(reply.errorCode == "ArgumentInvalid", "\(text)")
      }
      let taken = try await hub.send(
        .get,
        Self.queue,
        as: device,
        headers: [("iothub-messagelocktimeout", "300")]
      )
      #expect(taken.status == 200)
      #expect(taken.header("iothub-deliverycount") == "1", "refusals deliver nothing")
    }
  }

  @Test("What can't be queued is refused")
  func sendRefusals() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.device("d1")
      let rows: [(String, [(String, String)], Int, Int, String)] = [
        ("/devices/nobody/messages/deviceBound", [], 1, 404, "DeviceNotFound"),
        (Self.queue, [("iothub-ack", "maybe")], 1, 400, "ArgumentInvalid"),
        (Self.queue, [("iothub-expiry", "tomorrow")], 1, 400, "ArgumentInvalid"),
        (
          Self.queue, [("iothub-messageid", String(repeating: "m", count: 129))], 1, 400,
          "ArgumentInvalid"
        ),
        (Self.queue, [], 65_537, 413, "MessageTooLarge"),
      ]
      for (path, headers, count, status, code) in rows {
        let reply = try await hub.send(
          .post,
          path,
          headers: headers,
          body: [UInt8](repeating: 1, count: count)
        )
        #expect(reply.status == status, "\(reply)")
        #expect(reply.errorCode == code)
      }
      for _ in 0..<50 { _ = try await hub.send(.post, Self.queue, body: [1]) }
      let full = try await hub.send(.post, Self.queue, body: [1])
      #expect(full.status == 403)
      #expect(full.errorCode == "DeviceMaximumQueueDepthExceeded")
    }
  }

  @Test("Control characters of a property can't end a response header")
  func headerInjection() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      // A header can't carry them in; a query parameter of a batch could, so can the queue.
      _ = try await hub.send(
        .post,
        Self.queue,
        headers: [("iothub-app-a", "x"), ("iothub-messageid", "a\tb")],
        body: [1]
      )
      let taken = try await hub.send(.get, Self.queue, as: device)
      #expect(taken.header("iothub-messageid") == "a%09b")
    }
  }

  @Test("Telemetry is an event once it is answered")
  func telemetry() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      let path = "/devices/d1/messages/events"
      let one = try await hub.send(
        .post,
        path,
        as: device,
        headers: [
          ("iothub-messageid", "m1"), ("iothub-contenttype", "application/json"),
          ("iothub-contentencoding", "utf-8"), ("iothub-app-level", "3"),
        ],
        json: #"{"t":1.50}"#
      )
      #expect(one.status == 204, "\(one)")
      let batch = try await hub.send(
        .post,
        path,
        as: device,
        headers: [("Content-Type", "application/vnd.microsoft.iothub.json")],
        json:
          #"[{"body":"/wA=","base64Encoded":true,"properties":{"iothub-app-a":"1","b":null,"iothub-messageid":"m2"}},{"body":"text","base64Encoded":false}]"#
      )
      #expect(batch.status == 204, "\(batch)")
      let page = try await hub.send(.get, "/events?from=earliest", as: .policy("service"))
      let events = try #require(try page.json()["events"]?.arrayValue)
      #expect(events.count == 3)
      #expect(events[0]["body"].map { JSON.text($0) } == #"{"t":1.50}"#)
      #expect(events[0]["bodyEncoding"] == "json")
      #expect(events[0]["properties"]?["message-id"] == "m1")
      #expect(events[0]["applicationProperties"] == ["level": "3"])
      #expect(events[0]["annotations"]?["iothub-connection-device-id"] == "d1")
      #expect(
        events[0]["annotations"]?["iothub-connection-auth-method"]?.stringValue?
          .contains(#""type":"sas""#) == true
      )
      #expect(events[1]["bodyEncoding"] == "base64")
      #expect(events[1]["body"] == "/wA=")
      #expect(events[1]["applicationProperties"] == ["a": "1", "b": nil])
      #expect(events[2]["body"] == "text")
      let service = RESTHub.Credential.policy("device")
      #expect(try await hub.send(.post, path, as: service, body: [1]).status == 204)
    }
  }

  @Test("What is no telemetry is refused, and nothing of a batch is kept")
  func telemetryRefusals() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      let path = "/devices/d1/messages/events"
      let type = [("Content-Type", "application/vnd.microsoft.iothub.json")]
      let rows: [(String, String)] = [
        ("{}", "DeserializationError"), ("[]", "ArgumentInvalid"), ("[7]", "DeserializationError"),
        (#"[{"body":7}]"#, "DeserializationError"),
        (#"[{"body":"ok"},{"body":"*","base64Encoded":true}]"#, "DeserializationError"),
        (#"[{"body":"ok","base64Encoded":"yes"}]"#, "DeserializationError"),
        (#"[{"body":"ok","properties":[]}]"#, "DeserializationError"),
        (#"[{"body":"ok","properties":{"a":1}}]"#, "DeserializationError"),
        (#"[{"body":"ok","properties":{"iothub-expiry":"x"}}]"#, "ArgumentInvalid"),
        ("[", "IotHubFormatError"),
      ]
      for (body, code) in rows {
        let reply = try await hub.send(.post, path, as: device, headers: type, json: body)
        #expect(reply.status == 400, "\(body): \(reply)")
        #expect(reply.errorCode == code, "\(body): \(reply)")
      }
      let long = [UInt8](repeating: 1, count: 262_145)
      #expect(try await hub.send(.post, path, as: device, body: long).status == 413)
      let other = try await hub.device("d2")
      #expect(try await hub.send(.post, path, as: other, body: [1]).status == 401)
      #expect(try await hub.send(.post, path, as: .policy("service"), body: [1]).status == 401)
      #expect(try await hub.send(.post, path, as: .none, body: [1]).status == 401)
      let page = try await hub.send(.get, "/events?from=earliest")
      #expect(try page.json()["events"] == [])
      _ = try await hub.send(
        .put,
        "/devices/d1",
        headers: [("If-Match", "*")],
        json: #"{"deviceId":"d1","status":"disabled"}"#
      )
      #expect(try await hub.send(.post, path, as: device, body: [1]).status == 401)
    }
  }
}

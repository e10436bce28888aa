import Foundation
import HTTPTypes
import HubService
import JSONTree
import Platform
import Testing

@Suite("Message routing by REST")
struct RESTRoutingTests {
  private static let configuration = """
    {"endpoints":{"storageContainers":[{"name":"cold","containerName":"archive","encoding":"JSON"}]},
     "routes":[{"name":"hot","source":"DeviceMessages","condition":"level = 'hot'",
       "endpointNames":["cold"]}],
     "enrichments":[{"key":"hub","value":"$iothubname","endpointNames":["cold","events"]}]}
    """

  private static func publish(
    _ hub: RESTHub,
    _ credential: RESTHub.Credential,
    _ body: String,
    level: String
  ) async throws {
    let reply = try await hub.send(
      .post,
      "/devices/d/messages/events",
      as: credential,
      headers: [("iothub-app-level", level)],
      json: body
    )
    #expect(reply.status == 204, "\(reply)")
  }

  /// The bodies in the built-in stream, and the lines of all files.
  private static func events(_ hub: RESTHub) async throws -> [JSONValue] {
    let reply = try await hub.send(.get, "/events?from=earliest&max=1000")
    return try reply.json()["events"]?.arrayValue ?? []
  }

  private static func lines(_ folder: String) throws -> [JSONValue] {
    let root = folder + "/storage/archive"
    let paths = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    var lines: [JSONValue] = []
    for path in paths.sorted() where path.hasSuffix(".json") {
      #expect(path.hasPrefix("hub.test/"))
      let text = try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
      lines += try text.split(separator: "\n").map { try JSON.parse(String($0)) }
    }
    return lines
  }

  /// Delivers until `isDone`, which is asked every 20 ms, at most 10 s.
  private static func deliver(_ hub: RESTHub, until isDone: () -> Bool) async throws {
    let delivery = Task { await hub.hub.deliverEvents() }
    for _ in 0..<500 where !isDone() { try await Pause.sleep(for: .milliseconds(20)) }
    delivery.cancel()
    await delivery.value
  }

  private static func isCollecting(_ folder: String) -> Bool {
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder + "/storage/archive")
    return names?.contains { $0.hasSuffix(".part") } ?? false
  }

  @Test("A message that a route takes is in the endpoint's file alone, the others in the stream")
  func delivery() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let device = try await hub.device("d")
        try await Self.publish(hub, device, #""before""#, level: "hot")
        let put = try await hub.send(.put, "/routing", json: Self.configuration)
        #expect(put.status == 200, "\(put)")
        try await Self.publish(hub, device, #""one""#, level: "hot")
        try await Self.publish(hub, device, #""two""#, level: "cold")
        try await Self.publish(hub, device, #""three""#, level: "hot")
        // What is open when the delivery ends is finished then.
        try await Self.deliver(hub) { Self.isCollecting(folder) }
        let events = try await Self.events(hub)
        #expect(events.count == 2)
        #expect(events.last?["applicationProperties"]?["hub"] == "hub.test")
        #expect(events.first?["applicationProperties"]?["hub"] == nil)
      }
      let lines = try Self.lines(folder)
      #expect(lines.count == 2)
      #expect(lines.allSatisfy { $0["Properties"]?["hub"] == "hub.test" })
      #expect(lines.allSatisfy { $0["SystemProperties"]?["connectionDeviceId"] == "d" })

      // Another life of the hub knows the routes, and writes nothing twice.
      try await RESTHub.run(in: folder) { hub in
        let kept = try await hub.send(.get, "/routing").json()
        #expect(kept["routes"]?.arrayValue?.first?["name"] == "hot")
        var looks = 0
        try await Self.deliver(hub) {
          looks += 1
          return looks > 20
        }
        #expect(try Self.lines(folder).count == 2)
      }
    }
  }

  @Test("Endpoints that fill one container keep each its own files")
  func oneContainer() async throws {
    let two = """
      {"endpoints":{"storageContainers":[
         {"name":"a","containerName":"archive","encoding":"JSON"},
         {"name":"b","containerName":"archive","encoding":"JSON"}]},
       "routes":[
         {"name":"a","source":"DeviceMessages","condition":"level <> 'b'","endpointNames":["a"]},
         {"name":"b","source":"DeviceMessages","condition":"level <> 'a'","endpointNames":["b"]}]}
      """
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let device = try await hub.device("d")
        #expect(try await hub.send(.put, "/routing", json: two).status == 200)
        for level in ["both", "a", "b"] {
          try await Self.publish(hub, device, #""x""#, level: level)
        }
        var looks = 0
        try await Self.deliver(hub) {
          looks += 1
          return Self.isCollecting(folder) && looks > 20
        }
        #expect(try Self.lines(folder).count == 4)
      }
    }
  }

  @Test("A backup has the routes, and what waits for their endpoints")
  func backup() async throws {
    try await RESTHub.inFolder { folder in
      let restored = folder + "-restored"
      defer { try? FileManager.default.removeItem(atPath: restored) }
      // What the listeners keep there, which run in no test of this kind.
      try FileManager.default
        .createDirectory(atPath: folder + "/tls", withIntermediateDirectories: true)
      try await RESTHub.run(in: folder) { hub in
        let device = try await hub.device("d")
        #expect(try await hub.send(.put, "/routing", json: Self.configuration).status == 200)
        try await Self.publish(hub, device, #""waits""#, level: "hot")
        let path = #"{"path":"\#(folder)/copy"}"#
        let made = try await hub.send(.post, "/admin/backup", json: path)
        #expect(made.status < 300, "\(made)")
      }
      let files = try Backup.restore(folder + "/copy", to: restored)
      #expect(files.contains("routing.json"))
      try await RESTHub.run(in: restored) { hub in
        try await Self.deliver(hub) { Self.isCollecting(restored) }
        #expect(try Self.lines(restored).count == 1)
      }
    }
  }

  @Test("A configuration that can't be used is refused, and the old one stays")
  func refusals() async throws {
    try await RESTHub.run { hub in
      let put = try await hub.send(.put, "/routing", json: Self.configuration)
      #expect(put.status == 200)
      for (body, hint) in [
        (
          #"{"routes":[{"name":"r","source":"DeviceMessages","condition":"level =","#
            + #""endpointNames":["events"]}]}"#, "line 1, column 8"
        ),
        (#"{"routes":[{"name":"r","source":"DeviceMessages","endpointNames":["x"]}]}"#, "x"),
        (#"{"endpoints":{"mqttTopics":[{"name":"w","topic":"x"}]}}"#, "storage"),
        (#"{"endpoints":{"webhooks":[{"name":"w","uri":"http://x"}]}}"#, "https"),
        (#"{"endpoints":{"webhooks":[{"name":"w","uri":"http://127.0.0.1/"}]}}"#, "https"),
        (
          #"{"endpoints":{"webhooks":[{"name":"w","uri":"https://x","secretName":"none"}]}}"#,
          "secrets/none"
        ),
        (
          #"{"enrichments":[{"key":"a","value":"$twin.tags.a","endpointNames":["events"]}]}"#,
          "$twin"
        ),
      ] {
        let reply = try await hub.send(.put, "/routing", json: body)
        #expect(reply.status == 400 && "\(reply)".contains(hint), "\(reply)")
      }
      let kept = try await hub.send(.get, "/routing").json()
      #expect(kept == (try put.json()))
      let refused = try await hub.send(.get, "/routing", as: .policy("service"))
      #expect(refused.status == 401 || refused.status == 403)
    }
  }

  @Test("A webhook is kept, and its secret is not in what is shown")
  func webhook() async throws {
    let wanted = """
      {"endpoints":{"webhooks":[{"name":"pager","uri":"https://hooks.example/in","secretName":"key"},
        {"name":"local","uri":"http://localhost:1/"}]},
       "routes":[{"name":"r","source":"DeviceMessages","endpointNames":["pager"]}]}
      """
    try await RESTHub.inFolder { folder in
      try FileManager.default
        .createDirectory(atPath: folder + "/secrets", withIntermediateDirectories: true)
      try "s3cr3t".write(toFile: folder + "/secrets/key", atomically: true, encoding: .utf8)
      try await RESTHub.run(
        in: folder,
        settings: [("routing.webhook_plain_http", "true")]
      ) { hub in
        let put = try await hub.send(.put, "/routing", json: wanted)
        #expect(put.status == 200, "\(put)")
        let kept = try await hub.send(.get, "/routing").json()
        let hooks = kept["endpoints"]?["webhooks"]?.arrayValue
        #expect(hooks?.map { $0["secretName"] } == ["key", nil])
        #expect(hooks?.first?["secretHeader"] == "Authorization")
        #expect(!"\(kept)".contains("s3cr3t"))
      }
      // A hub that no longer lets http be is told so by the endpoint's health, and starts.
      try await RESTHub.run(in: folder) { hub in
        func health() async throws -> JSONValue? {
          try await hub.send(.get, "/routing/endpointsHealth").json()["value"]?.arrayValue?.last
        }
        let delivery = Task { await hub.hub.deliverEvents() }
        for _ in 0..<500 where try await health()?["healthStatus"] == "unknown" {
          try await Pause.sleep(for: .milliseconds(20))
        }
        delivery.cancel()
        await delivery.value
        #expect(try await health()?["lastKnownError"]?.stringValue?.contains("https") == true)
      }
    }
  }

  @Test("Routes are tried, one or all")
  func trying() async throws {
    try await RESTHub.run { hub in
      _ = try await hub.send(.put, "/routing", json: Self.configuration)
      let one = try await hub.send(
        .post,
        "/routing/routes/$testnew",
        json: #"{"message":{"body":"{}"},"route":{"name":"r","source":"DeviceMessages","#
          + #""condition":"a = ","endpointNames":["events"]}}"#
      )
      let errors = try one.json()["details"]?["compilationErrors"]?.arrayValue ?? []
      #expect(one.status == 200 && errors.count == 1)
      let all = try await hub.send(
        .post,
        "/routing/routes/$testall",
        json: #"{"routingSource":"DeviceMessages","message":{"appProperties":{"level":"hot"}}}"#
      )
      let names = try all.json()["routes"]?.arrayValue?.map { $0["properties"]?["name"] }
      #expect(names == ["hot"])
      let health = try await hub.send(.get, "/routing/endpointsHealth").json()
      #expect(health["value"]?.arrayValue?.first?["healthStatus"] == "unknown")
    }
  }
}

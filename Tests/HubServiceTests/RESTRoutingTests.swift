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
    let delivery = Task { await hub.hub.deliverEvents {} }
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

  @Test("Conditions and enrichments see the sender's twin as it is, also in the hub's next life")
  func twins() async throws {
    let routing = """
      {"routes":[{"name":"r","source":"DeviceMessages","condition":"$twin.tags.site = 'a'",
         "endpointNames":["events"]}],
       "fallbackRoute":{"isEnabled":false,"endpointNames":["events"]},
       "enrichments":[{"key":"floor","value":"$twin.properties.desired.floor",
         "endpointNames":["events"]}]}
      """
    func patch(_ hub: RESTHub, _ body: String) async throws {
      #expect(try await hub.send(.patch, "/twins/d", json: body).status == 200)
    }
    try await RESTHub.inFolder { folder in
      var device = RESTHub.Credential.none
      try await RESTHub.run(in: folder) { hub in
        device = try await hub.device("d")
        #expect(try await hub.send(.put, "/routing", json: routing).status == 200)
        try await Self.publish(hub, device, #""no site""#, level: "")
        try await patch(hub, #"{"tags":{"site":"a"},"properties":{"desired":{"floor":1}}}"#)
        try await Self.publish(hub, device, #""one""#, level: "")
        for floor in 2...20 {
          try await patch(hub, #"{"properties":{"desired":{"floor":\#(floor)}}}"#)
          try await Self.publish(hub, device, #""more""#, level: "")
        }
        try await patch(hub, #"{"tags":{"site":"b"}}"#)
        try await Self.publish(hub, device, #""gone""#, level: "")
        try await patch(hub, #"{"tags":{"site":"a"}}"#)
      }
      try await RESTHub.run(in: folder) { hub in
        try await Self.publish(hub, device, #""last""#, level: "")
        let events = try await Self.events(hub)
        #expect(events.count == 21 && events.last?["body"] == #""last""#)
        let floors = events.map { $0["applicationProperties"]?["floor"]?.stringValue }
        #expect(floors == ((1...20) + [20]).map { String($0) })
        // Another identity of the same name has a twin of its own.
        let any = [("If-Match", "*")]
        #expect(try await hub.send(.delete, "/devices/d", headers: any).status == 204)
        let other = try await hub.device("d")
        try await Self.publish(hub, other, #""other""#, level: "")
        #expect(try await Self.events(hub).count == 21)
      }
    }
  }

  @Test("An endpoint that is removed drains, also in the hub's next life, and is forgotten then")
  func draining() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let device = try await hub.device("d")
        _ = try await hub.send(.put, "/routing", json: Self.configuration)
        try await Self.publish(hub, device, #""one""#, level: "hot")
        let removed = try await hub.send(.put, "/routing", json: "{}")
        #expect(removed.status == 200, "\(removed)")
        let draining = try removed.json()["drainingEndpoints"]?["storageContainers"]?.arrayValue
        #expect(draining?.map { $0["name"] } == ["cold"])
        try await Self.publish(hub, device, #""two""#, level: "hot")
        // Under the same name it is another endpoint, which begins here.
        _ = try await hub.send(.put, "/routing", json: Self.configuration)
        try await Self.publish(hub, device, #""three""#, level: "hot")
        let health = try await hub.send(.get, "/routing/endpointsHealth").json()["value"]
        #expect(health?.arrayValue?.map { $0["endpointId"] } == ["cold", "cold"])
        #expect(health?.arrayValue?.map { $0["isDraining"] } == [false, true])
        _ = try await hub.send(.put, "/routing", json: "{}")
      }
      #expect(try Self.lines(folder).isEmpty)
      try await RESTHub.run(in: folder) { hub in
        // Where they stand is forgotten last.
        try await Self.deliver(hub) {
          !PrivateFile.exists(folder + "/routing-1.json")
            && !PrivateFile.exists(folder + "/routing-2.json")
        }
        let kept = try await hub.send(.get, "/routing").json()
        #expect(kept["drainingEndpoints"] == nil)
        let health = try await hub.send(.get, "/routing/endpointsHealth").json()
        #expect(health["value"] == [])
        #expect(try await Self.events(hub).map { $0["body"] } == [#""two""#])
      }
      // They are not declared to be JSON.
      let bodies = [#""one""#, #""three""#].map { Data($0.utf8).base64EncodedString() }
      #expect(try Self.lines(folder).map { $0["Body"]?.stringValue } == bodies)
    }
  }

  @Test("An endpoint that is removed before it drained gives its place to no other")
  func places() async throws {
    func endpoints(_ letter: String) -> String {
      let all = (0..<10).map { #"{"name":"\#(letter)\#($0)","containerName":"archive"}"# }
      return #"{"endpoints":{"storageContainers":[\#(all.joined(separator: ","))]}}"#
    }
    try await RESTHub.run { hub in
      for letter in ["a", "b", "c"] {
        #expect(try await hub.send(.put, "/routing", json: endpoints(letter)).status == 200)
      }
      let kept = try await hub.send(.get, "/routing").json()
      let refused = try await hub.send(.put, "/routing", json: endpoints("d"))
      #expect(refused.status == 503 && refused.text.contains("still get"), "\(refused)")
      #expect(try await hub.send(.get, "/routing").json() == kept)
      // What asks for no new place is served.
      #expect(try await hub.send(.put, "/routing", json: endpoints("c")).status == 200)
    }
  }

  @Test("Events that retention took before an endpoint had them are told, by health and metric")
  func overtaken() async throws {
    let settings = [("log.retention_bytes", "1048576")]
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder, settings: settings) { hub in
        let device = try await hub.device("d")
        _ = try await hub.send(.put, "/routing", json: Self.configuration)
        let body = #""\#(String(repeating: "x", count: 200_000))""#
        for _ in 0..<16 { try await Self.publish(hub, device, body, level: "hot") }
        // Retention is applied once a second.
        let page = { hub.metrics.page() }
        for _ in 0..<100 where !page().contains("orrery_log_segments 1\n") {
          try await Pause.sleep(for: .milliseconds(50))
        }
        let none = "orrery_endpoint_lost_events_total{endpoint=\"cold\"} 0\n"
        #expect(page().contains(none))
        try await Self.deliver(hub) { !page().contains(none) }
        let health = try await hub.send(.get, "/routing/endpointsHealth").json()["value"]
        let row = try #require(health?.arrayValue?.first)
        let lost = row["lostEventCount"]?.int64Value ?? 0
        #expect((1...15).contains(lost), "\(row)")
        #expect(row["lastKnownError"]?.stringValue?.contains("\(lost) events were gone") == true)
        #expect(try Self.lines(folder).count == 16 - Int(lost))
      }
      // They are told once.
      try await RESTHub.run(in: folder, settings: settings) { hub in
        var looks = 0
        try await Self.deliver(hub) {
          looks += 1
          return looks > 20
        }
        let none = "orrery_endpoint_lost_events_total{endpoint=\"cold\"} 0\n"
        #expect(hub.metrics.page().contains(none))
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

  @Test("A backup's path is taken apart by its bytes, as the system does")
  func backupPath() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        // One character of a slash and a mark, behind "..".
        let path = #"{"path":"\#(folder)/../\#u{301}copy"}"#
        let refused = try await hub.send(.post, "/admin/backup", json: path)
        #expect(refused.status == 400)
      }
    }
  }

  @Test(
    "A configuration is replaced if it is the one of the ETag, which tells what would be replaced"
  )
  func condition() async throws {
    try await RESTHub.run { hub in
      func put(_ body: String, _ condition: String?) async throws -> Reply {
        try await hub.send(
          .put,
          "/routing",
          headers: condition.map { [("If-Match", $0)] } ?? [],
          json: body
        )
      }
      let empty = try #require(try await hub.send(.get, "/routing").header("ETag"))
      let first = try await put(Self.configuration, empty)
      let etag = try #require(first.header("ETag"))
      #expect(first.status == 200 && etag != empty)
      #expect(try await hub.send(.get, "/routing").header("ETag") == etag)
      for stale in [empty, "\"x\"", "\"\""] {
        let reply = try await put("{}", stale)
        #expect(reply.status == 412 && reply.errorCode == "PreconditionFailed", "\(stale)")
      }
      #expect(try await hub.send(.get, "/routing").header("ETag") == etag)
      // What is removed drains; that is no change of what would be replaced.
      #expect(try await put("{}", "*").header("ETag") == empty)
      #expect(try await put(Self.configuration, nil).header("ETag") == etag)
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
        (
          #"{"endpoints":{"mqttTopics":[{"name":"w","host":"127.0.0.1","topic":"x","useTls":false}]}}"#,
          "useTls"
        ),
        (
          #"{"endpoints":{"mqttTopics":[{"name":"w","host":"h","topic":"x","caName":"none"}]}}"#,
          "secrets/none"
        ),
        (#"{"endpoints":{"eventStreams":[{"name":"Hub.test"}]}}"#, "built-in"),
        (#"{"endpoints":{"webhooks":[{"name":"w","uri":"http://x"}]}}"#, "https"),
        (#"{"endpoints":{"webhooks":[{"name":"w","uri":"http://127.0.0.1/"}]}}"#, "https"),
        (
          #"{"endpoints":{"webhooks":[{"name":"w","uri":"https://x","secretName":"none"}]}}"#,
          "secrets/none"
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

  @Test("A stream has what is routed to it, from its beginning on, with its own enrichments")
  func streams() async throws {
    func put(_ hub: RESTHub, _ streams: String) async throws {
      let body = """
        {"endpoints":{"eventStreams":[\(streams)]},
         "routes":[{"name":"r","source":"DeviceMessages","condition":"level = 'hot'",
           "endpointNames":["alarms"]}],
         "enrichments":[{"key":"why","value":"hot","endpointNames":["alarms"]}]}
        """
      let reply = try await hub.send(.put, "/routing", json: body)
      #expect(reply.status == 200, "\(reply)")
    }
    func bodies(_ hub: RESTHub, _ stream: String) async throws -> [String?] {
      let reply = try await hub.send(.get, "/events?from=earliest&max=1000&stream=\(stream)")
      let events = try reply.json()["events"]?.arrayValue ?? []
      for event in events {
        #expect((event["applicationProperties"]?["why"] == "hot") == (stream != "events"))
      }
      return events.map { $0["body"]?.stringValue?.replacing("\"", with: "") }
    }
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let device = try await hub.device("d")
        try await Self.publish(hub, device, #""before""#, level: "hot")
        try await put(hub, #"{"name":"Alarms"},{"name":"other"}"#)
        try await Self.publish(hub, device, #""one""#, level: "hot")
        try await Self.publish(hub, device, #""two""#, level: "cold")
        #expect(try await bodies(hub, "ALARMS") == ["one"])
        #expect(try await bodies(hub, "other") == [])
        #expect(try await bodies(hub, "events") == ["before", "two"])
        let health = try await hub.send(.get, "/routing/endpointsHealth").json()
        #expect(health["value"]?.arrayValue?.first?["healthStatus"] == "healthy")
        // A stream that comes in the place of one that is gone has none of its events.
        for _ in 0..<3 {
          try await put(hub, #"{"name":"x"},{"name":"alarms"}"#)
          _ = try await hub.send(.put, "/routing", json: "{}")
        }
        let gone = try await hub.send(.get, "/events?stream=alarms")
        #expect(gone.status == 400 && "\(gone)".contains("alarms"))
        try await put(hub, #"{"name":"alarms"}"#)
        #expect(try await bodies(hub, "alarms") == [])
        try await Self.publish(hub, device, #""three""#, level: "hot")
      }
      try await RESTHub.run(in: folder) { hub in
        let kept = try await bodies(hub, "alarms")
        #expect(kept == ["three"])
      }
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
        let delivery = Task { await hub.hub.deliverEvents {} }
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

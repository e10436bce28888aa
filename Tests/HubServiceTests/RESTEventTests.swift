import HTTPTypes
import JSONTree
import Testing

@Suite("The event stream by long-poll")
struct RESTEventTests {
  private static func publish(
    _ hub: RESTHub,
    _ credential: RESTHub.Credential,
    _ device: String,
    _ numbers: Range<Int>
  ) async throws {
    let messages = numbers.map { #"{"body":"\#($0)"}"# }.joined(separator: ",")
    let reply = try await hub.send(
      .post,
      "/devices/\(device)/messages/events",
      as: credential,
      headers: [("Content-Type", "application/vnd.microsoft.iothub.json")],
      json: "[\(messages)]"
    )
    #expect(reply.status == 204)
  }

  private static func bodies(_ reply: Reply) throws -> [String] {
    try reply.json()["events"]?.arrayValue?.compactMap { $0["body"]?.stringValue } ?? []
  }

  @Test(
    "Calls that pass the continuation get every event once, whatever their size",
    arguments: [1, 3, 7, 1000]
  )
  func continuation(maximum: Int) async throws {
    try await RESTHub.run { hub in
      var expected: [String: [String]] = [:]
      var seen: [String: [String]] = [:]
      var query = "from=earliest"
      func drain() async throws {
        while true {
          let reply = try await hub.send(.get, "/events?max=\(maximum)&\(query)")
          #expect(reply.status == 200, "\(reply)")
          let page = try reply.json()
          let events = page["events"]?.arrayValue ?? []
          #expect(events.count <= maximum)
          for event in events {
            let device = event["annotations"]?["iothub-connection-device-id"]?.stringValue ?? ""
            seen[device, default: []].append(event["body"]?.stringValue ?? "")
          }
          query = "continuation=\(page["continuation"]?.stringValue ?? "")"
          if events.isEmpty { return }
        }
      }
      var credentials: [(String, RESTHub.Credential)] = []
      for id in ["a", "b", "c", "d", "e", "f"] {
        credentials.append((id, try await hub.device(id)))
      }
      for round in 0..<3 {
        for (id, credential) in credentials {
          let numbers = (round * 10)..<(round * 10 + 1 + round * 3)
          try await Self.publish(hub, credential, id, numbers)
          expected[id, default: []] += numbers.map(String.init)
        }
        try await drain()
        #expect(seen == expected)
      }
    }
  }

  @Test("A start is earliest, latest, behind an offset, at a number, or at a time")
  func starts() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d")
      try await Self.publish(hub, device, "d", 0..<4)
      let all = try await hub.send(.get, "/events?from=earliest&device=d")
      let events = try #require(try all.json()["events"]?.arrayValue)
      let partition = try #require(events[0]["partition"]?.int64Value)
      let offset = try #require(events[1]["offset"]?.stringValue)
      let time = try #require(events[0]["enqueuedTime"]?.stringValue)
      let rows: [(String, [String])] = [
        ("from=latest", []), ("", []), ("from=earliest", ["0", "1", "2", "3"]),
        ("from=offset:\(offset)", ["2", "3"]), ("from=sequence:3", ["3"]),
        ("from=sequence:0", ["0", "1", "2", "3"]), ("from=time:\(time)", ["0", "1", "2", "3"]),
        ("from=time:2090-01-01T00:00:00Z", []), ("from=offset:999999999", []),
        ("from=earliest&partition=\(partition)&max=2", ["0", "1"]),
        ("from=earliest&partition=\(partition == 0 ? 1 : 0)", []),
        ("from=earliest&device=x", []),
      ]
      for (query, expected) in rows {
        let reply = try await hub.send(.get, "/events?\(query)")
        #expect(try Self.bodies(reply) == expected, "\(query)")
      }
      // What `next` says is a start as well.
      let two = try await hub.send(.get, "/events?from=earliest&partition=\(partition)&max=2")
      let next = try #require(try two.json()["next"]?[String(partition)]?.stringValue)
      let rest = try await hub.send(.get, "/events?from=\(next)&partition=\(partition)")
      #expect(try Self.bodies(rest) == ["2", "3"])
    }
  }

  @Test(
    "A call that waits is answered by the first event, and loses none that came before it waited"
  )
  func waiting() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d")
      let other = try await hub.device("o")
      let start = try await hub.send(.get, "/events?from=latest")
      let continuation = try #require(try start.json()["continuation"]?.stringValue)
      try await Self.publish(hub, device, "d", 0..<1)
      let clock = ContinuousClock()
      let began = clock.now
      let immediate = try await hub.send(.get, "/events?timeout=20&continuation=\(continuation)")
      #expect(try Self.bodies(immediate) == ["0"])
      let next = try #require(try immediate.json()["continuation"]?.stringValue)
      async let waiting = hub.send(.get, "/events?timeout=20&device=d&continuation=\(next)")
      // Another device's events wake it, and are not given.
      try await Self.publish(hub, other, "o", 7..<9)
      try await Self.publish(hub, device, "d", 1..<2)
      #expect(try Self.bodies(try await waiting) == ["1"])
      #expect(clock.now - began < .seconds(15))
      let empty = try await hub.send(.get, "/events?timeout=1&from=latest")
      #expect(try Self.bodies(empty).isEmpty)
    }
  }

  @Test("What names no position is refused")
  func refusals() async throws {
    try await RESTHub.run { hub in
      let rows = [
        "from=yesterday", "from=offset:", "from=offset:-1", "from=sequence:1x", "from=time:noon",
        "from=offset:99999999999999999999999", "partition=99", "partition=-1", "partition=x",
        "timeout=61", "timeout=-1", "timeout=x", "max=0", "max=1001", "device=a%20b",
        "continuation=zz", "continuation=31", "continuation=317C39393D6C6174657374",
        "continuation=\(String(repeating: "3", count: 9000))",
      ]
      for query in rows {
        let reply = try await hub.send(.get, "/events?\(query)")
        #expect(reply.status == 400, "\(query.prefix(60)): \(reply)")
        #expect(reply.errorCode == "ArgumentInvalid")
      }
      #expect(try await hub.send(.get, "/events", as: .policy("registryRead")).status == 401)
    }
  }
}

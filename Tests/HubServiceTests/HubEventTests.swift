import Foundation
import GRDB
import HTTPTypes
import HubService
import JSONTree
import Platform
import Testing

@Suite("Events of the hub's own (contract §9.3)")
struct HubEventTests {
  private static let routing = """
    {"routes":[
      {"name":"twins","source":"TwinChangeEvents","endpointNames":["events"]},
      {"name":"lives","source":"DeviceLifecycleEvents","endpointNames":["events"]}]}
    """

  /// The events of the hub's own in the built-in stream, once there are `count`, at most 10 s.
  private static func events(_ hub: RESTHub, count: Int) async throws -> [JSONValue] {
    let delivery = Task { await hub.hub.deliverEvents {} }
    var events: [JSONValue] = []
    for _ in 0..<500 where events.count < count {
      try await Pause.sleep(for: .milliseconds(20))
      let reply = try await hub.send(.get, "/events?from=earliest&max=1000")
      events = try reply.json()["events"]?.arrayValue ?? []
    }
    delivery.cancel()
    await delivery.value
    return events
  }

  private static func operations(_ events: [JSONValue]) -> [String] {
    events.map { $0["applicationProperties"]?["opType"]?.stringValue ?? "-" }
  }

  private static func patch(_ hub: RESTHub, _ body: String) async throws {
    let reply = try await hub.send(.patch, "/twins/d", json: body)
    #expect(reply.status == 200, "\(reply)")
  }

  @Test("changes and lives of identities are in the stream, in order, with their properties")
  func stream() async throws {
    try await RESTHub.run { hub in
      #expect(try await hub.send(.put, "/routing", json: Self.routing).status == 200)
      _ = try await hub.device("d")
      try await Self.patch(hub, #"{"tags":{"a":1}}"#)
      let any = [("If-Match", "*")]
      let whole = #"{"properties":{"desired":{"b":2}}}"#
      #expect(try await hub.send(.put, "/twins/d", headers: any, json: whole).status == 200)
      #expect(try await hub.send(.delete, "/devices/d", headers: any).status == 204)
      let events = try await Self.events(hub, count: 4)
      #expect(
        Self.operations(events)
          == ["createDeviceIdentity", "updateTwin", "replaceTwin", "deleteDeviceIdentity"]
      )
      let change = events[1]
      #expect(change["annotations"]?["iothub-message-source"] == "twinChangeEvents")
      #expect(change["applicationProperties"]?["hubName"] == "hub.test")
      #expect(change["body"]?["tags"] == ["a": 1])
      #expect(hub.metrics.page().contains("orrery_hub_events_total 4\n"))
    }
  }

  @Test(
    "what no route asks for is not made, and what nobody brought to the log yet is in the next life"
  )
  func lives() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        _ = try await hub.device("d")
        try await Self.patch(hub, #"{"tags":{"a":0}}"#)
        #expect(try await hub.send(.put, "/routing", json: Self.routing).status == 200)
        // Nothing is delivered in this life: as if the process died behind the answers.
        try await Self.patch(hub, #"{"tags":{"a":1}}"#)
        try await Self.patch(hub, #"{"tags":{"a":2}}"#)
        // Where they go was decided with their cause.
        #expect(try await hub.send(.put, "/routing", json: "{}").status == 200)
        try await Self.patch(hub, #"{"tags":{"a":3}}"#)
      }
      for _ in 0..<2 {
        try await RESTHub.run(in: folder) { hub in
          let events = try await Self.events(hub, count: 2)
          #expect(events.map { $0["body"]?["tags"]?["a"] } == [1, 2])
        }
      }
    }
  }

  @Test("an endpoint that is removed drains behind the events that still have to come into the log")
  func draining() async throws {
    let routing = """
      {"endpoints":{"storageContainers":[
         {"name":"cold","containerName":"archive","encoding":"JSON"}]},
       "routes":[{"name":"t","source":"TwinChangeEvents","endpointNames":["cold"]}]}
      """
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        _ = try await hub.device("d")
        #expect(try await hub.send(.put, "/routing", json: routing).status == 200)
        try await Self.patch(hub, #"{"tags":{"a":1}}"#)
        #expect(try await hub.send(.put, "/routing", json: "{}").status == 200)
      }
      try await RESTHub.run(in: folder) { hub in
        let delivery = Task { await hub.hub.deliverEvents {} }
        let checkpoint = folder + "/routing-1.json"
        for _ in 0..<500 where PrivateFile.exists(checkpoint) {
          try await Pause.sleep(for: .milliseconds(20))
        }
        delivery.cancel()
        await delivery.value
        #expect(!PrivateFile.exists(checkpoint))
      }
      let root = folder + "/storage/archive"
      let paths = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
      let files = paths.filter { $0.hasSuffix(".json") }
      #expect(files.count == 1)
      let text = try String(contentsOfFile: "\(root)/\(files.first ?? "")", encoding: .utf8)
      #expect(try JSON.parse(text)["Body"]?["tags"] == ["a": 1])
    }
  }

  @Test("sources that this hub makes no events of are refused")
  func refusals() async throws {
    try await RESTHub.run { hub in
      let source = "DeviceJobLifecycleEvents"
      let body = #"{"routes":[{"name":"r","source":"\#(source)","endpointNames":["events"]}]}"#
      let reply = try await hub.send(.put, "/routing", json: body)
      #expect(reply.status == 400 && reply.text.contains(source), "\(reply)")
    }
  }

  @Test("a registry of before gets the table of outgoing events")
  func migration() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in _ = try await hub.device("d") }
      let database = try DatabaseQueue(path: folder + "/registry.sqlite")
      try await database.write { database in
        try database.execute(sql: "DROP TABLE outgoing_event")
        try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '6 %'")
      }
      try database.close()
      try await RESTHub.run(in: folder) { hub in
        #expect(try await hub.send(.put, "/routing", json: Self.routing).status == 200)
        try await Self.patch(hub, #"{"tags":{"a":1}}"#)
        #expect(Self.operations(try await Self.events(hub, count: 1)) == ["updateTwin"])
      }
    }
  }
}

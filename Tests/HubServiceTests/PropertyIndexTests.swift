import Foundation
import GRDB
import HTTPTypes
import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("The index of twin properties in the database")
struct PropertyIndexTests {
  private static let conditions = [
    "tags.site = 'north'", "tags.site = 'south'", "tags.floor = 3", "tags.floor = 3.0",
    "tags.line.number = 1", "tags.site IN ['north', 'east']",
    "tags.site = 'north' AND tags.floor = 3", "properties.desired.rate = 2",
    "properties.reported.on = true", "properties.reported.on = true AND tags.floor = 1",
    "tags.site = 'nowhere'",
  ]

  /// The IDs that a query answers, page after page.
  private func ids(_ hub: RESTHub, _ condition: String, size: Int = 7) async throws -> [String] {
    var ids: [String] = []
    var continuation: String?
    let body = JSON.text([
      "query": .string("SELECT deviceId, moduleId FROM \(condition)")
    ])
    repeat {
      var headers = [("x-ms-max-item-count", "\(size)")]
      if let continuation { headers.append(("x-ms-continuation", continuation)) }
      let reply = try await hub.send(.post, "/devices/query", headers: headers, json: body)
      #expect(reply.status == 200, "\(reply)")
      for row in try reply.json().arrayValue ?? [] {
        ids.append(
          [row["deviceId"], row["moduleId"]].compactMap { $0?.stringValue }.joined(separator: "/")
        )
      }
      continuation = reply.header("x-ms-continuation")
    } while continuation != nil
    return ids
  }

  /// Compares what the index finds with what looking at every twin finds: a doubled NOT means the
  /// same and hides the condition from the index.
  private func compare(_ hub: RESTHub) async throws -> Int {
    var found = 0
    for source in ["devices", "devices.modules"] {
      for condition in Self.conditions {
        let indexed = try await ids(hub, "\(source) WHERE \(condition)")
        let searched = try await ids(hub, "\(source) WHERE NOT (NOT (\(condition)))")
        #expect(indexed == searched, "\(source) WHERE \(condition)")
        found += indexed.count
      }
    }
    return found
  }

  private func delete(_ hub: RESTHub, _ path: String) async throws {
    let reply = try await hub.send(.delete, path, headers: [("If-Match", "*")])
    #expect(reply.status == 204, "\(reply)")
  }

  /// Devices with a module each, their twins changed in every way there is.
  private func fill(_ hub: RESTHub) async throws {
    let sites = ["north", "south", "east"]
    for index in 0..<40 {
      _ = try await hub.device("d\(index)")
      _ = try await hub.send(
        .put,
        "/devices/d\(index)/modules/m",
        json: #"{"deviceId":"d\#(index)","moduleId":"m"}"#
      )
      let tags = """
        {"site":"\(sites[index % 3])","floor":\(index % 5),"line":{"number":\(index % 2)}}
        """
      for path in ["/twins/d\(index)", "/twins/d\(index)/modules/m"] {
        let reply = try await hub.send(
          .patch,
          path,
          json: #"{"tags":\#(tags),"properties":{"desired":{"rate":\#(index % 4)}}}"#
        )
        #expect(reply.status == 200, "\(reply)")
      }
    }
    let changes: [(HTTPRequest.Method, String, String)] = [
      (.patch, "/twins/d0", #"{"tags":{"site":"south"}}"#),
      (.patch, "/twins/d3", #"{"tags":{"site":null,"floor":"3"}}"#),
      (.put, "/twins/d6", #"{"tags":{"floor":3}}"#),
      (.patch, "/twins/d9", #"{"tags":{"line":7}}"#),
      (.patch, "/twins/d9", #"{"tags":{"line":{"number":1}}}"#),
      (.patch, "/twins/d12/modules/m", #"{"properties":{"desired":{"rate":2.0}}}"#),
      (.patch, "/twins/d15", #"{"tags":null}"#),
    ]
    for (method, path, body) in changes {
      let reply = try await hub.send(method, path, json: body)
      #expect(reply.status == 200, "\(reply)")
    }
    try await delete(hub, "/devices/d18")
    try await delete(hub, "/devices/d21/modules/m")
  }

  /// The rows of the index, and those that the stored twins ask for.
  private func rows(_ folder: String) throws -> (kept: Set<String>, due: Set<String>) {
    let queue = try DatabaseQueue(path: folder + "/registry.sqlite")
    defer { try? queue.close() }
    return try queue.read { database in
      var kept: Set<String> = []
      for row in try Row.fetchAll(database, sql: "SELECT * FROM twin_property") {
        let (number, device, module): (Int64, String, String) = (row[0], row[1], row[2])
        kept.insert("\(number) \(device)/\(module)")
      }
      var due: Set<String> = []
      for row in try Row.fetchAll(database, sql: "SELECT * FROM twin") {
        let (device, module): (String, String) = (row["device"], row["module"])
        let twin = TwinRecord(
          key: IdentityKey(deviceID: device, moduleID: module.isEmpty ? nil : module),
          tags: [UInt8](row["tags"] as Data),
          desired: TwinSection(properties: [UInt8](row["desired"] as Data)),
          reported: TwinSection(properties: [UInt8](row["reported"] as Data))
        )
        for property in PropertyFingerprint.all(in: twin) {
          due.insert("\(property.rawValue) \(device)/\(module)")
        }
      }
      return (kept, due)
    }
  }

  @Test("queries by the index answer what a search answers, after every kind of change")
  func followsChanges() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        try await fill(hub)
        #expect(try await compare(hub) > 100)
        #expect(try await ids(hub, "devices WHERE tags.floor = '3'") == ["d3"])
      }
      let rows = try rows(folder)
      #expect(rows.kept == rows.due)
      #expect(rows.kept.count > 300)
    }
  }

  @Test("nothing of a deleted registry stays in the index")
  func deletion() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        try await fill(hub)
        for id in try await ids(hub, "devices") {
          try await delete(hub, "/devices/\(id)")
        }
      }
      #expect(try rows(folder).kept == [])
    }
  }

  @Test("a database from before the index gets it when it is opened")
  func migration() async throws {
    try await RESTHub.inFolder { folder in
      var expected = 0
      try await RESTHub.run(in: folder) { hub in
        try await fill(hub)
        expected = try await compare(hub)
      }
      let before = try rows(folder)
      let queue = try DatabaseQueue(path: folder + "/registry.sqlite")
      try await queue.write { database in
        try database.execute(sql: "DROP TABLE twin_property")
        try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '3 %'")
        #expect(database.changesCount == 1)
      }
      try queue.close()
      try await RESTHub.run(in: folder) { hub in
        let found = try await compare(hub)
        #expect(found == expected)
      }
      let after = try rows(folder)
      #expect(after.kept == before.kept)
      #expect(after.kept == after.due)
    }
  }
}

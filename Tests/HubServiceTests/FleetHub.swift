import HTTPTypes
import HubContract
import HubService
import JSONTree
import Platform
import Testing

extension RESTHub {
  /// Runs `body` while the hub carries out jobs and configurations.
  func advancing(_ body: () async throws -> Void) async throws {
    let work = Task { await hub.advanceFleet() }
    do {
      try await body()
    } catch {
      work.cancel()
      await work.value
      throw error
    }
    work.cancel()
    await work.value
  }

  /// Asks every 20 ms, for 10 s at most.
  func until(
    _ what: Comment,
    _ isDone: () async throws -> Bool,
    at location: SourceLocation = #_sourceLocation
  ) async throws {
    for _ in 0..<500 {
      if try await isDone() { return }
      try await Pause.sleep(for: .milliseconds(20))
    }
    Issue.record(what, sourceLocation: location)
  }

  /// Creates devices, even ones in the north and odd ones in the south.
  func fleet(_ count: Int) async throws {
    for index in 0..<count {
      _ = try await device("d\(index)")
      let reply = try await send(
        .patch,
        "/twins/d\(index)",
        json: #"{"tags":{"site":"\#(index % 2 == 0 ? "north" : "south")"}}"#
      )
      #expect(reply.status == 200, "\(reply)")
    }
  }

  /// The desired properties of a device, less metadata and version.
  func desired(_ id: String) async throws -> JSONValue {
    let twin = try await send(.get, "/twins/\(id)").json()
    var desired = twin["properties"]?["desired"]?.objectValue ?? [:]
    desired["$metadata"] = nil
    desired["$version"] = nil
    return .object(desired)
  }

  /// The status of a configuration in a device's twin.
  func status(_ configuration: String, _ device: String) async throws -> String? {
    let twin = try await send(.get, "/twins/\(device)").json()
    return twin["configurations"]?[configuration]?["status"]?.stringValue
  }

  /// A job as it now is.
  func job(_ id: String) async throws -> JSONValue {
    try await send(.get, "/jobs/v2/\(id)").json()
  }

  /// A time from now, as bodies carry it.
  func time(secondsAhead seconds: Int64) -> String {
    Timestamp(milliseconds: SystemClock.wallMilliseconds() + seconds * 1000).iso8601
  }
}

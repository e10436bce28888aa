import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Twins and queries over them (contract "Twins", "Query").
enum TwinRoutes {
  static let routes: [RESTRoute] =
    [
      RESTRoute(
        .post,
        "/devices/query",
        id: "queryTwins",
        tag: "Query",
        "Answers a query over twins, a page at a time.",
        access: .policy(.serviceConnect),
        throttle: .queries,
        body: .json("Query"),
        parameters: ["MaxItemCount", "ContinuationHeader"],
        successes: [
          RouteSuccess(
            status: 200,
            description: "A page of rows: twins for SELECT *, else what was selected.",
            schema: "QueryRow",
            isArray: true,
            headers: ["ItemType", "Continuation"]
          )
        ],
        handle: query
      )
    ] + twin("/twins/{deviceId}", "Device") + twin("/twins/{deviceId}/modules/{moduleId}", "Module")

  private static func twin(_ path: String, _ kind: String) -> [RESTRoute] {
    let successes = [
      RouteSuccess(status: 200, description: "The whole twin.", schema: "Twin", headers: ["ETag"])
    ]
    return [
      RESTRoute(
        .get,
        path,
        id: "get\(kind)Twin",
        tag: "Twins",
        "Reads a twin.",
        access: .policy(.serviceConnect),
        throttle: .twinReads,
        successes: successes,
        faults: [.deviceNotFound],
        handle: get
      ),
      RESTRoute(
        .patch,
        path,
        id: "patch\(kind)Twin",
        tag: "Twins",
        "Merges tags and desired properties; null deletes.",
        access: .policy(.serviceConnect),
        throttle: .twinUpdates,
        body: .json("TwinUpdate"),
        parameters: ["IfMatch"],
        successes: successes,
        faults: [.deviceNotFound, .preconditionFailed],
        handle: { try await update($0, $1, replacing: false) }
      ),
      RESTRoute(
        .put,
        path,
        id: "replace\(kind)Twin",
        tag: "Twins",
        "Replaces tags and desired properties; what is absent is emptied.",
        access: .policy(.serviceConnect),
        throttle: .twinUpdates,
        body: .json("TwinUpdate"),
        parameters: ["IfMatch"],
        successes: successes,
        faults: [.deviceNotFound, .preconditionFailed],
        handle: { try await update($0, $1, replacing: true) }
      ),
    ]
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try request.identity()
    let facts = service.hub.directory.facts(of: key)
    let (body, etag) = try await service.hub.store.read { view throws(HubError) in
      try view.twin(key, facts: facts)
    }
    return .json(bytes: body, etag: etag)
  }

  private static func update(
    _ service: RESTService,
    _ request: RESTRequest,
    replacing: Bool
  ) async throws -> Response {
    let key = try request.identity()
    let update = try TwinUpdate(body: try request.json())
    let facts = service.hub.directory.facts(of: key)
    let (condition, now) = (request.condition, request.now)
    let (body, etag) = try await service.hub.store.write { engine throws(HubError) in
      _ = try engine.updateTwin(
        key,
        update,
        replacing: replacing,
        ifMatch: condition,
        now: now
      )
      return try engine.view.twin(key, facts: facts)
    }
    return .json(bytes: body, etag: etag)
  }

  private static func query(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let wish = try QueryRequest(
      json: try request.json(),
      maxItemCount: request.header(.maxItemCount),
      quotas: service.hub.settings.quotas
    )
    let continuation = request.header(.continuation).flatMap { $0.isEmpty ? nil : $0 }
    let directory = service.hub.directory
    let page = try await service.hub.store.read { view throws(HubError) in
      try view.query(
        wish.query,
        pageSize: wish.pageSize,
        continuation: continuation,
        facts: { directory.facts(of: $0) }
      )
    }
    return Response.json(bytes: page.body)
      .page(of: page.itemType.rawValue, next: page.continuation)
  }
}

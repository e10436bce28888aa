import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Edge devices as those who run them see them: connection, deployment, modules, and who is below.
enum EdgeRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/edges",
      id: "listEdges",
      tag: "Edge",
      "Lists the edge devices with their connections, deployments and modules.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      parameters: ["MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page, in the order of the IDs; it may be short although more follow.",
          schema: "Edge",
          isArray: true,
          headers: ["Continuation"]
        )
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      "/edges/{deviceId}",
      id: "getEdge",
      tag: "Edge",
      "Reads one edge device, with all devices below it.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      successes: [
        RouteSuccess(status: 200, description: "The edge device as it is now.", schema: "Edge")
      ],
      faults: [.deviceNotFound, .invalidDeviceScope],
      handle: get
    ),
  ]

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let page = try request.page(service)
    let directory = service.hub.directory
    let (edges, continuation) = try await service.hub.store.read { view throws(HubError) in
      try view.edges(
        pageSize: page.size,
        continuation: page.continuation,
        facts: { directory.facts(of: $0) }
      )
    }
    return Response.json(.array(edges.map(\.json))).page(next: continuation)
  }

  private static func get(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let deviceID = try request.deviceID()
    let directory = service.hub.directory
    let edge = try await service.hub.store.read { view throws(HubError) in
      try view.edge(deviceID, facts: { directory.facts(of: $0) })
    }
    return .json(edge.json)
  }
}

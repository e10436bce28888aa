import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Message routing: its configuration, trying routes, and the health of endpoints.
enum RoutingRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/routing",
      id: "getRouting",
      tag: "Routing",
      "Reads endpoints, routes, fallback route and enrichments.",
      access: .policy(.all),
      throttle: .registry,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The configuration.",
          schema: "Routing",
          headers: ["ETag"]
        )
      ],
      handle: get
    ),
    RESTRoute(
      .put,
      "/routing",
      id: "putRouting",
      tag: "Routing",
      "Replaces endpoints, routes, fallback route and enrichments; events on their way are not lost.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("Routing"),
      parameters: ["IfMatch"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "The configuration as it now is.",
          schema: "Routing",
          headers: ["ETag"]
        )
      ],
      faults: [.argumentInvalid, .deserializationError, .preconditionFailed],
      handle: put
    ),
    RESTRoute(
      .post,
      "/routing/routes/$testnew",
      id: "testRoute",
      tag: "Routing",
      "Tries one route, which need not be saved, on a message.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("RouteTest"),
      successes: [
        RouteSuccess(
          status: 200,
          description: "True, false or undefined, and where the condition does not compile.",
          schema: "RouteTestResult"
        )
      ],
      faults: [.argumentInvalid, .deserializationError],
      handle: testNew
    ),
    RESTRoute(
      .post,
      "/routing/routes/$testall",
      id: "testAllRoutes",
      tag: "Routing",
      "Tries all saved routes on a message.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("RouteTestAll"),
      successes: [
        RouteSuccess(
          status: 200,
          description: "The routes that the message takes, the fallback among them.",
          schema: "RouteTestAllResult"
        )
      ],
      faults: [.argumentInvalid, .deserializationError],
      handle: testAll
    ),
    RESTRoute(
      .get,
      "/routing/endpointsHealth",
      id: "getEndpointHealth",
      tag: "Routing",
      "Tells whether the endpoints take events, and why not.",
      access: .policy(.all),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "One for each endpoint.", schema: "EndpointHealths")
      ],
      handle: health
    ),
  ]

  private static func get(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    answer(service)
  }

  private static func answer(_ service: RESTService) -> Response {
    let configuration = service.hub.routing.configuration
    return .json(configuration.json(), etag: configuration.etag)
  }

  private static func put(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let wanted = try RoutingConfiguration(
      json: try request.json(),
      quotas: service.hub.settings.quotas
    )
    try await service.hub.replaceRouting(wanted, ifMatch: request.condition)
    return answer(service)
  }

  private static func testNew(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    .json(try RouteTestRequest(json: try request.json()).result.json)
  }

  private static func testAll(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let wanted = try RouteTestAllRequest(json: try request.json())
    do throws(RouteFault) {
      let matched = try service.hub.routing.configuration.matches(wanted)
      return .json(["routes": .array(matched.map { ["properties": $0.json] })])
    } catch {
      throw error.error
    }
  }

  private static func health(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    .json(["value": service.hub.routing.healthJSON(now: request.now)])
  }
}

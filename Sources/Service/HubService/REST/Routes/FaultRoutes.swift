import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Faults that a hub for tests commits on purpose, for those who hold all rights.
enum FaultRoutes {
  /// Where they are; no fault keeps a tester from removing it.
  static let path = "/admin/faults"

  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      path,
      id: "listFaults",
      tag: "Administration",
      "Lists the faults that the hub commits, and how often each has struck.",
      access: .policy(.all),
      successes: [
        RouteSuccess(
          status: 200,
          description: "The faults.",
          schema: "ArmedFault",
          isArray: true
        )
      ],
      faults: [.operationNotAllowedInCurrentState],
      handle: list
    ),
    RESTRoute(
      .put,
      "\(path)/{faultName}",
      id: "putFault",
      tag: "Administration",
      "Has the hub commit a fault from now on, in place of the one of the same name.",
      access: .policy(.all),
      body: .json("InjectedFault"),
      successes: [
        RouteSuccess(status: 200, description: "It is armed.", schema: "InjectedFault")
      ],
      faults: [.operationNotAllowedInCurrentState, .throttlingMaxActiveJobCountExceeded],
      handle: put
    ),
    RESTRoute(
      .delete,
      "\(path)/{faultName}",
      id: "deleteFault",
      tag: "Administration",
      "Has the hub commit a fault no more.",
      access: .policy(.all),
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.operationNotAllowedInCurrentState],
      handle: delete
    ),
    RESTRoute(
      .delete,
      path,
      id: "deleteFaults",
      tag: "Administration",
      "Has the hub commit no fault any more.",
      access: .policy(.all),
      successes: [RouteSuccess(status: 204, description: "They are gone.")],
      faults: [.operationNotAllowedInCurrentState],
      handle: deleteAll
    ),
  ]

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    .json(
      .array(
        try injector(service).armed.map { armed in
          var object = armed.fault.json
          object["hits"] = .int(Int64(armed.hits))
          return .object(object)
        }
      )
    )
  }

  private static func put(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let injector = try injector(service)
    let fault = try InjectedFault(
      name: request.parameter("faultName"),
      json: try request.json()
    )
    try injector.arm(fault)
    service.hub.strikeDueFaults()
    return .json(.object(fault.json))
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    guard try injector(service).disarm(request.parameter("faultName")) else {
      throw RESTRefusal.notFound("There is no such fault.")
    }
    return .noContent
  }

  private static func deleteAll(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    try injector(service).disarmAll()
    return .noContent
  }

  private static func injector(_ service: RESTService) throws(HubError) -> FaultInjector {
    guard service.hub.faults.isAllowed else {
      throw HubError(
        .operationNotAllowedInCurrentState,
        "This hub commits no faults: start it with hub.fault_injection, or with --ephemeral."
      )
    }
    return service.hub.faults
  }
}

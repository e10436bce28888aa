import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Configurations and edge deployments (contract "Configurations").
enum ConfigurationRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/configurations",
      id: "listConfigurations",
      tag: tag,
      "Lists configurations with their metrics.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      parameters: ["TopConfigurations"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "The configurations in the order of their IDs.",
          schema: "Configuration",
          isArray: true
        )
      ],
      handle: list
    ),
    // Stands before the path with an ID; no ID has capital letters.
    RESTRoute(
      .post,
      "/configurations/testQueries",
      id: "testConfigurationQueries",
      tag: tag,
      "Checks a target condition and the queries of metrics.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      body: .json("ConfigurationQueries"),
      successes: [
        RouteSuccess(
          status: 200,
          description: "What is wrong with each, with line and column.",
          schema: "ConfigurationQueryFaults"
        )
      ],
      handle: testQueries
    ),
    RESTRoute(
      .get,
      "/configurations/{configurationId}",
      id: "getConfiguration",
      tag: tag,
      "Reads a configuration with its metrics.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      successes: [one],
      faults: [.configurationNotFound],
      handle: get
    ),
    RESTRoute(
      .put,
      "/configurations/{configurationId}",
      id: "putConfiguration",
      tag: tag,
      "Creates a configuration, or with If-Match changes all of it but its content.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      body: .json("Configuration"),
      parameters: ["IfMatch"],
      successes: [one],
      faults: refusals + [.configurationAlreadyExists, .preconditionFailed],
      handle: put
    ),
    RESTRoute(
      .delete,
      "/configurations/{configurationId}",
      id: "deleteConfiguration",
      tag: tag,
      "Deletes a configuration; the values that it has set stay.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      parameters: ["IfMatch"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.configurationNotFound, .preconditionFailed],
      handle: delete
    ),
    RESTRoute(
      .post,
      "/configurations/{configurationId}/plan",
      id: "planConfiguration",
      tag: tag,
      "Tells which twins a PUT of the body, or a DELETE, would change, and how; changes nothing.",
      access: .policy(.serviceConnect),
      throttle: .queries,
      body: .json("Configuration"),
      parameters: ["PlanOperation", "MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page of changes, in the order of the twins.",
          schema: "ConfigurationPlan",
          headers: ["Continuation"]
        )
      ],
      faults: refusals,
      handle: plan
    ),
    RESTRoute(
      .post,
      "/devices/{deviceId}/applyConfigurationContent",
      id: "applyConfigurationContent",
      tag: tag,
      "Deploys modules to one edge device, once.",
      access: .policy(.serviceConnect),
      throttle: .registry,
      body: .json("ConfigurationContent"),
      successes: [RouteSuccess(status: 204, description: "The modules' twins are written.")],
      faults: [.deviceNotFound, .invalidConfigurationContent, .tooManyModulesOnDevice],
      handle: apply
    ),
  ]

  private static let tag = "Configurations"

  private static let one = RouteSuccess(
    status: 200,
    description: "The configuration as it now is.",
    schema: "Configuration",
    headers: ["ETag"]
  )

  private static let refusals: [HubErrorCode] = [
    .configurationNotFound, .configurationCountLimitExceeded,
    .invalidConfigurationTargetCondition, .invalidConfigurationContent,
    .invalidConfigurationCustomMetricsQuery,
  ]

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let top = request.query("top").flatMap { Int($0) }
    let hub = service.hub
    let list = try await hub.store.read { view throws(HubError) in
      try view.configurations(top: top)
    }
    let metrics = try await hub.fleet.metrics.metrics(of: list)
    return .json(.array(zip(list, metrics).map { .object($0.json($1)) }))
  }

  private static func get(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let id = try configurationID(request)
    let configuration = try await service.hub.store.read { view throws(HubError) in
      try view.configuration(id)
    }
    return try await response(service, configuration)
  }

  private static func put(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let wish = try ConfigurationRequest(
      id: request.parameter("configurationId"),
      body: try request.json()
    )
    let (condition, now) = (request.condition, request.now)
    let (configuration, isContentIgnored) = try await service.hub.store.write {
      engine throws(HubError) in
      try engine.putConfiguration(wish, ifMatch: condition, now: now)
    }
    service.hub.fleet.wake()
    var response = try await response(service, configuration)
    if isContentIgnored { response.headers[.warning] = "content-immutable" }
    return response
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = try configurationID(request)
    let condition = request.condition
    try await service.hub.store.write { engine throws(HubError) in
      try engine.deleteConfiguration(id, ifMatch: condition)
    }
    service.hub.fleet.wake()
    return .noContent
  }

  private static func testQueries(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let test = try ConfigurationQueryTest(json: try request.json())
    let faults = ConfigurationQueryFaults(
      targetCondition: test.targetCondition,
      metricQueries: test.metricQueries
    )
    var errors = JSONObject()
    for (name, message) in faults.metricQueries { errors[name] = .string(message) }
    return .json([
      "targetConditionError": faults.targetCondition.map { .string($0) } ?? .null,
      "customMetricQueryErrors": .object(errors),
    ])
  }

  private static func plan(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = try configurationID(request)
    let intent: ConfigurationIntent
    switch request.query("operation") {
    case nil, "", "put":
      intent = .put(try ConfigurationRequest(id: id, body: try request.json()))
    case "delete": intent = .delete(id)
    default:
      throw HubError(.argumentInvalid, "The query parameter operation must be put or delete.")
    }
    let page = try request.page(service)
    let directory = service.hub.directory
    let now = request.now
    let plan = try await service.hub.store.read { view throws(HubError) in
      try view.plan(
        intent,
        pageSize: page.size,
        continuation: page.continuation,
        facts: { directory.facts(of: $0) },
        now: now
      )
    }
    return Response.json(plan.json).page(next: plan.continuation)
  }

  private static func apply(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let content = try ConfigurationContent(json: try request.json())
    let now = request.now
    try await service.hub.store.write { engine throws(HubError) in
      try engine.applyConfigurationContent(content, to: deviceID, now: now)
    }
    return .noContent
  }

  private static func response(
    _ service: RESTService,
    _ configuration: Configuration
  ) async throws(HubError) -> Response {
    let metrics = try await service.hub.fleet.metrics.metrics(of: configuration)
    return .json(.object(configuration.json(metrics)), etag: configuration.etag)
  }

  private static func configurationID(_ request: RESTRequest) throws(HubError) -> String {
    let id = request.parameter("configurationId")
    guard ConfigurationID.isValid(id) else {
      throw HubError(
        .argumentInvalid,
        "A configuration ID has 1 to 128 lower-case letters, digits or characters of - + % _ * ! '"
      )
    }
    return id
  }
}

extension HTTPField.Name {
  /// What a request asked for and did not get, although it was not refused.
  fileprivate static let warning = field("x-orrery-warning")
}

import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// What an edge hub asks on behalf of an edge device below it, whose identity service keeps that
/// device's modules (contract §3.10).
enum EdgeModuleRoutes {
  private static let base = "/devices/{deviceId}/modules/$edgeHub/"

  static let routes: [RESTRoute] = [
    route(
      "putModuleOnBehalfOf",
      id: "putModuleOnBehalfOf",
      "Creates a module of an edge device below, or with If-Match replaces one.",
      body: "EdgeModulePutRequest",
      parameters: ["IfMatch"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "The module as it now is.",
          schema: "Module",
          headers: ["ETag"]
        )
      ],
      faults: [
        .deviceNotFound, .moduleNotFound, .moduleAlreadyExistsOnDevice, .preconditionFailed,
        .tooManyModulesOnDevice,
      ],
      handle: put
    ),
    route(
      "getModuleOnBehalfOf",
      id: "getModuleOnBehalfOf",
      "Reads a module of an edge device below.",
      body: "EdgeModuleRequest",
      successes: [
        RouteSuccess(status: 200, description: "The module.", schema: "Module", headers: ["ETag"])
      ],
      faults: [.deviceNotFound, .moduleNotFound],
      handle: get
    ),
    route(
      "getModulesOnTargetDevice",
      id: "listModulesOnBehalfOf",
      "Lists the modules of an edge device below.",
      body: "EdgeModulesRequest",
      successes: [
        RouteSuccess(status: 200, description: "The modules.", schema: "Module", isArray: true)
      ],
      faults: [.deviceNotFound],
      handle: list
    ),
    route(
      "deleteModuleOnBehalfOf",
      id: "deleteModuleOnBehalfOf",
      "Deletes a module of an edge device below, with its twin.",
      body: "EdgeModuleRequest",
      parameters: ["IfMatch"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.deviceNotFound, .moduleNotFound, .preconditionFailed],
      handle: delete
    ),
  ]

  private static func route(
    _ path: String,
    id: String,
    _ summary: String,
    body: String,
    parameters: [String] = [],
    successes: [RouteSuccess],
    faults: [HubErrorCode],
    handle: @escaping @Sendable (RESTService, RESTRequest) async throws -> Response
  ) -> RESTRoute {
    RESTRoute(
      .post,
      base + path,
      id: id,
      tag: "Edge",
      summary,
      access: .edgeHub,
      shape: .module,
      throttle: .registry,
      body: .json(body),
      parameters: parameters,
      successes: successes,
      faults: faults + [.invalidDeviceScope],
      handle: handle
    )
  }

  private static func put(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wanted = try EdgeModulePutRequest(json: try request.json())
    let (condition, now) = (request.condition, request.now)
    let row = try await service.hub.store.write { engine throws(HubError) in
      let device = try engine.view.edgeDevice(authChain: wanted.authChain, actor: actor)
      let wish = try wanted.wish(on: device.deviceID)
      _ = try engine.putModule(wish, ifMatch: condition, now: now)
      return try engine.view.module(
        IdentityKey(deviceID: wish.deviceID, moduleID: wish.moduleID)
      )
    }
    return RegistryRoutes.answer(row, service.hub)
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wanted = try EdgeModuleRequest(json: try request.json())
    let row = try await service.hub.store.read { view throws(HubError) in
      try view.module(try key(wanted, actor, view))
    }
    return RegistryRoutes.answer(row, service.hub)
  }

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wanted = try EdgeModulesRequest(json: try request.json())
    let rows = try await service.hub.store.read { view throws(HubError) in
      let device = try view.edgeDevice(authChain: wanted.authChain, actor: actor)
      return try view.modules(of: device.deviceID)
    }
    return .json(.array(rows.map { $0.json(service.hub) }))
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wanted = try EdgeModuleRequest(json: try request.json())
    // Stock edge hubs name no version here.
    let condition = request.condition == .absent ? .any : request.condition
    let now = request.now
    try await service.hub.store.write { engine throws(HubError) in
      let key = try key(wanted, actor, engine.view)
      try engine.deleteModule(key, ifMatch: condition, now: now)
    }
    return .noContent
  }

  private static func key(
    _ wanted: EdgeModuleRequest,
    _ actor: String,
    _ view: HubView<some HubStorageReader>
  ) throws(HubError) -> IdentityKey {
    let device = try view.edgeDevice(authChain: wanted.authChain, actor: actor)
    return IdentityKey(deviceID: device.deviceID, moduleID: wanted.moduleID)
  }
}

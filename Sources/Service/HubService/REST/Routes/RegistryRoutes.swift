import Endpoints
import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Devices, modules, bulk calls and statistics (contract "Identities", "Bulk", "Statistics").
enum RegistryRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/statistics/devices",
      id: "getDeviceStatistics",
      tag: "Statistics",
      "Counts the device identities by status.",
      access: .policy(.registryRead),
      throttle: .registry,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The numbers, exact.",
          schema: "RegistryStatistics"
        )
      ],
      handle: deviceStatistics
    ),
    RESTRoute(
      .get,
      "/statistics/service",
      id: "getServiceStatistics",
      tag: "Statistics",
      "Counts the connected devices.",
      access: .policy(.registryRead),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The number, exact.", schema: "ServiceStatistics")
      ],
      handle: serviceStatistics
    ),
    RESTRoute(
      .get,
      "/devices",
      id: "listDevices",
      tag: "Devices",
      "Lists the first devices by ID; use a query or an export for all of many.",
      access: .policy(.registryRead),
      throttle: .registry,
      parameters: ["Top"],
      successes: [
        RouteSuccess(status: 200, description: "The devices.", schema: "Device", isArray: true)
      ],
      handle: listDevices
    ),
    RESTRoute(
      .post,
      "/devices",
      id: "bulkRegistry",
      tag: "Devices",
      "Creates, updates and deletes up to 100 identities, each for itself.",
      access: .policy(.registryWrite),
      throttle: .registry,
      body: .json("BulkRequest"),
      successes: [
        RouteSuccess(status: 200, description: "All were done.", schema: "BulkResult"),
        RouteSuccess(
          status: 400,
          description: "Some failed, the others were done; or the whole call was refused (Error).",
          schema: "BulkResult"
        ),
      ],
      faults: [.deviceDefinedMultipleTimes, .tooManyDevices],
      handle: bulk
    ),
    RESTRoute(
      .get,
      "/devices/{deviceId}",
      id: "getDevice",
      tag: "Devices",
      "Reads a device identity.",
      access: .policy(.registryRead),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The device.", schema: "Device", headers: ["ETag"])
      ],
      faults: [.deviceNotFound],
      handle: getDevice
    ),
    RESTRoute(
      .put,
      "/devices/{deviceId}",
      id: "putDevice",
      tag: "Devices",
      "Creates a device, or with If-Match replaces one.",
      access: .policy(.registryWrite),
      throttle: .registry,
      body: .json("DeviceRequest"),
      parameters: ["IfMatch"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "The device as it now is.",
          schema: "Device",
          headers: ["ETag"]
        )
      ],
      faults: [
        .deviceAlreadyExists, .deviceNotFound, .preconditionFailed, .tooManyDevices,
        .invalidDeviceScope,
      ],
      handle: putDevice
    ),
    RESTRoute(
      .delete,
      "/devices/{deviceId}",
      id: "deleteDevice",
      tag: "Devices",
      "Deletes a device with its modules, twins and queue.",
      access: .policy(.registryWrite),
      throttle: .registry,
      parameters: ["IfMatchRequired"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.deviceNotFound, .preconditionFailed],
      handle: deleteDevice
    ),
    RESTRoute(
      .get,
      "/devices/{deviceId}/modules",
      id: "listModules",
      tag: "Modules",
      "Lists the modules of a device.",
      access: .policyOrOwnEdge(.registryRead),
      shape: .module,
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The modules.", schema: "Module", isArray: true)
      ],
      faults: [.deviceNotFound],
      handle: listModules
    ),
    RESTRoute(
      .get,
      "/devices/{deviceId}/modules/{moduleId}",
      id: "getModule",
      tag: "Modules",
      "Reads a module identity.",
      access: .policyOrOwnEdge(.registryRead),
      shape: .module,
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The module.", schema: "Module", headers: ["ETag"])
      ],
      faults: [.deviceNotFound, .moduleNotFound],
      handle: getModule
    ),
    RESTRoute(
      .put,
      "/devices/{deviceId}/modules/{moduleId}",
      id: "putModule",
      tag: "Modules",
      "Creates a module, or with If-Match replaces one.",
      access: .policyOrOwnEdge(.registryWrite),
      shape: .module,
      throttle: .registry,
      body: .json("ModuleRequest"),
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
      handle: putModule
    ),
    RESTRoute(
      .delete,
      "/devices/{deviceId}/modules/{moduleId}",
      id: "deleteModule",
      tag: "Modules",
      "Deletes a module with its twin.",
      access: .policyOrOwnEdge(.registryWrite),
      shape: .module,
      throttle: .registry,
      parameters: ["IfMatchRequired"],
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.deviceNotFound, .moduleNotFound, .preconditionFailed],
      handle: deleteModule
    ),
  ]

  private static func deviceStatistics(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let counts = try await service.hub.store.read { view throws(HubError) in
      try view.statistics()
    }
    return .json([
      "totalDeviceCount": .int(Int64(counts.totalDeviceCount)),
      "enabledDeviceCount": .int(Int64(counts.enabledDeviceCount)),
      "disabledDeviceCount": .int(Int64(counts.disabledDeviceCount)),
    ])
  }

  private static func serviceStatistics(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    .json(["connectedDeviceCount": .int(Int64(service.hub.directory.deviceCount))])
  }

  private static func listDevices(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let top = QueryRequest.listSize(top: request.query("top"))
    let hub = service.hub
    let body = try await hub.store.read { view throws(HubError) in
      // Written one by one: a thousand trees at once cost more in memory than in writing.
      var out = ByteWriter(capacity: 65_536)
      var separator = UInt8(ascii: "[")
      for row in try view.devices(top: top) {
        out.uint8(separator)
        JSON.write(row.json(hub), to: &out)
        separator = UInt8(ascii: ",")
      }
      if separator == UInt8(ascii: "[") { out.uint8(separator) }
      out.uint8(UInt8(ascii: "]"))
      return out.bytes
    }
    return .json(bytes: body)
  }

  private static func bulk(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let limit = service.hub.settings.quotas.bulkIdentities
    let elements = try BulkRegistry.parse(try request.json(), limit: limit)
    let now = request.now
    let failures = try await service.hub.store.write { engine throws(HubError) in
      try engine.bulk(elements, now: now)
    }
    let (status, body) = BulkRegistry.answer(failures)
    var response = Response.json(body, status: status)
    if !failures.isEmpty {
      response.headers[.errorCode] = HubErrorCode.bulkRegistryOperationFailure.name
    }
    return response
  }

  private static func getDevice(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let row = try await service.hub.store.read { view throws(HubError) in
      try view.device(deviceID)
    }
    return answer(row, service.hub)
  }

  private static func putDevice(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let wish = try DeviceIdentityRequest(json: try request.json(), pathDeviceID: deviceID)
    let (condition, now) = (request.condition, request.now)
    let row = try await service.hub.store.write { engine throws(HubError) in
      _ = try engine.putDevice(wish, ifMatch: condition, now: now)
      return try engine.view.device(deviceID)
    }
    return answer(row, service.hub)
  }

  private static func deleteDevice(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let (condition, now) = (request.condition, request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.deleteDevice(deviceID, ifMatch: condition, now: now)
    }
    return .noContent
  }

  private static func listModules(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let rows = try await service.hub.store.read { view throws(HubError) in
      try view.modules(of: deviceID)
    }
    return .json(.array(rows.map { $0.json(service.hub) }))
  }

  private static func getModule(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try request.identity()
    let row = try await service.hub.store.read { view throws(HubError) in try view.module(key) }
    return answer(row, service.hub)
  }

  private static func putModule(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try request.identity()
    let wish = try ModuleIdentityRequest(
      json: try request.json(),
      pathDeviceID: key.deviceID,
      pathModuleID: key.moduleID ?? ""
    )
    let (condition, now) = (request.condition, request.now)
    let row = try await service.hub.store.write { engine throws(HubError) in
      _ = try engine.putModule(wish, ifMatch: condition, now: now)
      return try engine.view.module(key)
    }
    return answer(row, service.hub)
  }

  private static func deleteModule(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try request.identity()
    let (condition, now) = (request.condition, request.now)
    try await service.hub.store.write { engine throws(HubError) in
      try engine.deleteModule(key, ifMatch: condition, now: now)
    }
    return .noContent
  }

  static func answer(_ row: some IdentityRow, _ hub: Hub) -> Response {
    .json(row.json(hub), etag: ETags.identity(row.etagCounter))
  }
}

/// A row of the registry as an answer shows it.
protocol IdentityRow {
  var etagCounter: UInt64 { get }
  /// The identity with what connections say of it.
  func json(_ hub: Hub) -> JSONValue
}

extension DeviceRow: IdentityRow {
  var etagCounter: UInt64 { identity.etagCounter }

  func json(_ hub: Hub) -> JSONValue {
    identity.json(activity(hub.directory.facts(of: identity.key)))
  }
}

extension ModuleRow: IdentityRow {
  var etagCounter: UInt64 { identity.etagCounter }

  func json(_ hub: Hub) -> JSONValue {
    identity.json(activity(hub.directory.facts(of: identity.key)))
  }
}

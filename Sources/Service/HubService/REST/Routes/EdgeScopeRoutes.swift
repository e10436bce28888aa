import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Where an edge hub learns whom it serves (contract "Modules, gateways, edge").
///
/// Answers hold the keys of all identities on them: that is how an edge hub can tell who its clients
/// are while it is cut off.
enum EdgeScopeRoutes {
  private static let base = "/devices/{deviceId}/modules/$edgeHub/"
  private static let version = "2018-08-30-preview"

  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      base + "devicesAndModulesInDeviceScope",
      id: "listDeviceScope",
      tag: "Edge",
      "Lists the edge device, its modules and its children, keys included.",
      access: .edgeHub,
      throttle: .registry,
      parameters: ["DeviceCount", "ContinuationToken"],
      successes: [
        page("The first page or the next; continuationLink is the path of the one after.")
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      base + "deviceAndModuleInDeviceScope",
      id: "getInDeviceScope",
      tag: "Edge",
      "Reads one identity in the edge device's scope, keys included.",
      access: .edgeHub,
      throttle: .registry,
      parameters: ["TargetDevice", "TargetModule"],
      successes: [page("The device, and the module if one was asked for.")],
      faults: [.argumentNull, .invalidDeviceScope],
      handle: get
    ),
    RESTRoute(
      .post,
      base + "devicesAndModulesInTargetDeviceScope",
      id: "listTargetDeviceScope",
      tag: "Edge",
      "Lists the scope of an edge device below, keys included.",
      access: .edgeHub,
      throttle: .registry,
      body: .json("EdgeScopeRequest"),
      successes: [page("The page; continuationLink is sent back for the next one.")],
      faults: [.invalidDeviceScope],
      handle: listTarget
    ),
    RESTRoute(
      .post,
      base + "getDeviceAndModuleOnBehalfOf",
      id: "getOnBehalfOf",
      tag: "Edge",
      "Reads one identity in the scope of an edge device below, keys included.",
      access: .edgeHub,
      throttle: .registry,
      body: .json("EdgeIdentityRequest"),
      successes: [page("The device, and the module if one was asked for.")],
      faults: [.invalidDeviceScope],
      handle: getOnBehalfOf
    ),
  ]

  private static func page(_ description: String) -> RouteSuccess {
    RouteSuccess(status: 200, description: description, schema: "DeviceScopePage")
  }

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let edgeID = try request.deviceID()
    let count = try request.integer(
      "deviceCount",
      in: 0...EdgeScopeRequest.maximumPageSize,
      default: 0
    )
    let last = try deviceID(continuation: request.query("continuationToken"))
    let page = try await service.hub.store.read { view throws(HubError) in
      try view.scope(of: edgeID, after: last, limit: EdgeScopeRequest.pageSize(count))
    }
    let link = page.last.map { last in
      "/devices/\(PercentCoding.encode(edgeID))/modules/$edgeHub/devicesAndModulesInDeviceScope"
        + "?deviceCount=\(count)&continuationToken=\(continuation(last))&api-version=\(version)"
    }
    return answer(page, link: link, service.hub)
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let edgeID = try request.deviceID()
    guard let targetID = request.query("targetDeviceId"), !targetID.isEmpty else {
      throw HubError(.argumentNull, "The query parameter targetDeviceId is missing.")
    }
    let moduleID = request.query("targetModuleId").flatMap { $0.isEmpty ? nil : $0 }
    let key = IdentityKey(deviceID: targetID, moduleID: moduleID)
    let page = try await service.hub.store.read { view throws(HubError) in
      try view.identity(key, inScopeOf: edgeID)
    }
    return answer(page, link: nil, service.hub)
  }

  private static func listTarget(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wish = try EdgeScopeRequest(json: try request.json())
    let last = try deviceID(continuation: wish.continuation)
    let page = try await service.hub.store.read { view throws(HubError) in
      let target = try view.edgeDevice(authChain: wish.authChain, actor: actor)
      return try view.scope(of: target.deviceID, after: last, limit: wish.pageSize)
    }
    return answer(page, link: page.last.map(continuation), service.hub)
  }

  private static func getOnBehalfOf(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let actor = try request.deviceID()
    let wish = try EdgeIdentityRequest(json: try request.json())
    let page = try await service.hub.store.read { view throws(HubError) in
      let edge = try view.edgeDevice(authChain: wish.authChain, actor: actor)
      return try view.identity(wish.target, inScopeOf: edge.deviceID)
    }
    return answer(page, link: nil, service.hub)
  }

  // The last ID in hexadecimal, which stands in a query as it is. It needs no protection: it only
  // says where in the asker's own list to go on.
  private static func continuation(_ deviceID: String) -> String { Hex.encode(deviceID.utf8) }

  private static func deviceID(continuation: String?) throws(HubError) -> String? {
    guard let continuation, !continuation.isEmpty else { return nil }
    guard let bytes = Hex.decode(continuation),
      let deviceID = String(validating: bytes, as: UTF8.self), DeviceID.isValid(deviceID)
    else { throw HubError(.argumentInvalid, "The continuation is none of this list's.") }
    return deviceID
  }

  private static func answer(_ page: DeviceScopePage, link: String?, _ hub: Hub) -> Response {
    .json([
      "devices": .array(page.devices.map { $0.json(hub) }),
      "modules": .array(page.modules.map { $0.json(hub) }),
      "continuationLink": link.map { .string($0) } ?? .null,
    ])
  }
}

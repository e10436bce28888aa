import ByteIO
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Digital twins: properties, components and commands of the model that a device announced (contract
/// "Statistics, queue, digital twin").
enum DigitalTwinRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/digitaltwins/{deviceId}",
      id: "getDigitalTwin",
      tag: "Digital twins",
      "Reads a digital twin: what was reported of each property, and what is desired of it.",
      access: .policy(.serviceConnect),
      throttle: .twinReads,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The digital twin.",
          schema: "DigitalTwin",
          headers: ["ETag"]
        )
      ],
      faults: [.deviceNotFound],
      handle: get
    ),
    RESTRoute(
      .patch,
      "/digitaltwins/{deviceId}",
      id: "patchDigitalTwin",
      tag: "Digital twins",
      "Says what is desired of properties and components, as a JSON Patch.",
      access: .policy(.serviceConnect),
      throttle: .twinUpdates,
      body: .json("DigitalTwinPatch"),
      parameters: ["IfMatch"],
      successes: [
        RouteSuccess(
          status: 202,
          description: "It is durable; the device is told at once or when it asks.",
          headers: ["ETag", "Location"]
        )
      ],
      faults: [.deviceNotFound, .preconditionFailed],
      handle: update
    ),
    command("/digitaltwins/{deviceId}/commands/{commandName}", "Root"),
    command(
      "/digitaltwins/{deviceId}/components/{componentPath}/commands/{commandName}",
      "Component"
    ),
  ]

  private static func command(_ path: String, _ kind: String) -> RESTRoute {
    RESTRoute(
      .post,
      path,
      id: "invoke\(kind)Command",
      tag: "Digital twins",
      "Invokes a command and waits for its answer; the device gets it as a direct method.",
      access: .policy(.serviceConnect),
      throttle: .directMethods,
      body: .json("Any"),
      parameters: ["ConnectTimeout", "ResponseTimeout"],
      successes: [
        RouteSuccess(
          status: 200,
          description:
            "What the device answered, whatever its own status; null if that was nothing.",
          schema: "Any",
          headers: ["CommandStatus"]
        )
      ],
      faults: [.deviceNotFound, .deviceNotOnline, .messageTooLarge, .gatewayTimeout],
      handle: invoke
    )
  }

  private static func get(_ service: RESTService, _ request: RESTRequest) async throws -> Response {
    let deviceID = try request.deviceID()
    let (body, etag) = try await service.hub.store.read { view throws(HubError) in
      try view.digitalTwin(deviceID)
    }
    return .json(bytes: body, etag: etag)
  }

  private static func update(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let deviceID = try request.deviceID()
    let patch = try DigitalTwinPatch(body: try request.json())
    let (condition, now) = (request.condition, request.now)
    let etag = try await service.hub.store.write { engine throws(HubError) in
      try engine.updateDigitalTwin(deviceID, patch, ifMatch: condition, now: now)
    }
    return Response(
      status: .accepted,
      headers: [
        .eTag: ETags.quoted(etag), .location: "/digitaltwins/\(PercentCoding.encode(deviceID))",
      ]
    )
  }

  private static func invoke(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = IdentityKey(deviceID: try request.deviceID())
    let component = request.parameters["componentPath"].map { $0 + "*" } ?? ""
    var wish: JSONObject = [
      "methodName": .string(component + request.parameter("commandName")),
      "responseTimeoutInSeconds": .int(
        Int64(
          try request.integer(
            "responseTimeoutInSeconds",
            in: DirectMethodRequest.responseTimeouts,
            default: DirectMethodRequest.defaultResponseTimeoutSeconds
          )
        )
      ),
      "connectTimeoutInSeconds": .int(
        Int64(
          try request.integer(
            "connectTimeoutInSeconds",
            in: DirectMethodRequest.connectTimeouts,
            default: 0
          )
        )
      ),
    ]
    if !request.body.isEmpty { wish["payload"] = try request.json() }
    let (status, payload) = try await MethodRoutes.call(service, key, .object(wish))
    var response = Response.json(payload)
    response.headers[.commandStatus] = String(status)
    return response
  }
}

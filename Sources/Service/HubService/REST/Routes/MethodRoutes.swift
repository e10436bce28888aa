import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree

/// Direct methods (contract "Direct methods").
enum MethodRoutes {
  static let routes: [RESTRoute] = [
    route("/twins/{deviceId}/methods", "Device"),
    route("/twins/{deviceId}/modules/{moduleId}/methods", "Module"),
  ]

  private static func route(_ path: String, _ kind: String) -> RESTRoute {
    RESTRoute(
      .post,
      path,
      id: "invoke\(kind)Method",
      tag: "Direct methods",
      "Invokes a direct method and waits for its answer.",
      access: .policy(.serviceConnect),
      throttle: .directMethods,
      body: .json("MethodRequest"),
      successes: [
        RouteSuccess(
          status: 200,
          description: "What the client answered, whatever its own status.",
          schema: "MethodResponse"
        )
      ],
      faults: [.deviceNotFound, .deviceNotOnline, .messageTooLarge, .gatewayTimeout],
      handle: invoke
    )
  }

  private static func invoke(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (status, payload) = try await call(
      service,
      try request.identity(),
      try request.json()
    )
    return .json(["status": .int(Int64(status)), "payload": payload])
  }

  /// Invokes the method that `wish` describes, and answers the client's own status and payload.
  static func call(
    _ service: RESTService,
    _ key: IdentityKey,
    _ wish: JSONValue
  ) async throws -> (status: Int, payload: JSONValue) {
    let wish = try DirectMethodRequest(
      json: wish,
      payloadLimit: service.hub.settings.quotas.methodPayloadBytes
    )
    // The registry is asked first: an unknown identity is refused in another shape.
    _ = try await service.hub.store.read { view throws(HubError) in
      if key.moduleID == nil {
        _ = try view.device(key.deviceID)
      } else {
        _ = try view.module(key)
      }
    }
    do throws(HubError) {
      let answer = try await service.hub.methods.invoke(key, wish)
      return (answer.status, answer.payload ?? .null)
    } catch {
      throw RESTRefusal(error, shape: .method)
    }
  }
}

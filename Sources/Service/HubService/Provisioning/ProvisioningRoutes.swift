import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import ProvisioningEngine

/// The device side of the provisioning service over HTTPS (contract §6.2).
enum ProvisioningRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .put,
      "/{idScope}/registrations/{registrationId}/register",
      id: "registerDevice",
      tag: "Provisioning, device side",
      "Begins the registration of a device.",
      access: .registration,
      shape: .provisioning,
      body: .json("RegistrationRequest"),
      successes: [
        RouteSuccess(
          status: 202,
          description: "It is being assigned; ask for the operation.",
          schema: "RegistrationOperation"
        )
      ],
      faults: [.argumentInvalid, .invalidRegistrationID],
      handle: register
    ),
    RESTRoute(
      .get,
      "/{idScope}/registrations/{registrationId}/operations/{operationId}",
      id: "getRegistrationOperation",
      tag: "Provisioning, device side",
      "Reads how far a registration is.",
      access: .registration,
      shape: .provisioning,
      successes: [
        RouteSuccess(status: 200, description: "Its end.", schema: "RegistrationOperation"),
        RouteSuccess(status: 202, description: "It goes on.", schema: "RegistrationOperation"),
      ],
      faults: [.operationNotFound],
      handle: operation
    ),
    RESTRoute(
      .post,
      "/{idScope}/registrations/{registrationId}",
      id: "getOwnRegistration",
      tag: "Provisioning, device side",
      "Reads the state of the device's own registration.",
      access: .registration,
      shape: .provisioning,
      body: .json("RegistrationRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The state.", schema: "RegistrationState")
      ],
      faults: [.registrationNotFound],
      handle: state
    ),
  ]

  private static func register(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (provisioning, id, credential) = try await device(service, request)
    let body = try RegistrationRequest(request.body)
    if credential == .none, body.tpm != nil {
      let key = try await provisioning.challenge(id, body, now: request.now)
      return .json(
        [
          "authenticationKey": .string(Base64.encode(key)), "keyName": "registration",
          "message": "Authorization required",
        ],
        status: 401
      )
    }
    let operation = try await provisioning.register(
      id,
      body,
      credential,
      now: request.now
    )
    request.connection.authenticated()
    return accepted(operation.assigning, provisioning)
  }

  private static func operation(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (provisioning, id, credential) = try await device(service, request)
    let operation = try await provisioning.operation(
      request.parameter("operationId"),
      of: id,
      credential,
      now: request.now
    )
    request.connection.authenticated()
    return operation.isFinished ? .json(operation.json) : accepted(operation.json, provisioning)
  }

  private static func state(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let (provisioning, id, credential) = try await device(service, request)
    let state = try await provisioning.registration(of: id, credential, now: request.now)
    request.connection.authenticated()
    return .json(state.deviceJSON)
  }

  private static func accepted(
    _ body: JSONValue,
    _ provisioning: ProvisioningService
  ) -> Response {
    var response = Response.json(body, status: 202)
    response.headers[.retryAfter] = String(provisioning.store.rules.retryAfterSeconds)
    return response
  }

  /// The device that asks, by what it presents; judged with the request itself.
  private static func device(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> (ProvisioningService, String, PresentedCredential) {
    let provisioning = try service.provisioning()
    guard request.parameter("idScope").lowercased() == provisioning.scope.lowercased() else {
      throw HubError(.provisioningUnauthorized, "Unauthorized")
    }
    let token = request.header(.authorization).map { Array($0.utf8) }
    let chain =
      token == nil ? await request.connection.presentedChain() : PresentedChain([])
    let credential = try await provisioning.credential(
      token: token,
      chain: chain,
      now: request.now
    )
    return (provisioning, request.parameter("registrationId"), credential)
  }
}

extension RESTService {
  /// The provisioning service.
  ///
  /// - Throws: 404 where it is turned off.
  func provisioning() throws(RESTRefusal) -> ProvisioningService {
    guard let provisioning = hub.provisioning else {
      throw RESTRefusal.notFound("There is no such path.")
    }
    return provisioning
  }
}

import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import ProvisioningEngine

/// Management of enrollments and registrations (contract §6.6).
enum EnrollmentRoutes {
  static let routes: [RESTRoute] =
    routes(.individual, "/enrollments", "Enrollment")
    + routes(.group, "/enrollmentGroups", "EnrollmentGroup") + registrationRoutes

  private static let tag = "Provisioning, service side"

  private static func routes(
    _ kind: EnrollmentKind,
    _ path: String,
    _ name: String
  ) -> [RESTRoute] {
    let one = [
      RouteSuccess(
        status: 200,
        description: "The enrollment as it now is, without keys.",
        schema: "Enrollment",
        headers: ["ETag"]
      )
    ]
    let unknown: HubErrorCode = kind == .individual ? .enrollmentNotFound : .enrollmentGroupNotFound
    return [
      RESTRoute(
        .post,
        "\(path)/query",
        id: "query\(name)s",
        tag: tag,
        "Lists enrollments.",
        access: .policy(.enrollmentRead),
        shape: .provisioning,
        throttle: .registry,
        body: .json("QuerySpecification"),
        parameters: ["MaxItemCount", "ContinuationHeader"],
        successes: [
          RouteSuccess(
            status: 200,
            description: "A page.",
            schema: "Enrollment",
            isArray: true,
            headers: ["Continuation", "ItemType"]
          )
        ],
        faults: [.argumentInvalid],
        handle: { try await query($0, $1, kind, name) }
      ),
      RESTRoute(
        .post,
        path,
        id: "bulk\(name)s",
        tag: tag,
        "Creates, updates or deletes up to ten enrollments.",
        access: .policy(.enrollmentWrite),
        shape: .provisioning,
        throttle: .registry,
        body: .json("Any"),
        successes: [RouteSuccess(status: 200, description: "What failed.", schema: "Any")],
        faults: [.argumentInvalid, .tooManyEnrollments, .registrationIDDefinedMultipleTimes],
        handle: { try await bulk($0, $1, kind) }
      ),
      RESTRoute(
        .put,
        "\(path)/{enrollmentId}",
        id: "put\(name)",
        tag: tag,
        "Creates an enrollment, or with If-Match replaces one.",
        access: .policy(.enrollmentWrite),
        shape: .provisioning,
        throttle: .registry,
        body: .json("Enrollment"),
        parameters: ["IfMatch"],
        successes: one,
        faults: [unknown, .enrollmentConflict, .provisioningPrecondition, .tooManyEnrollments],
        handle: { try await put($0, $1, kind) }
      ),
      RESTRoute(
        .get,
        "\(path)/{enrollmentId}",
        id: "get\(name)",
        tag: tag,
        "Reads an enrollment, without keys.",
        access: .policy(.enrollmentRead),
        shape: .provisioning,
        throttle: .registry,
        successes: one,
        faults: [unknown],
        handle: { try await get($0, $1, kind) }
      ),
      RESTRoute(
        .delete,
        "\(path)/{enrollmentId}",
        id: "delete\(name)",
        tag: tag,
        "Deletes an enrollment; identities that came by it stay.",
        access: .policy(.enrollmentWrite),
        shape: .provisioning,
        throttle: .registry,
        parameters: ["IfMatch"],
        successes: [RouteSuccess(status: 204, description: "It is gone.")],
        faults: [unknown, .provisioningPrecondition],
        handle: { try await delete($0, $1, kind) }
      ),
      RESTRoute(
        .post,
        "\(path)/{enrollmentId}/attestationmechanism",
        id: "get\(name)Attestation",
        tag: tag,
        "Reads how devices prove who they are, keys included.",
        access: .policy(.enrollmentWrite),
        shape: .provisioning,
        throttle: .registry,
        successes: [RouteSuccess(status: 200, description: "The attestation.", schema: "Any")],
        faults: [unknown],
        handle: { try await attestation($0, $1, kind) }
      ),
    ]
  }

  private static let registrationRoutes: [RESTRoute] = [
    RESTRoute(
      .post,
      "/registrations/{enrollmentId}/query",
      id: "queryRegistrations",
      tag: tag,
      "Lists the registrations of an enrollment group.",
      access: .policy(.enrollmentRead),
      shape: .provisioning,
      throttle: .registry,
      parameters: ["MaxItemCount", "ContinuationHeader"],
      successes: [
        RouteSuccess(
          status: 200,
          description: "A page.",
          schema: "RegistrationState",
          isArray: true,
          headers: ["Continuation", "ItemType"]
        )
      ],
      faults: [.enrollmentGroupNotFound],
      handle: queryRegistrations
    ),
    RESTRoute(
      .get,
      "/registrations/{registrationId}",
      id: "getRegistration",
      tag: tag,
      "Reads the state of a registration.",
      access: .policy(.enrollmentRead),
      shape: .provisioning,
      throttle: .registry,
      successes: [
        RouteSuccess(
          status: 200,
          description: "The state.",
          schema: "RegistrationState",
          headers: ["ETag"]
        )
      ],
      faults: [.registrationNotFound],
      handle: getRegistration
    ),
    RESTRoute(
      .delete,
      "/registrations/{registrationId}",
      id: "deleteRegistration",
      tag: tag,
      "Forgets a registration; the identity at the hub stays.",
      access: .policy(.enrollmentWrite),
      shape: .provisioning,
      throttle: .registry,
      parameters: ["IfMatch"],
      successes: [RouteSuccess(status: 204, description: "It is forgotten.")],
      faults: [.registrationNotFound, .provisioningPrecondition],
      handle: deleteRegistration
    ),
  ]

  private static func put(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) async throws -> Response {
    let key = try key(request, kind)
    let body = try request.json()
    let (condition, now) = (request.condition, request.now)
    let enrollment = try await service.provisioning().store.write { engine throws(HubError) in
      try engine.putEnrollment(key, body: body, ifMatch: condition, now: now)
    }
    return .json(enrollment.json(.shown), etag: ETags.identity(enrollment.etagCounter))
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) async throws -> Response {
    let key = try key(request, kind)
    let (enrollment, state) = try await service.provisioning().store.read {
      view throws(HubError) in
      let enrollment = try view.enrollment(key)
      let state = kind == .individual ? try? view.registration(key.id) : nil
      return (enrollment, state)
    }
    var object = enrollment.json(.shown).objectValue ?? [:]
    object["registrationState"] = state?.json
    return .json(.object(object), etag: ETags.identity(enrollment.etagCounter))
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) async throws -> Response {
    let key = try key(request, kind)
    let condition = request.condition
    try await service.provisioning().store.write { engine throws(HubError) in
      try engine.deleteEnrollment(key, ifMatch: condition)
    }
    return .noContent
  }

  private static func attestation(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) async throws -> Response {
    let key = try key(request, kind)
    let enrollment = try await service.provisioning().store.read { view throws(HubError) in
      try view.enrollment(key)
    }
    return .json(enrollment.attestationMechanism)
  }

  private static func bulk(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) async throws -> Response {
    let body = try request.json()
    let now = request.now
    return .json(
      try await service.provisioning().store.write { engine throws(HubError) in
        try engine.bulk(kind, body: body, now: now)
      }
    )
  }

  private static func query(
    _ service: RESTService,
    _ request: RESTRequest,
    _ kind: EnrollmentKind,
    _ itemType: String
  ) async throws -> Response {
    let query = try BodyFields(try request.json()).requiredString("query")
    let size = try QueryRequest.pageSize(request.header(.maxItemCount))
    let continuation = request.header(.continuation)
    let page = try await service.provisioning().store.read { view throws(HubError) in
      try view.enrollments(kind, query: query, pageSize: size, continuation: continuation)
    }
    return Response.json(.array(page.rows)).page(of: itemType, next: page.continuation)
  }

  private static func queryRegistrations(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let key = try key(request, .group)
    let size = try QueryRequest.pageSize(request.header(.maxItemCount))
    let continuation = request.header(.continuation)
    let page = try await service.provisioning().store.read { view throws(HubError) in
      try view.registrations(by: key, pageSize: size, continuation: continuation)
    }
    return Response.json(.array(page.rows))
      .page(of: "DeviceRegistration", next: page.continuation)
  }

  private static func getRegistration(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = try registrationID(request)
    let state = try await service.provisioning().store.read { view throws(HubError) in
      try view.registration(id)
    }
    return .json(state.json, etag: ETags.identity(state.etagCounter))
  }

  private static func deleteRegistration(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let id = try registrationID(request)
    let condition = request.condition
    try await service.provisioning().store.write { engine throws(HubError) in
      try engine.deleteRegistration(id, ifMatch: condition)
    }
    return .noContent
  }

  private static func key(
    _ request: RESTRequest,
    _ kind: EnrollmentKind
  ) throws(HubError) -> EnrollmentKey {
    guard let key = EnrollmentKey(kind, request.parameter("enrollmentId")) else {
      throw HubError(
        kind == .individual ? .invalidRegistrationID : .invalidEnrollmentGroupID,
        "The name has 1 to 128 letters, digits, '-', '.', '_' or ':', and ends with none of the last three."
      )
    }
    return key
  }

  private static func registrationID(_ request: RESTRequest) throws(HubError) -> String {
    guard let id = RegistrationID.normalized(request.parameter("registrationId")) else {
      throw HubError(.invalidRegistrationID, "The registration ID in the path is none.")
    }
    return id
  }
}

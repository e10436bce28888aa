import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import JSONTree
import Synchronization

/// Shared access policies, for those who hold all rights.
enum PolicyRoutes {
  static let routes: [RESTRoute] = [
    RESTRoute(
      .get,
      "/policies",
      id: "listPolicies",
      tag: "Policies",
      "Lists the policies with their keys.",
      access: .policy(.all),
      throttle: .registry,
      successes: [
        RouteSuccess(status: 200, description: "The policies.", schema: "Policy", isArray: true)
      ],
      handle: list
    ),
    RESTRoute(
      .get,
      "/policies/{policyName}",
      id: "getPolicy",
      tag: "Policies",
      "Reads a policy.",
      access: .policy(.all),
      throttle: .registry,
      successes: [RouteSuccess(status: 200, description: "The policy.", schema: "Policy")],
      handle: get
    ),
    RESTRoute(
      .put,
      "/policies/{policyName}",
      id: "putPolicy",
      tag: "Policies",
      "Creates or changes a policy; keys that are not given are kept, or made.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("PolicyRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The policy as it now is.", schema: "Policy")
      ],
      faults: [.invalidOperation],
      handle: put
    ),
    RESTRoute(
      .delete,
      "/policies/{policyName}",
      id: "deletePolicy",
      tag: "Policies",
      "Deletes a policy; connections made with it are dropped.",
      access: .policy(.all),
      throttle: .registry,
      successes: [RouteSuccess(status: 204, description: "It is gone.")],
      faults: [.invalidOperation],
      handle: delete
    ),
    RESTRoute(
      .post,
      "/policies/{policyName}/regenerate",
      id: "regeneratePolicyKey",
      tag: "Policies",
      "Replaces one key of a policy, or both, by new ones.",
      access: .policy(.all),
      throttle: .registry,
      body: .json("RegenerateRequest"),
      successes: [
        RouteSuccess(status: 200, description: "The policy with its new keys.", schema: "Policy")
      ],
      handle: regenerate
    ),
  ]

  private static func list(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let policies = try await service.hub.store.read { view throws(HubError) in
      try view.policies()
    }
    return .json(.array(policies.map(json)))
  }

  private static func get(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let name = request.parameter("policyName")
    let policy = try await service.hub.store.read { view throws(HubError) in
      try view.policy(name)
    }
    guard let policy else { throw unknown }
    return .json(json(policy))
  }

  private static func put(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let body = try BodyFields(try request.json())
    let rights = try rights(body)
    let primary = try key(body, "primaryKey")
    let secondary = try key(body, "secondaryKey")
    let policy = try await change(service, request) { engine, name, _ throws(HubError) in
      if rights != .all { try requireOtherOwner(than: name, engine.view) }
      return try engine.putPolicy(
        name,
        rights: rights,
        primaryKey: primary,
        secondaryKey: secondary
      )
    }
    return .json(json(policy))
  }

  private static func delete(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    _ = try await change(service, request) { engine, name, kept throws(HubError) in
      guard let kept else { return nil }
      try requireOtherOwner(than: name, engine.view)
      try engine.deletePolicy(name)
      return kept
    }
    return .noContent
  }

  private static func regenerate(
    _ service: RESTService,
    _ request: RESTRequest
  ) async throws -> Response {
    let body = try BodyFields(try request.json())
    let which = try body.requiredString("key")
    guard ["primary", "secondary", "both"].contains(which) else {
      throw body.invalid("key", "must be primary, secondary or both.")
    }
    let policy = try await change(service, request) { engine, name, kept throws(HubError) in
      guard kept != nil else { return nil }
      return try engine.regenerateKeys(
        ofPolicy: name,
        primary: which != "secondary",
        secondary: which != "primary"
      )
    }
    return .json(json(policy))
  }

  /// Changes the policy that the path names, and answers what `command` made of it.
  ///
  /// `command` is told the policy as it was, nil if there is none; nil from it refuses the name.
  private static func change(
    _ service: RESTService,
    _ request: RESTRequest,
    _ command:
      @escaping @Sendable (
        inout HubStore.Engine, String, PolicyRecord?
      ) throws(HubError) -> PolicyRecord?
  ) async throws -> PolicyRecord {
    let name = request.parameter("policyName")
    let policy = try await service.hub.store.write { engine throws(HubError) in
      try command(&engine, name, try engine.view.policy(name))
    }
    guard let policy else { throw unknown }
    // Copies of policies are old before the answer leaves; the effect may come a little later.
    service.hub.policyChanges.add(1, ordering: .acquiringAndReleasing)
    return policy
  }

  /// Refuses what would leave nobody who may manage policies.
  private static func requireOtherOwner<Storage: HubStorageReader>(
    than name: String,
    _ view: HubView<Storage>
  ) throws(HubError) {
    let policies = try view.policies()
    guard policies.contains(where: { $0.name == name && $0.rights == .all }) else { return }
    guard policies.contains(where: { $0.name != name && $0.rights == .all }) else {
      throw HubError(
        .invalidOperation,
        "This is the last policy with all rights; make another one first."
      )
    }
  }

  private static func rights(_ body: BodyFields) throws(HubError) -> AccessRights {
    let known: [String: AccessRights] = [
      "RegistryRead": .registryRead, "RegistryWrite": .registryWrite,
      "ServiceConnect": .serviceConnect, "DeviceConnect": .deviceConnect,
      "EnrollmentRead": .enrollmentRead, "EnrollmentWrite": .enrollmentWrite,
    ]
    var rights: AccessRights = []
    for name in try body.requiredStrings("rights") {
      guard let right = known[name] else {
        throw body.invalid(
          "rights",
          "may hold RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect, EnrollmentRead and EnrollmentWrite."
        )
      }
      rights.insert(right)
    }
    return rights
  }

  private static func key(
    _ body: BodyFields,
    _ name: String
  ) throws(HubError) -> SymmetricKey? {
    guard let text = try body.string(name) else { return nil }
    guard let key = SymmetricKey(base64: text) else {
      throw body.invalid(name, "must be the base64 text of 16 to 64 bytes.")
    }
    return key
  }

  private static var unknown: RESTRefusal { .notFound("There is no policy of that name.") }

  private static func json(_ policy: PolicyRecord) -> JSONValue {
    [
      "name": .string(policy.name),
      "rights": .array(policy.rights.names.map { .string($0) }),
      "primaryKey": .string(policy.primaryKey.base64),
      "secondaryKey": .string(policy.secondaryKey.base64),
    ]
  }
}

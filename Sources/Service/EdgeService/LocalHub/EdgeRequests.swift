import ByteIO
import EdgeEngine
import Endpoints
import HTTPTypes
import HubContract
import HummingbirdCore
import JSONTree
import Logging
import Platform

/// What edges below ask this one as their parent (edge contract sections 4.3, 5.2 and 9.3).
///
/// Who is below them is answered from the scope; calls on their modules are passed on to the hub above.
struct EdgeRequests: Sendable {
  /// Bytes of a request's body: a module with all it can have, and a chain.
  private static let bodyLimit = 64 << 10

  private let hub: LocalHub
  private let modules: ModulesBelow

  init(hub: LocalHub) {
    self.hub = hub
    modules = ModulesBelow(hub: hub)
  }

  /// A request that is understood, and who makes it.
  private struct Call {
    let caller: IdentityKey
    let query: [String: String]
    let chain: @Sendable () async -> PresentedChain
    /// Whether a proxy passed it on with the caller's certificate: then the token is the proxy's.
    let isForwarded: Bool
    let request: Request

    var ifMatch: String? { request.headers[.ifMatch] }

    /// The body.
    ///
    /// - Throws: What keeps it from being JSON.
    func json() async throws(HubError) -> JSONValue {
      let bytes: [UInt8]
      do throws(RequestRefusal) {
        bytes = try await request.read(upTo: EdgeRequests.bodyLimit)
      } catch {
        throw HubError(error.status == 413 ? .messageTooLarge : .iotHubFormatError, error.message)
      }
      return try RequestBody.parse(bytes)
    }
  }

  /// Answers a request.
  func respond(
    to request: Request,
    isForwarded: Bool = false,
    chain: @Sendable @escaping () async -> PresentedChain
  ) async -> Response {
    do throws(HubError) {
      return try await serve(request, isForwarded, chain)
    } catch {
      hub.logger.info(
        "request of an edge below refused",
        metadata: [
          "path": "\((request.head.path ?? "").prefix { $0 != "?" }.prefix(512))",
          "status": "\(error.code.httpStatus)", "reason": "\(error.message)",
        ]
      )
      let body = error.body(
        .module,
        trackingID: Hex.encode(Entropy.bytes(16)),
        time: hub.store.calendar
      )
      var response = Response(json: body, status: error.code.httpStatus)
      // Tools tell by it that a hub is here.
      if let name = HTTPField.Name("iothub-errorcode"), error.code.name != "ServerError" {
        response.headers[name] = error.code.name
      }
      return response
    }
  }

  private func serve(
    _ request: Request,
    _ isForwarded: Bool,
    _ chain: @Sendable @escaping () async -> PresentedChain
  ) async throws(HubError) -> Response {
    guard let target = try? RequestTarget(request.head.path ?? "") else {
      throw HubError(.argumentInvalid, "The path has an escape that stands for nothing.")
    }
    // Before the credential, as the hub above does it.
    try APIVersion.check(target.query["api-version"])
    let segments = target.segments
    guard (3...5).contains(segments.count), segments[2] == "modules",
      DeviceID.isValid(segments[1])
    else { throw Self.notFound }
    func call(_ moduleID: String?) -> Call {
      Call(
        caller: IdentityKey(deviceID: segments[1], moduleID: moduleID),
        query: target.query,
        chain: chain,
        isForwarded: isForwarded,
        request: request
      )
    }
    guard segments.count == 5 else {
      return try await own(call(nil), segments.count == 4 ? segments[3] : nil)
    }
    guard segments[3] == ModuleID.edgeHub else { throw Self.notFound }
    return try await edgeHub(call(ModuleID.edgeHub), segments[4])
  }

  private static let notFound = HubError(
    HubErrorCode(rawValue: 404_000),
    "Nothing is here. An edge below finds its modules at /devices/{device}/modules, and what its edge "
      + "hub may ask below /devices/{device}/modules/$edgeHub/."
  )
  private static let wrongVerb = HubError(
    .genericMethodNotAllowed,
    "The path is not for this verb."
  )

  // MARK: What an edge hub below asks

  private func edgeHub(_ call: Call, _ name: String) async throws(HubError) -> Response {
    let isGet = call.request.method == .get
    let isPost = call.request.method == .post
    let edge = call.caller.deviceID
    switch name {
    case "devicesAndModulesInDeviceScope":
      guard isGet else { throw Self.wrongVerb }
      try await authenticate(call)
      return try await list(edge, call.query)
    case "deviceAndModuleInDeviceScope":
      guard isGet else { throw Self.wrongVerb }
      try await authenticate(call)
      guard let device = call.query["targetDeviceId"], !device.isEmpty else {
        throw HubError(.argumentNull, "The query parameter targetDeviceId is missing.")
      }
      let module = call.query["targetModuleId"].flatMap { $0.isEmpty ? nil : $0 }
      return try await identity(IdentityKey(deviceID: device, moduleID: module), below: edge)
    case "devicesAndModulesInTargetDeviceScope":
      guard isPost else { throw Self.wrongVerb }
      try await authenticate(call)
      let wish = try EdgeScopeRequest(json: try await call.json())
      let target = try target(wish.authChain, edge)
      let last = try Self.deviceID(continuation: wish.continuation)
      return try await page(of: target, after: last, limit: wish.pageSize) { Self.continuation($0) }
    case "getDeviceAndModuleOnBehalfOf":
      guard isPost else { throw Self.wrongVerb }
      try await authenticate(call)
      let wish = try EdgeIdentityRequest(json: try await call.json())
      return try await identity(wish.target, below: try target(wish.authChain, edge))
    case "putModuleOnBehalfOf", "getModuleOnBehalfOf", "getModulesOnTargetDevice",
      "deleteModuleOnBehalfOf":
      guard isPost else { throw Self.wrongVerb }
      try await authenticate(call)
      return try await onBehalf(call, name)
    default: throw Self.notFound
    }
  }

  private func onBehalf(_ call: Call, _ name: String) async throws(HubError) -> Response {
    let edge = call.caller.deviceID
    let json = try await call.json()
    switch name {
    case "putModuleOnBehalfOf":
      let wish = try EdgeModulePutRequest(json: json)
      let target = try target(wish.authChain, edge)
      let moduleID = try wish.wish(on: target).moduleID
      return try await modules.put(moduleID, of: target, json["module"] ?? .null, call.ifMatch)
    case "getModulesOnTargetDevice":
      let wish = try EdgeModulesRequest(json: json)
      return try await modules.list(of: try target(wish.authChain, edge))
    default:
      let wish = try EdgeModuleRequest(json: json)
      let target = try target(wish.authChain, edge)
      guard ModuleID.isValid(wish.moduleID) else { throw Self.noModule }
      return name == "getModuleOnBehalfOf"
        ? try await modules.get(wish.moduleID, of: target)
        : try await modules.delete(wish.moduleID, of: target, call.ifMatch)
    }
  }

  private static let noModule = HubError(.argumentInvalid, "moduleId is no valid module ID.")

  private func target(_ authChain: String, _ actor: String) throws(HubError) -> String {
    try hub.scope.read { scope throws(HubError) in
      try scope.target(authChain: authChain, actor: actor)
    }
  }

  // MARK: Who is below

  private func list(
    _ edge: String,
    _ query: [String: String]
  ) async throws(HubError) -> Response {
    let text = query["deviceCount"] ?? ""
    guard let count = text.isEmpty ? 0 : Int(text),
      (0...EdgeScopeRequest.maximumPageSize).contains(count)
    else {
      throw HubError(
        .argumentInvalid,
        "deviceCount must be a number from 0 to \(EdgeScopeRequest.maximumPageSize)."
      )
    }
    let last = try Self.deviceID(continuation: query["continuationToken"])
    let limit = EdgeScopeRequest.pageSize(count)
    return try await page(of: edge, after: last, limit: limit) { last in
      "/devices/\(PercentCoding.encode(edge))/modules/$edgeHub/devicesAndModulesInDeviceScope"
        + "?deviceCount=\(count)&continuationToken=\(Self.continuation(last))"
        + "&api-version=2018-08-30-preview"
    }
  }

  private func page(
    of edge: String,
    after last: String?,
    limit: Int,
    link: (String) -> String
  ) async throws(HubError) -> Response {
    try await hub.scope.list(edge)
    let page = try hub.scope.read { scope throws(HubError) in
      scope.page(of: edge, after: last, limit: limit)
    }
    return Self.answer(page.entries, link: page.last.map(link))
  }

  private func identity(
    _ key: IdentityKey,
    below edge: String
  ) async throws(HubError) -> Response {
    func known() throws(HubError) -> [ScopeEntry]? {
      try hub.scope.read { scope throws(HubError) in scope.entries(of: key, below: edge) }
    }
    guard key.isValid else { throw Self.outside(key) }
    // The edge below asks because it does not know the identity, or not this key of it.
    let look = await hub.scope.look(for: key, isForEdge: true)
    if let entries = try known() { return Self.answer(entries, link: nil) }
    // Anything but 5xx would have the edge below forget whom it knows.
    guard look == .answered || hub.scope.isKnown(key) else {
      throw HubError(
        .serviceUnavailable,
        look == .tooSoon
          ? "\(key) was asked for a moment ago; ask again in a minute."
          : "\(key) is not known here, and the hub above cannot be reached."
      )
    }
    throw Self.outside(key)
  }

  private static func outside(_ key: IdentityKey) -> HubError {
    HubError(.invalidDeviceScope, "\(key) is not in the scope of this edge device.")
  }

  private static func answer(_ entries: [ScopeEntry], link: String?) -> Response {
    var page = ScopePage.json(entries).objectValue ?? [:]
    page["continuationLink"] = link.map { .string($0) } ?? .null
    return Response(json: .object(page), status: 200)
  }

  // As the hub above: the last ID in hexadecimal, which only says where to go on.
  private static func continuation(_ deviceID: String) -> String { Hex.encode(deviceID.utf8) }

  private static func deviceID(continuation: String?) throws(HubError) -> String? {
    guard let continuation, !continuation.isEmpty else { return nil }
    guard let bytes = Hex.decode(continuation),
      let deviceID = String(validating: bytes, as: UTF8.self), DeviceID.isValid(deviceID)
    else { throw HubError(.argumentInvalid, "The continuation is none of this list's.") }
    return deviceID
  }

  // MARK: What the keys process of an edge below asks

  private func own(_ call: Call, _ moduleID: String?) async throws(HubError) -> Response {
    let device = call.caller.deviceID
    let method = call.request.method
    guard let moduleID else {
      guard method == .get else { throw Self.wrongVerb }
      try await authenticate(call)
      return try await modules.list(of: device)
    }
    guard ModuleID.isValid(moduleID) else { throw Self.noModule }
    guard [.get, .put, .delete].contains(method) else { throw Self.wrongVerb }
    try await authenticate(call)
    switch method {
    case .get: return try await modules.get(moduleID, of: device)
    case .put:
      let json = try await call.json()
      _ = try ModuleIdentityRequest(json: json, pathDeviceID: device, pathModuleID: moduleID)
      return try await modules.put(moduleID, of: device, json, call.ifMatch)
    default: return try await modules.delete(moduleID, of: device, call.ifMatch)
    }
  }

  // MARK: Credentials

  /// The caller is an edge below, and proves it.
  ///
  /// - Throws: 401, which does not say what was wrong.
  private func authenticate(_ call: Call) async throws(HubError) {
    let key = call.caller
    do throws(DeviceAuthenticator.Refusal) {
      do throws(DeviceAuthenticator.Refusal) {
        try await prove(key, call)
      } catch {
        guard await hub.scope.look(for: key, isForEdge: true) == .answered else { throw error }
        try await prove(key, call)
      }
    } catch {
      hub.logger.info(
        "credential of an edge below refused",
        metadata: ["client": "\(key)", "reason": "\(error.reason)"]
      )
      throw HubError(.iotHubUnauthorized, "\(key) is no edge below this one, or did not prove it.")
    }
  }

  private func prove(
    _ key: IdentityKey,
    _ call: Call
  ) async throws(DeviceAuthenticator.Refusal) {
    typealias Refusal = DeviceAuthenticator.Refusal
    let facts = hub.scope.facts(of: key)
    guard key.deviceID != hub.identity.deviceID, facts.device?.isEdge == true,
      hub.scope.isAllowed(key)
    else { throw Refusal("no edge below this one") }
    var token: SharedAccessSignature?
    if !call.isForwarded, let header = call.request.headers[.authorization], !header.isEmpty {
      do throws(SASFault) {
        token = try SharedAccessSignature(header)
      } catch {
        throw Refusal("token: \(error)")
      }
    }
    let host = token?.resource.host ?? hub.identity.hubName
    guard hub.answers(to: host) else { throw Refusal("another hub's name: \(host)") }
    _ = try await hub.judge(
      key,
      host: host,
      token: token,
      chain: token == nil ? await call.chain() : PresentedChain([]),
      facts: facts,
      now: hub.store.calendar
    )
  }
}

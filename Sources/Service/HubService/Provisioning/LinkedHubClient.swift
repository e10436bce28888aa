import ByteIO
import HubContract
import HubEngine
import JSONTree
import Logging
import Platform
import ProvisioningEngine

/// Takes the steps of operations at another hub, by its service REST interface.
///
/// Each call is made again after a crash or a lost answer, so that it leads to the same when it is
/// made twice.
struct LinkedHubClient: Sendable {
  /// Why a call did not do what it should.
  private enum Fault: Error {
    /// It may, later.
    case unavailable(String)
    /// It never will.
    case refused(HubError)
  }

  /// How long the hub may take for an answer, in seconds.
  private static let seconds: Int64 = 10
  /// How long a token is good.
  private static let tokenSeconds: Int64 = 300
  private static let version = "2021-04-12"

  /// The hub and how to reach it.
  let access: LinkedHubAccess
  let client: OutboundClient
  let logger: Logger

  /// Takes a step that concerns this hub.
  func perform(_ step: ProvisioningAction.Step) async -> ProvisioningResult {
    do throws(Fault) {
      switch step {
      case .inspect(_, let deviceID):
        return .inspected(try await identity(deviceID).map { PriorIdentity($0) })
      case .detach(_, let deviceID): return .detached(try await detach(deviceID))
      case .install(_, let assignment): try await install(assignment)
      case .remove(_, let deviceID): try await remove(deviceID)
      case .withdraw(_, let deviceID, let prior):
        guard let device = try await identity(deviceID) else { return .done }
        guard let restored = device.restored(prior) else {
          try await remove(deviceID)
          return .done
        }
        try await replace(device, by: restored)
      case .reattach(_, let deviceID):
        guard let device = try await identity(deviceID) else { return .done }
        try await replace(device, by: device.returned)
      case .allocate, .issue: return .refused(HubError(.serverError, "No step for a hub."))
      }
      return .done
    } catch {
      switch error {
      case .refused(let error): return .refused(error)
      case .unavailable(let reason):
        logger.warning(
          "linked hub not available",
          metadata: ["hub": "\(access.hub.host)", "reason": "\(reason)"]
        )
        return .unavailable
      }
    }
  }

  private func install(_ assignment: HubAssignment) async throws(Fault) {
    guard let existing = try await identity(assignment.deviceID) else {
      return try await create(DeviceIdentity(assignment), assignment.twin)
    }
    try await replace(existing, by: existing.installed(assignment))
    guard !assignment.keepsTwin else { return }
    _ = try await call(
      "PUT",
      "/twins/\(PercentCoding.encode(assignment.deviceID))",
      (assignment.twin ?? InitialTwin()).json
    )
  }

  /// Creates identity and twin in one call, which is done as a whole.
  private func create(_ device: DeviceIdentity, _ twin: InitialTwin?) async throws(Fault) {
    var element = ExportImportDevice(deviceID: device.deviceID, importMode: .create)
    element.status = device.status
    element.statusReason = device.statusReason
    element.authentication = .given(device.authentication)
    element.isEdge = device.isEdge
    element.tags = twin?.tags
    element.desired = twin?.desired
    let answer = try await call("POST", "/devices", [element.json(includingKeys: true)])
    guard answer["isSuccessful"]?.boolValue != true else { return }
    let error = answer["errors"]?.arrayValue?.first
    let text = error?["errorStatus"]?.stringValue ?? "no reason given"
    guard let code = error?["errorCode"]?.stringValue, code != "DeviceAlreadyExists" else {
      // It came after we looked: looking again finds it.
      throw .unavailable(text)
    }
    throw refused("\(code): \(text)")
  }

  private func detach(_ deviceID: String) async throws(Fault) -> DetachedIdentity? {
    guard let device = try await identity(deviceID) else { return nil }
    try await replace(device, by: device.leaving)
    let answer = try await find("/twins/\(PercentCoding.encode(deviceID))")
    guard let answer, let twin = try? InitialTwin(json: answer) else {
      throw .unavailable("its answer is no twin")
    }
    return device.detached(twin)
  }

  private func replace(
    _ device: DeviceIdentity,
    by changed: DeviceIdentity
  ) async throws(Fault) {
    guard changed != device else { return }
    _ = try await call(
      "PUT",
      "/devices/\(PercentCoding.encode(device.deviceID))",
      changed.json(IdentityActivity())
    )
  }

  private func remove(_ deviceID: String) async throws(Fault) {
    let answer = try await send("DELETE", "/devices/\(PercentCoding.encode(deviceID))", nil)
    guard answer.status != 404 else { return }
    _ = try read(answer)
  }

  private func identity(_ deviceID: String) async throws(Fault) -> DeviceIdentity? {
    guard let json = try await find("/devices/\(PercentCoding.encode(deviceID))") else {
      return nil
    }
    guard let generation = json["generationId"]?.stringValue,
      let known = try? DeviceIdentityRequest(json: json, pathDeviceID: deviceID),
      case .given(let authentication) = known.authentication
    else { throw .unavailable("its answer is no identity with its keys") }
    return DeviceIdentity(
      deviceID: deviceID,
      generationID: generation,
      etagCounter: 0,
      status: known.status,
      statusReason: known.statusReason,
      authentication: authentication,
      isEdge: known.isEdge,
      deviceScope: known.deviceScope,
      parentScopes: known.parentScopes
    )
  }

  /// What is at a path; nil for nothing.
  private func find(_ path: String) async throws(Fault) -> JSONValue? {
    let answer = try await send("GET", path, nil)
    guard answer.status != 404 else { return Optional.none }
    return try read(answer)
  }

  private func call(
    _ method: String,
    _ path: String,
    _ body: JSONValue
  ) async throws(Fault) -> JSONValue {
    try read(try await send(method, path, body))
  }

  private func send(
    _ method: String,
    _ path: String,
    _ body: JSONValue?
  ) async throws(Fault) -> OutboundClient.Answer {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    let token = SharedAccessSignature.make(
      resource: access.hub.host,
      key: access.key,
      policy: access.policy,
      expirySeconds: now.seconds + Self.tokenSeconds,
      hmacSHA256: Hashing.hmacSHA256
    )
    var headers = [("Authorization", token)]
    if method == "PUT" || method == "DELETE" { headers.append(("If-Match", "*")) }
    do throws(OutboundClient.Failure) {
      return try await client.send(
        method,
        "https://\(access.authority)\(path)?api-version=\(Self.version)",
        headers: headers,
        body: body.map { JSON.bytes($0) },
        seconds: Self.seconds
      )
    } catch {
      throw .unavailable(error.reason)
    }
  }

  private func read(_ answer: OutboundClient.Answer) throws(Fault) -> JSONValue {
    let json = try? JSON.parse(answer.body)
    switch answer.status {
    case 200..<300: return json ?? .null
    // A bulk call that failed says so element by element.
    case 400 where json?["isSuccessful"] != nil: return json ?? .null
    // Its operator may mend the policy.
    case 401, 403: throw .unavailable("it refuses policy \(access.policy): \(answer.status)")
    case 404, 412: throw .unavailable("it changed meanwhile: \(answer.status)")
    case 408, 429, 500...: throw .unavailable("it answered \(answer.status)")
    default:
      throw refused(
        json?["Message"]?.stringValue ?? json?["message"]?.stringValue ?? "\(answer.status)"
      )
    }
  }

  private func refused(_ reason: String) -> Fault {
    .refused(
      HubError(
        .argumentInvalid,
        "The hub \(access.hub.host) refuses the device: \(reason.prefix(512))"
      )
    )
  }
}

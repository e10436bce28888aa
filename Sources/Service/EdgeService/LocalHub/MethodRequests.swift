import ByteIO
import EdgeEngine
import Endpoints
import HTTPTypes
import HubContract
import HummingbirdCore
import JSONTree
import Platform

/// The local hub's HTTPS: direct methods of modules to modules and leaf devices (edge contract
/// section 8.3).
struct MethodRequests: Sendable {
  /// Bytes of a request's body: the largest payload, escaped, and what stands round it.
  private static let bodyLimit = 1 << 20

  let hub: LocalHub

  /// Answers a request.
  func respond(to request: Request) async -> Response {
    do throws(Refusal) {
      return try await serve(request)
    } catch {
      return Response(json: ["message": .string(error.message)], status: error.status)
    }
  }

  private typealias Refusal = RequestRefusal

  private func serve(_ request: Request) async throws(Refusal) -> Response {
    let target = try target(request)
    let caller = try authenticate(request)
    let body = try await request.read(upTo: Self.bodyLimit)
    let wish: DirectMethodRequest
    do throws(HubError) {
      wish = try DirectMethodRequest(
        json: try RequestBody.parse(body),
        payloadLimit: hub.quotas.methodPayloadBytes
      )
    } catch {
      throw Refusal(400, error.message)
    }
    let start = SystemClock.now()
    defer {
      // A stranger to this edge counts as one of many: callers can name anybody.
      let to = hub.scope.isKnown(target) ? target.clientID : MetricTable.others
      hub.figures.count(.methods, caller.clientID, to)
      hub.figures.time(.methodTime, caller.clientID, to, since: start)
    }
    do throws(HubError) {
      let answer = try await hub.methods.invoke(target, wish)
      return Response(
        json: ["status": .int(Int64(answer.status)), "payload": answer.payload ?? .null],
        status: 200
      )
    } catch {
      throw Refusal(error.code.httpStatus, error.message)
    }
  }

  /// The identity that the path names: `/twins/{d}/methods` or `/twins/{d}/modules/{m}/methods`.
  private func target(_ request: Request) throws(Refusal) -> IdentityKey {
    let path = (request.head.path ?? "").utf8.prefix { $0 != UInt8(ascii: "?") }
    let parts = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .dropFirst().map { PercentCoding.decode(String(Substring($0))) ?? "" }
    let key: IdentityKey
    switch (parts.count, parts.first, parts.last) {
    case (3, "twins", "methods"): key = IdentityKey(deviceID: parts[1])
    case (5, "twins", "methods") where parts[2] == "modules":
      key = IdentityKey(deviceID: parts[1], moduleID: parts[3])
    default:
      throw Refusal(
        404,
        "Nothing is here; direct methods are at /twins/{device}/methods and "
          + "/twins/{device}/modules/{module}/methods."
      )
    }
    guard request.head.method == .post else { throw Refusal(405, "Methods are invoked by POST.") }
    guard key.isValid || ModuleID.isReserved(key.moduleID ?? "") else {
      throw Refusal(400, "The path names no device or module.")
    }
    return key
  }

  /// The caller shows the token of the module that it names.
  private func authenticate(_ request: Request) throws(Refusal) -> IdentityKey {
    guard let text = request.headers[.edgeModuleID] else {
      throw Refusal(400, "The header x-ms-edge-moduleId is missing: it names the calling module.")
    }
    guard let caller = IdentityKey(clientID: text), caller.moduleID != nil else {
      throw Refusal(400, "The header x-ms-edge-moduleId must be {device}/{module}.")
    }
    guard let header = request.headers[.authorization], hub.isModule(caller, by: header) else {
      throw Refusal(401, "The caller is no module of this edge, or its token does not hold.")
    }
    return caller
  }
}

extension LocalHub {
  /// Whether `key` is a module of this edge, and `authorization` its token.
  func isModule(_ key: IdentityKey, by authorization: String) -> Bool {
    guard key.moduleID != nil, key.deviceID == identity.deviceID, scope.isAllowed(key),
      let token = try? SharedAccessSignature(authorization), answers(to: token.resource.host),
      token.resource.covers(SASResource(host: token.resource.host, identity: key)),
      case .sas(let primary, let secondary)? = scope.facts(of: key).module?.authentication,
      [primary, secondary].contains(where: {
        token.isSigned(by: $0, hmacSHA256: Hashing.hmacSHA256)
      })
    else { return false }
    return !token.isExpired(now: store.calendar)
  }
}

extension HTTPField.Name {
  /// Which module calls.
  fileprivate static let edgeModuleID: HTTPField.Name = {
    guard let name = HTTPField.Name("x-ms-edge-moduleId") else {
      preconditionFailure("that is a token")
    }
    return name
  }()
}

import ByteIO
import Endpoints
import HTTPTypes
import HubContract
import HubEngine
package import HummingbirdCore
import JSONTree
import Logging
import Metrics
import NIOCore
import Platform

/// The hub's REST interface: the service side, the device side over HTTPS, and our own additions.
///
/// A request passes these gates in this order: path (404), method (405), api-version (400001),
/// credential (401), throttle (429), body (413, 400), and then the route's own rules. The version
/// stands before the credential because a stock edge tool probes for it without one (contract
/// "Modules, gateways, edge").
package struct RESTService: Sendable {
  let hub: Hub
  let table: RouteTable
  let polls: LongPolls
  private let authenticator: RESTAuthenticator
  private let throttles: RequestThrottles
  private let logger: Logger

  /// A request with a body that nobody reads is drained up to this size; above, the connection ends.
  private static let drainLimit = 65_536

  /// Serves `hub`.
  package init(hub: Hub) {
    self.hub = hub
    table = .hub
    polls = LongPolls()
    logger = hub.logger
    authenticator = RESTAuthenticator(
      hub: hub,
      policies: PolicyCache(hub: hub)
    )
    throttles = hub.throttles
  }

  /// Answers a request that came on `connection`; may close it some time after the answer.
  package func respond(to request: Request, over connection: RESTConnection) async -> Response {
    let start = SystemClock.now()
    var exchange = Exchange(id: RequestID(), now: hub.now)
    var response: Response
    do {
      response = try await answer(request, connection, &exchange)
    } catch {
      let refusal = Self.refusal(error)
      tell(refusal, request, connection, exchange)
      response = refuse(refusal, &exchange)
    }
    if request.method == .head { response = response.createHeadResponse() }
    if exchange.closes || leavesBody(request, exchange, response.status) {
      response.headers[.connection] = "close"
      connection.closeSoon()
    }
    response.headers[.requestID] = exchange.id.description
    response.headers[.date] = exchange.now.httpDate
    record(request, exchange, response.status.code, since: start)
    return response
  }

  /// What becomes known of a request while it is answered.
  private struct Exchange {
    let id: RequestID
    var now: Timestamp
    var route: RESTRoute?
    /// The path as metrics and the log show it.
    var template: String?
    var parameters: [String: String] = [:]
    var caller = Caller.anyone
    var refusal: HubError?
    var readsBody = false
    var closes = false
  }

  private func answer(
    _ request: Request,
    _ connection: RESTConnection,
    _ exchange: inout Exchange
  ) async throws -> Response {
    let target: RequestTarget
    do throws(RequestTarget.Fault) {
      target = try RequestTarget(request.head.path ?? "/")
    } catch {
      throw HubError(.argumentInvalid, "The path or query has an escape that is none.")
    }
    if BlobEndpoint.takes(request, target) {
      exchange.template = "/{containerName}/{blobName}"
      var endpoint = BlobEndpoint(
        hub: hub,
        request: request,
        target: target,
        connection: connection,
        now: exchange.now
      )
      let response = await endpoint.respond(exchange.id)
      exchange.readsBody = endpoint.hasReadBody
      return response
    }
    let route: RESTRoute
    let parameters: [String: String]
    switch table.match(request.method, target.segments) {
    case .route(let found, let values): (route, parameters) = (found, values)
    case .wrongMethod(let allow):
      let error = HubError(.genericMethodNotAllowed, "The path takes \(allow) only.")
      throw RESTRefusal(error, allow: allow)
    case .unknownPath: throw RESTRefusal.notFound("There is no such path.")
    }
    exchange.route = route
    exchange.template = route.template
    exchange.parameters = parameters
    if route.template.hasPrefix(FaultRoutes.path) {
      exchange.now = hub.rightNow
    } else {
      try await commitFaults(request)
    }
    if route.access != .open { try APIVersion.check(target.query["api-version"]) }
    exchange.caller = try await authenticator.caller(
      of: route,
      authorization: request.headers[.authorization],
      target: target,
      parameters: parameters,
      connection: connection,
      now: exchange.now
    )
    if case .anyone = exchange.caller {} else { connection.authenticated() }
    if let throttle = route.throttle { try throttles.admit(throttle) }
    var call = RESTRequest(
      http: request,
      target: target,
      parameters: parameters,
      caller: exchange.caller,
      connection: connection,
      id: exchange.id,
      now: exchange.now
    )
    switch route.body {
    case .none: break
    case .json, .bytes:
      exchange.readsBody = true
      let reader = BodyReader(
        request: request,
        connection: connection,
        limit: hub.settings.quotas.restBodyBytes
      )
      call.body = try await reader.collect()
    case .lines: exchange.readsBody = true
    }
    return try await route.handle(self, call)
  }

  /// Commits the faults that a tester asked for.
  private func commitFaults(_ request: Request) async throws(RESTRefusal) {
    let path = request.head.path ?? "/"
    await hub.faults.delay(.delayRequests, path: path)
    guard let fault = hub.faults.strike(.failRequests, path: path) else { return }
    let code: HubErrorCode =
      switch fault.status {
      case 401: .iotHubUnauthorized
      case 429: .throttlingException
      case 500: .serverError
      default: .serviceUnavailable
      }
    throw RESTRefusal(
      HubError(code, "Injected fault."),
      retryAfterSeconds: fault.retryAfterSeconds
    )
  }

  private static func refusal(_ error: any Error) -> RESTRefusal {
    switch error {
    case let refusal as RESTRefusal: refusal
    case let error as HubError: RESTRefusal(error)
    case is CancellationError:
      RESTRefusal(HubError(.serviceUnavailable, "The hub is stopping."), retryAfterSeconds: 5)
    default: RESTRefusal(HubError(.serverError, "The request failed; the hub's log says more."))
    }
  }

  private func refuse(_ refusal: RESTRefusal, _ exchange: inout Exchange) -> Response {
    var refusal = refusal
    if exchange.route?.shape == .provisioning, refusal.status == 401 {
      refusal.error = HubError(.provisioningUnauthorized, "Unauthorized")
    }
    exchange.refusal = refusal.error
    exchange.closes = refusal.closesConnection
    let body = refusal.body(
      exchange.route?.shape ?? .registry,
      requestID: exchange.id,
      time: exchange.now
    )
    var response = Response.json(body, status: refusal.status)
    response.headers[.errorCode] = refusal.name
    if exchange.route?.shape == .provisioning {
      response.headers[.provisioningErrorCode] = String(refusal.error.code.rawValue)
    }
    if let allow = refusal.allow { response.headers[.allow] = allow }
    if let seconds = refusal.retryAfterSeconds {
      response.headers[.retryAfter] = String(seconds)
    }
    if refusal.status == 401 { response.headers[.wwwAuthenticate] = "SharedAccessSignature" }
    return response
  }

  /// Tells of a credential that was refused, as other protocols do.
  private func tell(
    _ refusal: RESTRefusal,
    _ request: Request,
    _ connection: RESTConnection,
    _ exchange: Exchange
  ) {
    guard let route = exchange.route else { return }
    guard
      let reason = refusal.credentialFault ?? (refusal.status == 401 ? refusal.error.message : nil)
    else { return }
    hub.refusals.tell(
      .https,
      "request refused",
      client: RESTAuthenticator.claimedClient(
        of: route,
        authorization: request.headers[.authorization],
        parameters: exchange.parameters
      ),
      address: connection.address(),
      reason: reason
    )
  }

  /// Whether a body remains that is not worth reading to its end.
  private func leavesBody(
    _ request: Request,
    _ exchange: Exchange,
    _ status: HTTPResponse.Status
  ) -> Bool {
    guard !exchange.readsBody, BodyReader.hasBody(request.headers) else { return false }
    guard status != .unauthorized, let text = request.headers[.contentLength],
      let length = Int(text)
    else { return true }
    return length > Self.drainLimit
  }

  private func record(
    _ request: Request,
    _ exchange: Exchange,
    _ status: Int,
    since start: Instant
  ) {
    let route = exchange.template ?? "none"
    // Anybody may invent methods, but not labels.
    let isKnown = exchange.template != nil && status != 405
    let method = exchange.route?.method.rawValue ?? (isKnown ? request.method.rawValue : "other")
    Counter(
      label: "orrery_rest_requests_total",
      dimensions: [("route", route), ("method", method), ("status", String(status))],
      factory: hub.metrics
    ).increment()
    let nanoseconds = SystemClock.now().nanoseconds - start.nanoseconds
    Metrics.Timer(
      label: "orrery_rest_request_seconds",
      dimensions: [("route", route), ("method", method)],
      factory: hub.metrics
    ).recordNanoseconds(Int64(clamping: nanoseconds))
    let level: Logger.Level = status >= 500 ? .info : .debug
    guard logger.logLevel <= level else { return }
    var metadata: Logger.Metadata = [
      "request": "\(exchange.id)", "method": "\(method)", "route": "\(route)",
      "status": "\(status)", "caller": "\(exchange.caller.description)",
      "milliseconds": "\(nanoseconds / 1_000_000)",
    ]
    if let refusal = exchange.refusal { metadata["error"] = "\(refusal.code)" }
    logger.log(level: level, "request", metadata: metadata)
  }
}

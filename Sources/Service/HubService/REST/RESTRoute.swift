import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore

/// Who may use a route.
enum RouteAccess: Sendable, Equatable {
  /// Anybody.
  case open
  /// Tokens of a policy with these rights.
  case policy(AccessRights)
  /// The same, and an edge device's own credential on its own modules.
  case policyOrOwnEdge(AccessRights)
  /// The device or module that the path names.
  case identity
  /// The device that the path names by its registration ID; the route itself judges it.
  case registration
  /// The edge hub of the edge device that the path names, by its own credential alone.
  case edgeHub
}

/// What a route does with the body.
enum RouteBody: Sendable, Equatable {
  /// It takes none.
  case none
  /// JSON, kept in memory; the text names its schema.
  case json(String)
  /// Any bytes, kept in memory.
  case bytes
  /// Lines of JSON that the route reads as they come; the text names a line's schema.
  case lines(String)
}

/// An answer of a route that is no refusal, for the description.
struct RouteSuccess: Sendable {
  let status: Int
  let description: String
  /// The name of the body's schema; nil: no body.
  var schema: String?
  /// Whether the body is an array of that schema.
  var isArray = false
  var contentType = "application/json"
  /// Response headers by their names among the components.
  var headers: [String] = []
}

/// One method of one path: how it is reached, who may, and what it does.
///
/// Matching, checks and the published description all come from this one value.
struct RESTRoute: Sendable {
  typealias Handler = @Sendable (RESTService, RESTRequest) async throws -> Response

  let method: HTTPRequest.Method
  /// The path with names in braces; metrics are labelled with it.
  let template: String
  /// The operation's name in the description, unique.
  let id: String
  let tag: String
  let summary: String
  let access: RouteAccess
  /// The shape of its error bodies (contract "Errors").
  let shape: HubErrorShape
  let throttle: ThrottleClass?
  let body: RouteBody
  /// Parameters besides those of the path, by their names among the components.
  let parameters: [String]
  let successes: [RouteSuccess]
  /// What it refuses with, besides what all routes do.
  let faults: [HubErrorCode]
  let handle: Handler
  private let pattern: [Segment]

  private enum Segment: Sendable {
    /// Lower case: fixed segments are compared without regard to case.
    case fixed(String)
    case name(String)
  }

  init(
    _ method: HTTPRequest.Method,
    _ template: String,
    id: String,
    tag: String,
    _ summary: String,
    access: RouteAccess,
    shape: HubErrorShape = .registry,
    throttle: ThrottleClass? = nil,
    body: RouteBody = .none,
    parameters: [String] = [],
    successes: [RouteSuccess],
    faults: [HubErrorCode] = [],
    handle: @escaping Handler
  ) {
    self.method = method
    self.template = template
    self.id = id
    self.tag = tag
    self.summary = summary
    self.access = access
    self.shape = shape
    self.throttle = throttle
    self.body = body
    self.parameters = parameters
    self.successes = successes
    self.faults = faults
    self.handle = handle
    pattern = template.split(separator: "/").map { segment in
      segment.hasPrefix("{") && segment.hasSuffix("}")
        ? .name(String(segment.dropFirst().dropLast())) : .fixed(segment.lowercased())
    }
  }

  /// The names in the template, in order.
  var names: [String] {
    pattern.compactMap { if case .name(let name) = $0 { name } else { nil } }
  }

  /// Whether HEAD may stand for it: reading it changes nothing.
  var isReadable: Bool {
    method == .get && !successes.contains { $0.headers.contains("LockToken") }
  }

  /// The values of the template's names if `segments` fit, else nil.
  func match(_ segments: [String]) -> [String: String]? {
    guard segments.count == pattern.count else { return nil }
    var values: [String: String] = [:]
    for (segment, part) in zip(segments, pattern) {
      switch part {
      case .fixed(let text):
        guard segment.utf8.count == text.utf8.count, segment.lowercased() == text else {
          return nil
        }
      case .name(let name):
        guard !segment.isEmpty else { return nil }
        values[name] = segment
      }
    }
    return values
  }
}

/// All routes; the first one that fits a request takes it, so fixed paths stand before named ones.
struct RouteTable: Sendable {
  enum Match {
    case route(RESTRoute, [String: String])
    /// The path exists for these methods alone.
    case wrongMethod(allow: String)
    case unknownPath
  }

  let routes: [RESTRoute]

  /// The routes of the hub.
  static let hub = RouteTable(
    routes: DocumentRoutes.routes + RegistryRoutes.routes + TransferRoutes.routes
      + TwinRoutes.routes + MethodRoutes.routes + DigitalTwinRoutes.routes
      + CloudToDeviceRoutes.routes + ServiceBoundRoutes.routes + EventRoutes.routes
      + CertificateRoutes.routes + PolicyRoutes.routes + ConfigurationRoutes.routes
      + JobRoutes.routes + RoutingRoutes.routes + AdminRoutes.routes + FaultRoutes.routes
      + DeviceSideRoutes.routes + UploadRoutes.routes + FileRoutes.routes
      + TransferJobRoutes.routes + EdgeRoutes.routes + EdgeScopeRoutes.routes
      + EdgeModuleRoutes.routes
      + EnrollmentRoutes.routes + ProvisioningRoutes.routes
  )

  func match(_ method: HTTPRequest.Method, _ segments: [String]) -> Match {
    var allowed: [String] = []
    for route in routes {
      guard let values = route.match(segments) else { continue }
      if route.method == method || (method == .head && route.isReadable) {
        return .route(route, values)
      }
      allowed.append(route.method.rawValue)
      if route.isReadable { allowed.append("HEAD") }
    }
    guard allowed.isEmpty else {
      return .wrongMethod(allow: Set(allowed).sorted().joined(separator: ", "))
    }
    return .unknownPath
  }
}

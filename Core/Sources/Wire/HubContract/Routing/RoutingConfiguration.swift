/// What the hub's owner says about routing (contract §9.1, §9.2).
public struct RoutingConfiguration: Equatable, Sendable {
  /// The endpoints besides the built-in stream.
  public var endpoints: [RoutingEndpoint] = []
  /// The routes, in the order in which they are shown.
  public var routes: [Route] = []
  /// What happens to telemetry that no route matched.
  public var fallback = Route.fallback
  /// What is added to messages.
  public var enrichments: [Enrichment] = []
  /// Endpoints that were removed and still get what was sent to them before; nothing new goes there.
  ///
  /// Several may have one name.
  public var draining: [RoutingEndpoint] = []

  /// Everything goes to the built-in stream.
  public init() {}

  /// Name of the built-in stream's endpoint.
  public static let builtInEndpoint = "events"
}

/// One rule of where messages of one source go.
public struct Route: Equatable, Sendable {
  /// Its name, unique but for case.
  public var name: String
  /// Which messages it is about.
  public var source: EventSource
  /// The condition; empty is true.
  public var condition: String
  /// Where messages go that satisfy it.
  public var endpointNames: [String]
  /// Whether it is in use.
  public var isEnabled: Bool

  /// Creates a route.
  public init(
    name: String,
    source: EventSource,
    condition: String = "true",
    endpointNames: [String],
    isEnabled: Bool = true
  ) {
    self.name = name
    self.source = source
    self.condition = condition
    self.endpointNames = endpointNames
    self.isEnabled = isEnabled
  }

  /// Name of the fallback route.
  public static let fallbackName = "$fallback"

  /// The fallback route of a hub that nobody has configured.
  public static let fallback = Route(
    name: fallbackName,
    source: .telemetry,
    endpointNames: [RoutingConfiguration.builtInEndpoint]
  )
}

/// An application property that is added to messages at some endpoints (contract §9.2).
public struct Enrichment: Equatable, Sendable {
  /// Name of the property.
  public var key: String
  /// Its value: a literal, `$iothubname`, or a path into the sender's twin.
  public var value: String
  /// The endpoints where it is added.
  public var endpointNames: [String]

  /// Creates an enrichment.
  public init(key: String, value: String, endpointNames: [String]) {
    self.key = key
    self.value = value
    self.endpointNames = endpointNames
  }
}

extension EventSource {
  /// Its name in routes (contract §9.1).
  public var routeName: String {
    switch self {
    case .telemetry: "DeviceMessages"
    case .twinChange: "TwinChangeEvents"
    case .deviceLifecycle: "DeviceLifecycleEvents"
    case .deviceConnectionState: "DeviceConnectionStateEvents"
    case .digitalTwinChange: "DigitalTwinChangeEvents"
    case .deviceJobLifecycle: "DeviceJobLifecycleEvents"
    }
  }

  /// The source that routes call `routeName`, whatever its case; nil for `Invalid` and others.
  public init?(routeName: String) {
    let wanted = routeName.trimmedLowercase()
    guard let found = Self.allCases.first(where: { $0.routeName.trimmedLowercase() == wanted })
    else { return nil }
    self = found
  }
}

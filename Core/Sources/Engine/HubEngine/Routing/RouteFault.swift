public import HubContract
public import QueryLanguage

/// Why a routing configuration can't be used.
public enum RouteFault: Error, Equatable, Sendable {
  /// The condition of a route does not compile.
  case condition(route: String, QueryFault)
  /// A route asks for changes of a twin, but its source has none (contract §9.4).
  case twinChangeElsewhere(route: String)
  /// A route or enrichment names an endpoint that is not there.
  case unknownEndpoint(String)

  /// The refusal that a client gets.
  public var error: HubError {
    switch self {
    case .condition(let route, let fault):
      HubError(.argumentInvalid, "The condition of route \(route): \(fault.message)")
    case .twinChangeElsewhere(let route):
      HubError(
        .argumentInvalid,
        "The condition of route \(route): only routes of TwinChangeEvents and"
          + " DigitalTwinChangeEvents can use twin_change_includes."
      )
    case .unknownEndpoint(let name):
      HubError(.argumentInvalid, "There is no endpoint called \(name).")
    }
  }
}

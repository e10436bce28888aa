import HubContract
import QueryLanguage

/// A route whose condition is compiled.
struct CompiledRoute: Sendable {
  let name: String
  let condition: Condition
  let destinations: EventDestinations

  init(_ route: Route, _ destinations: EventDestinations) throws(RouteFault) {
    name = route.name
    self.destinations = destinations
    condition = try Self.compile(route)
  }

  static func compile(_ route: Route) throws(RouteFault) -> Condition {
    let condition: Condition
    do throws(QueryFault) {
      condition = try Condition(route.condition)
    } catch {
      throw .condition(route: route.name, error)
    }
    guard !condition.needsTwinChange || route.source.isTwinChange else {
      throw .twinChangeElsewhere(route: route.name)
    }
    return condition
  }
}

extension EventSource {
  fileprivate var isTwinChange: Bool { self == .twinChange || self == .digitalTwinChange }
}

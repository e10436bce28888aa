public import HubContract
public import JSONTree
public import QueryLanguage

extension RouteTestMessage: MessageFields {
  /// The application property called `name`.
  public func applicationProperty(_ name: String) -> String? { appProperties[name] }

  /// The system property called `name`.
  ///
  /// A test that says nothing of type and encoding means JSON, or its body could not be asked for.
  public func systemProperty(_ name: String) -> String? {
    if let value = systemProperties[name] { return value }
    let wanted = name.lowercased()
    if let known = systemProperties.first(where: { $0.key.lowercased() == wanted }) {
      return known.value
    }
    switch wanted {
    case "contenttype": return "application/json"
    case "contentencoding": return "utf-8"
    default: return nil
    }
  }

  /// The body as JSON, nil if it is none.
  ///
  /// The test's text stands for the body's, whatever encoding the properties name.
  public func body() -> JSONValue? { try? JSON.parse(body) }

  /// The twin that the test gives.
  public func twin() -> JSONValue? { twin }
}

extension RouteTestRequest {
  /// Tries the route; a condition that does not compile is an answer, not a fault.
  public var result: RouteTestResult {
    do throws(RouteFault) {
      let condition = try CompiledRoute.compile(route)
      return switch condition.evaluate(message) {
      case .true: RouteTestResult(.true)
      case .false: RouteTestResult(.false)
      case .undefined: RouteTestResult(.undefined)
      }
    } catch .condition(_, let fault) {
      return RouteTestResult(.undefined, errors: [RouteTestResult.CompilationError(fault)])
    } catch {
      let whole = RouteTestResult.CompilationError(
        message: error.error.message,
        line: 1,
        column: 1,
        endLine: 1,
        endColumn: 1
      )
      return RouteTestResult(.undefined, errors: [whole])
    }
  }
}

extension RouteTestResult.CompilationError {
  init(_ fault: QueryFault) {
    // A fault's text may go over lines only in unclosed texts and comments; there the first line is
    // what can be shown.
    let length = fault.excerpt.prefix { $0 != "\n" }.unicodeScalars.count
    self.init(
      message: fault.message,
      line: fault.line,
      column: fault.column,
      endLine: fault.line,
      endColumn: fault.column + length
    )
  }
}

extension RoutingConfiguration {
  /// The saved routes that `request`'s message would take, the fallback among them.
  ///
  /// - Throws: why the routes can't be tried.
  public func matches(_ request: RouteTestAllRequest) throws(RouteFault) -> [Route] {
    var matched: [Route] = []
    for source in EventSource.allCases where request.source == nil || request.source == source {
      var isMatched = false
      for route in routes where route.isEnabled && route.source == source {
        guard try CompiledRoute.compile(route).evaluate(request.message) == .true else { continue }
        matched.append(route)
        isMatched = true
      }
      if !isMatched, source == .telemetry, fallback.isEnabled { matched.append(fallback) }
    }
    return matched
  }
}

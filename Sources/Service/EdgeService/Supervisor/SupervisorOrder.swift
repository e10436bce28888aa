package import JSONTree

/// What the supervisor may be told or asked over its socket: one JSON object in a line, answered by one.
package enum SupervisorOrder: Equatable, Sendable {
  /// How each process is.
  case status
  /// Stop these and start them again.
  case restart([EdgeRole])
  /// Stop everything, as SIGTERM does.
  case stop
  /// Let all processes log from this level on; nil for that of the settings.
  case logLevel(String?)
  /// Start the local hub with these variables of the deployment from now on; nil asks which they are.
  case hubVariables([String: String]?)

  /// The most bytes of an order; only one with variables needs as many.
  package static let byteLimit = 65_536
  private static let shortLimit = 512
  /// The levels that the settings know, the most talkative first.
  package static let levels = ["debug", "info", "notice", "warning", "error"]

  /// Reads an order; nil for what is none.
  package init?(_ line: [UInt8]) {
    guard line.count <= Self.byteLimit, let order = try? JSON.parse(line) else { return nil }
    guard line.count <= Self.shortLimit || order["op"]?.stringValue == "hubVariables" else {
      return nil
    }
    switch order["op"]?.stringValue {
    case "status": self = .status
    case "stop": self = .stop
    case "restart":
      guard let name = order["role"] else {
        self = .restart(EdgeRole.allCases)
        return
      }
      guard let role = name.stringValue.flatMap({ EdgeRole(rawValue: $0) }) else { return nil }
      self = .restart([role])
    case "logLevel":
      guard let level = order["level"] else {
        self = .logLevel(nil)
        return
      }
      guard let level = level.stringValue, Self.levels.contains(level) else { return nil }
      self = .logLevel(level)
    case "hubVariables":
      guard let members = order["variables"] else {
        self = .hubVariables(nil)
        return
      }
      guard let members = members.objectValue else { return nil }
      var variables: [String: String] = [:]
      for (name, value) in members {
        guard let text = value.stringValue else { return nil }
        variables[name] = text
      }
      self = .hubVariables(variables)
    default: return nil
    }
  }

  /// The order as it is sent.
  package var json: JSONValue {
    switch self {
    case .status: ["op": "status"]
    case .stop: ["op": "stop"]
    case .restart(let roles) where roles.count == 1:
      ["op": "restart", "role": .string(roles.first?.rawValue ?? "")]
    case .restart: ["op": "restart"]
    case .logLevel(let level?): ["op": "logLevel", "level": .string(level)]
    case .logLevel(nil): ["op": "logLevel"]
    case .hubVariables(let variables?):
      ["op": "hubVariables", "variables": Self.json(variables)]
    case .hubVariables(nil): ["op": "hubVariables"]
    }
  }

  /// Whether the agent may give it, where it has a user of its own: what a deployment may ask for.
  package var isForAgent: Bool {
    switch self {
    case .status, .hubVariables: true
    case .restart(let roles): roles == [.hub] || roles == [.agent]
    case .stop, .logLevel: false
    }
  }

  /// Variables as an object.
  static func json(_ variables: [String: String]) -> JSONValue {
    let sorted = variables.sorted { $0.key < $1.key }
    return .object(JSONObject(sorted.map { (key: $0.key, value: .string($0.value)) }))
  }
}

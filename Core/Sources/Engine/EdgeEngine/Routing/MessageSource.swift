/// Where a message at an edge comes from; it has one path among the sources of routes (edge contract
/// section 6.2).
public enum MessageSource: Hashable, Sendable {
  /// Telemetry of a device: `/messages`.
  case device
  /// Telemetry of a module that names no output: `/messages/modules/{m}`.
  case module(String)
  /// What a module sends to an output: `/messages/modules/{m}/outputs/{o}`.
  case output(String, module: String)
  /// Reported properties that have changed: `/twinChangeNotifications`.
  case twinChange

  /// The segment of the path at `index`, nil behind the last.
  func segment(_ index: Int) -> String? {
    switch (self, index) {
    case (.twinChange, 0): "twinChangeNotifications"
    case (.device, 0), (.module, 0), (.output, 0): "messages"
    case (.module, 1), (.output, 1): "modules"
    case (.module(let module), 2), (.output(_, let module), 2): module
    case (.output, 3): "outputs"
    case (.output(let output, _), 4): output
    default: nil
    }
  }

  /// The source with this path, nil for what is none.
  init?(path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.first == "", !parts.dropFirst().contains("") else { return nil }
    switch (parts.count, parts.dropFirst().first, parts.dropFirst(2).first) {
    case (2, "messages", _): self = .device
    case (2, "twinChangeNotifications", _): self = .twinChange
    case (4, "messages", "modules"): self = .module(parts[3])
    case (6, "messages", "modules") where parts[4] == "outputs":
      self = .output(parts[5], module: parts[3])
    default: return nil
    }
  }

  /// The system properties that follow from it, by their names in lower case.
  var facts: [String: String] {
    switch self {
    case .device: ["edgehuborigininterface": "downstream"]
    case .module(let module):
      ["edgehuborigininterface": "internal", "connectionmoduleid": module]
    case .output(let output, let module):
      [
        "edgehuborigininterface": "internal", "connectionmoduleid": module, "outputname": output,
      ]
    case .twinChange:
      ["messageschema": "twinChangeNotification", "messagetype": "twinChangeNotification"]
    }
  }
}

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
}

/// How a piece of text stands out on a terminal (ECMA-48 §8.3.117).
package enum Style: Sendable, Equatable {
  /// Not at all.
  case plain
  /// Headings and names.
  case strong
  /// As it should be.
  case good
  /// Somebody should look.
  case warning
  /// Wrong.
  case bad
  /// Less important.
  case faint

  private var parameter: String? {
    switch self {
    case .plain: nil
    case .strong: "1"
    case .good: "32"
    case .warning: "33"
    case .bad: "31"
    case .faint: "2"
    }
  }

  /// `text` with this style's control sequences around it, if `condition` holds.
  package func applied(to text: String, if condition: Bool) -> String {
    guard condition, let parameter, !text.isEmpty else { return text }
    return "\u{1B}[\(parameter)m\(text)\u{1B}[0m"
  }

  /// The style of words that the hub uses for states.
  init(state: String) {
    switch state {
    case "Connected", "enabled", "yes", "ready", "Success": self = .good
    case "Disconnected", "never", "-": self = .faint
    case "disabled", "no", "Expired", "Purged": self = .warning
    case "Rejected", "DeliveryCountExceeded", "not ready": self = .bad
    default: self = .plain
    }
  }
}

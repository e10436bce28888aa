import ArgumentParser
package import HubContract

/// Where reading events begins.
package enum EventStart: ExpressibleByArgument, Equatable, Sendable {
  /// With the oldest that is kept.
  case earliest
  /// With what arrives from now on.
  case latest
  /// Behind the event of this offset.
  case offset(String)
  /// With this sequence number.
  case sequence(Int64)
  /// With the first that was enqueued at this time or later.
  case time(Timestamp)

  /// Reads `earliest`, `latest`, `offset:N`, `sequence:N`, `time:ISO` or a time alone.
  package init?(argument: String) {
    switch argument {
    case "earliest", "start": self = .earliest
    case "latest", "end": self = .latest
    default:
      if let number = Self.number(argument, behind: "offset:") {
        self = .offset(String(number))
      } else if let number = Self.number(argument, behind: "sequence:") {
        self = .sequence(number)
      } else {
        let text = argument.hasPrefix("time:") ? String(argument.dropFirst(5)) : argument
        guard let time = Timestamp(iso8601: text) else { return nil }
        self = .time(time)
      }
    }
  }

  private static func number(_ text: String, behind prefix: String) -> Int64? {
    guard text.hasPrefix(prefix), let number = Int64(text.dropFirst(prefix.count)), number >= 0
    else { return nil }
    return number
  }

  /// The text of the query parameter `from`.
  package var parameter: String {
    switch self {
    case .earliest: "earliest"
    case .latest: "latest"
    case .offset(let offset): "offset:\(offset)"
    case .sequence(let number): "sequence:\(number)"
    case .time(let time): "time:\(time.iso8601)"
    }
  }

  /// How the help text shows the default.
  package var defaultValueDescription: String { parameter }
}

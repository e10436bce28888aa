package import EdgeEngine
package import Platform

/// What the agent's environment variables say (edge contract section 11); in the settings they are
/// `[agent.env]`.
package struct AgentOptions: Equatable, Sendable {
  /// A file with the desired properties, which are used in place of the twin's; nil for the twin's.
  package var localConfiguration: String?
  /// Where the last configuration is kept, nil for the data directory.
  package var backup: String?
  /// Seconds between two full readings of the twin.
  package var refreshSeconds: UInt64 = 3600
  package var restartRule = RestartRule()
  package var updateMode = Agent.UpdateMode.nonBlocking
  /// What modules are told too.
  package var upstreamProtocol, runtimeLogLevel: String?
  /// Whether availability and use are measured.
  package var isMeasuring = true
  /// Seconds between two measurements.
  package var measureSeconds: Int64 = 300

  /// The options when nothing is said.
  package init() {}

  /// Reads variables, whatever the case of their names.
  ///
  /// - Throws: `SettingsFault` for a value that makes no sense; unknown names are ignored.
  package init(_ environment: [String: String]) throws(SettingsFault) {
    var isLocal = false
    var path = "/etc/orrery/config.json"
    for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
      switch name.lowercased() {
      case "configsource":
        guard ["twin", "local"].contains(value.lowercased()) else {
          throw Self.fault(name, "must be twin or local", value)
        }
        isLocal = value.lowercased() == "local"
      case "localconfigpath": path = value
      default: try set(name.lowercased(), name, value)
      }
    }
    localConfiguration = isLocal ? path : nil
  }

  private mutating func set(
    _ key: String,
    _ name: String,
    _ value: String
  ) throws(SettingsFault) {
    switch key {
    case "backupconfigfilepath": backup = value
    case "configrefreshfrequencysecs":
      refreshSeconds = UInt64(try Self.number(name, value, in: 30...86_400))
    case "coolofftimeunitinseconds":
      restartRule.coolOffSeconds = try Self.number(name, value, in: 0...300)
    case "intensivecaretimeinminutes":
      restartRule.intensiveCareSeconds = 60 * (try Self.number(name, value, in: 1...1440))
    case "maxrestartcount":
      restartRule.maxRestartCount = UInt32(
        clamping: try Self.number(name, value, in: 1...Int64(UInt32.max))
      )
    case "moduleupdatemode":
      let known: [Agent.UpdateMode] = [.nonBlocking, .waitForAllPulls]
      guard let mode = known.first(where: { $0.rawValue.lowercased() == value.lowercased() }) else {
        throw Self.fault(name, "must be NonBlocking or WaitForAllPulls", value)
      }
      updateMode = mode
    case "upstreamprotocol": upstreamProtocol = value
    case "runtimeloglevel": runtimeLogLevel = value
    case "metricsenabled": isMeasuring = value.lowercased() != "false"
    case "performancemetricsupdatefrequency":
      // The vendor's form is a span `hh:mm:ss`; seconds alone are taken too.
      let parts = value.split(separator: ":").map { Int64($0) }
      let seconds = parts.reduce(0) { sum, part in
        part.map { ((sum ?? 0) &* 60) &+ $0 } ?? nil
      }
      guard !parts.contains(nil), let seconds, (1...86_400).contains(seconds) else {
        throw Self.fault(name, "must be a span like 00:05:00", value)
      }
      measureSeconds = seconds
    default: break
    }
  }

  private static func number(
    _ name: String,
    _ value: String,
    in range: ClosedRange<Int64>
  ) throws(SettingsFault) -> Int64 {
    guard let number = Int64(value), range.contains(number) else {
      throw fault(name, "must be \(range.lowerBound) to \(range.upperBound)", value)
    }
    return number
  }

  private static func fault(_ name: String, _ rule: String, _ value: String) -> SettingsFault {
    SettingsFault("agent.env.\(name) \(rule), not \"\(value)\"")
  }
}

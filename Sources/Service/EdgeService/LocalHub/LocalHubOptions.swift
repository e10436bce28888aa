package import Endpoints
package import Platform

/// What one local hub is told at its start.
package struct LocalHubOptions: Sendable {
  /// Who it is.
  package var identity: EdgeIdentity
  /// Names and addresses that its certificate has, the first of which clients use.
  package var names: [String]
  /// Where it listens.
  package var host = "0.0.0.0"
  package var mqttPort = 8_883
  package var amqpPort = 5_671
  package var httpsPort = 443
  /// Address of `/metrics`, plain HTTP; port 0 serves none.
  package var metricsHost = "127.0.0.1"
  package var metricsPort = 0
  /// Where messages and state are kept.
  package var directory: String
  /// Ports of the hub above.
  package var upstreamMQTTPort = 8_883
  package var upstreamHTTPSPort = 443
  /// PEM files with the authorities of the hub above, besides the system's.
  package var upstreamAuthorityFiles: [String] = []
  /// The proxy on the way there, nil for none.
  package var proxy: HTTPProxy?
  /// What it knows of the variables of its container (edge contract section 11).
  package var variables = LocalHubVariables()
  /// Whether what is acknowledged survives the machine's end, and not just the process's.
  package var isDurable = true

  package init(identity: EdgeIdentity, names: [String], directory: String) {
    self.identity = identity
    self.names = names
    self.directory = directory
  }
}

/// The variables that operators set for the local hub (edge contract section 11).
package struct LocalHubVariables: Equatable, Sendable {
  /// Clients at a time; 1,000 here, 100 with the vendor (DIFF 15).
  package var maxConnectedClients = 1_000
  /// Seconds between whole looks at who is below.
  package var scopeRefreshSeconds = 3_600
  /// Seconds between reads of the configuration.
  package var configurationRefreshSeconds = 3_600
  /// Seconds between patches of reported properties upstream.
  package var reportedSyncSeconds = 5
  /// Seconds between whole reads of one twin.
  package var twinSyncSeconds = 120
  /// Messages upstream that wait for their acknowledgement.
  package var upstreamWindow = 1_024

  package init() {}

  /// The names that are known, and what they set.
  private static let known: [(name: String, path: any WritableKeyPath<Self, Int> & Sendable)] = [
    ("MaxConnectedClients", \.maxConnectedClients),
    ("DeviceScopeCacheRefreshRateSecs", \.scopeRefreshSeconds),
    ("ConfigRefreshFrequencySecs", \.configurationRefreshSeconds),
    ("ReportedPropertiesSyncFrequencySecs", \.reportedSyncSeconds),
    ("MinTwinSyncPeriodSecs", \.twinSyncSeconds),
  ]

  /// Reads variables, names without regard to case; what is not known is left alone.
  ///
  /// - Throws: `SettingsFault` for a value that is none.
  package init(_ environment: [String: String]) throws(SettingsFault) {
    for (name, text) in environment {
      guard let known = Self.known.first(where: { $0.name.lowercased() == name.lowercased() })
      else { continue }
      guard let value = Int(text), (1...1_000_000).contains(value) else {
        throw SettingsFault(
          "\(name) must be a number from 1 to 1000000, not \"\(text)\"",
          remedy: "Set it in [hub.env] of the settings, or in env of edgeHub in the deployment."
        )
      }
      self[keyPath: known.path] = value
    }
  }
}

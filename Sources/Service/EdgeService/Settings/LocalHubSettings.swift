import Platform

/// The local hub's listeners and variables (`[hub]`); ours, since the vendor's hub is a container.
package struct LocalHubSettings: Equatable, Sendable {
  /// The address that it listens on.
  package let host: String
  /// MQTT over TLS.
  package let mqttPort: Int
  /// AMQP over TLS.
  package let amqpPort: Int
  /// HTTPS, and MQTT and AMQP over WebSocket.
  package let httpsPort: Int
  /// Environment variables that the hub knows (contract §11), by their names.
  package let environment: [String: String]

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["host", "mqtt_port", "amqp_port", "https_port", "env"])
    let ports = 0...65_535
    host = try table?.text("host") ?? "0.0.0.0"
    mqttPort = try table?.number("mqtt_port", in: ports) ?? 8_883
    amqpPort = try table?.number("amqp_port", in: ports) ?? 5_671
    httpsPort = try table?.number("https_port", in: ports) ?? 443
    environment = try table?.variables("env") ?? [:]
  }
}

/// How the hub above, or the parent edge, is reached (`[upstream]`); ours.
package struct UpstreamSettings: Equatable, Sendable {
  /// A PEM file with authorities to trust besides the system's and the trust bundle.
  package let authorities: String?
  package let mqttPort: Int
  package let amqpPort: Int
  package let httpsPort: Int
  /// How many bytes may leave in a day, nil for any.
  package let budget: UpstreamBudgetSettings?

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["ca_cert", "mqtt_port", "amqp_port", "https_port", "budget"])
    let ports = 1...65_535
    authorities = try table?.path("ca_cert")
    mqttPort = try table?.number("mqtt_port", in: ports) ?? 8_883
    amqpPort = try table?.number("amqp_port", in: ports) ?? 5_671
    httpsPort = try table?.number("https_port", in: ports) ?? 443
    budget = try table?.table("budget").map { table throws(SettingsFault) in
      try UpstreamBudgetSettings(table)
    }
  }
}

/// The metrics page of each process (`[metrics]`); ours, since all of them share one host.
package struct MetricsSettings: Equatable, Sendable {
  package let host: String
  /// Port of each process; 0 for none.
  package let ports: [EdgeRole: Int]
  /// What of the pages is sent upstream, nil for nothing.
  package let collection: MetricsCollection?

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["host", "hub_port", "agent_port", "keys_port", "collector"])
    let range = 0...65_535
    let host = try table?.text("host") ?? "127.0.0.1"
    self.host = host
    let ports: [EdgeRole: Int] = [
      .hub: try table?.number("hub_port", in: range) ?? 9_600,
      .agent: try table?.number("agent_port", in: range) ?? 9_601,
      .keys: try table?.number("keys_port", in: range) ?? 9_602,
    ]
    self.ports = ports
    let pages = EdgeRole.allCases.compactMap { ports[$0] }.filter { $0 != 0 }
      .map { "http://\(host.contains(":") ? "[\(host)]" : host):\($0)/metrics" }
    collection = try table?.table("collector").map { table throws(SettingsFault) in
      try MetricsCollection(table, pages: pages)
    }
  }
}

/// Metrics as messages to the hub above (`[metrics.collector]`).
package struct MetricsCollection: Equatable, Sendable {
  /// Seconds between two readings of the pages.
  package let intervalSeconds: Int64
  /// The URLs of the pages.
  package let endpoints: [String]

  /// Pages that may be named.
  private static let limit = 64

  /// Reads the table; `pages` are read if it names none.
  init(_ table: SettingsTable, pages: [String]) throws(SettingsFault) {
    try table.refuse(otherThan: ["interval", "endpoints"])
    intervalSeconds = try table.seconds("interval", in: 1...86_400) ?? 300
    let named = try table.texts("endpoints")
    endpoints = named.isEmpty ? pages : named
    guard !endpoints.isEmpty else {
      throw table.fault("endpoints", "is empty, and no process serves a page")
    }
    guard endpoints.count <= Self.limit,
      endpoints.allSatisfy({ $0.hasPrefix("http://") || $0.hasPrefix("https://") })
    else {
      throw table.fault(
        "endpoints",
        "must be at most \(Self.limit) URLs like http://127.0.0.1:9600/metrics"
      )
    }
  }
}

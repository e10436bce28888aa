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

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["ca_cert", "mqtt_port", "amqp_port", "https_port"])
    let ports = 1...65_535
    authorities = try table?.path("ca_cert")
    mqttPort = try table?.number("mqtt_port", in: ports) ?? 8_883
    amqpPort = try table?.number("amqp_port", in: ports) ?? 5_671
    httpsPort = try table?.number("https_port", in: ports) ?? 443
  }
}

/// The metrics page of each process (`[metrics]`); ours, since all of them share one host.
package struct MetricsSettings: Equatable, Sendable {
  package let host: String
  /// Port of each process; 0 for none.
  package let ports: [EdgeRole: Int]

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["host", "hub_port", "agent_port", "keys_port"])
    let range = 0...65_535
    host = try table?.text("host") ?? "127.0.0.1"
    ports = [
      .hub: try table?.number("hub_port", in: range) ?? 9_600,
      .agent: try table?.number("agent_port", in: range) ?? 9_601,
      .keys: try table?.number("keys_port", in: range) ?? 9_602,
    ]
  }
}

package import Endpoints

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
  /// How many bytes may leave upstream in a day, nil for any.
  package var upstreamBudget: UpstreamBudgetSettings?
  /// What is sent upstream of metrics, nil for nothing.
  package var metricsCollection: MetricsCollection?
  /// Where messages and state are kept.
  package var directory: String
  /// Ports of the hub above.
  package var upstreamMQTTPort = 8_883
  package var upstreamHTTPSPort = 443
  /// PEM files with the authorities of the hub above, besides the system's.
  package var upstreamAuthorityFiles: [String] = []
  /// The PEM file with the authorities of leaf devices, nil for none.
  package var trustBundleFile: String?
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

  /// Takes over what the variables say.
  package mutating func use(_ variables: LocalHubVariables) {
    self.variables = variables
    amqpPort = variables.amqpPort ?? amqpPort
    httpsPort = variables.httpsPort ?? httpsPort
    metricsPort = variables.servesMetrics ? variables.metricsPort ?? metricsPort : 0
  }
}

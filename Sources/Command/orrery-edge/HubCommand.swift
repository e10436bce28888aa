import ArgumentParser
import EdgeService
import Endpoints
import Glibc
import HubContract
import Logging
import Platform

/// `orrery-edge hub`: the local hub on its own.
struct HubCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hub",
    abstract: "Run the local hub: what an IoT hub is to modules and leaf devices.",
    discussion: """
      The supervisor starts it with the settings file. Without the other processes it runs as \
      developer tools start one, with the environment variables IotHubConnectionString (of the \
      module $edgeHub), EdgeDeviceHostName (names that clients use, parted by commas) and, for a \
      hub whose certificate the system does not trust, EdgeHubUpstreamCACertificateFile:

        IotHubConnectionString="$(cat hub.txt)" EdgeDeviceHostName=gate.local \\
          orrery-edge hub --data ./edge
      """
  )

  @OptionGroup var options: SettingsOptions

  @Option(name: .long, help: "Address to listen on.")
  var host = "0.0.0.0"

  @Option(name: .long, help: "Port of MQTT over TLS; 0 takes any.")
  var mqttPort = 8_883

  @Option(name: .long, help: "Port of AMQP over TLS; 0 takes any.")
  var amqpPort = 5_671

  @Option(name: .long, help: "Port of HTTPS and WebSocket; 0 takes any.")
  var httpsPort = 443

  @Option(name: .long, help: "Port of /metrics on loopback; 0 for none.")
  var metricsPort = 0

  @Option(name: .long, help: "Port of MQTT over TLS of the hub above.")
  var upstreamMqttPort = 8_883

  @Option(name: .long, help: "Port of HTTPS of the hub above.")
  var upstreamHttpsPort = 443

  func run() async throws {
    let environment = ProcessEnvironment.variables
    if let text = environment["IotHubConnectionString"] {
      try await runAlone(text, environment)
    } else {
      try await runAsRole()
    }
  }

  /// As one of the edge's processes: the keys process says who it is, and keeps its keys.
  private func runAsRole() async throws {
    let settings = try options.settings(of: .hub)
    // What the deployment says of `edgeHub` is in the settings that the supervisor hands on; those of
    // the file win over it, and both over the environment.
    let environment = EnvironmentVariables.joined(
      ProcessEnvironment.variables,
      settings.hub.environment
    )
    let variables = try LocalHubVariables(environment)
    settings.bootstrapLogging(level: variables.logLevel)
    let logger = Logger(label: "orrery.edge.hub")
    try await RoleProcess.run(
      HubRole(settings: settings, environment: environment, variables: variables, logger: logger)
    )
  }

  /// As developer tools start one.
  private func runAlone(_ text: String, _ environment: [String: String]) async throws {
    let (identity, key) = try Self.identity(text)
    let names = (environment["EdgeDeviceHostName"] ?? "localhost")
      .split(separator: ",", omittingEmptySubsequences: true)
      .map { String($0.drop { $0 == " " }) }
    let paths = options.paths
    var hub = LocalHubOptions(identity: identity, names: names, directory: paths.data + "/hub")
    hub.host = host
    hub.mqttPort = mqttPort
    hub.amqpPort = amqpPort
    hub.httpsPort = httpsPort
    hub.metricsPort = metricsPort
    hub.upstreamMQTTPort = upstreamMqttPort
    hub.upstreamHTTPSPort = upstreamHttpsPort
    let variables = try LocalHubVariables(environment)
    hub.use(variables)
    let authorities = environment["EdgeHubUpstreamCACertificateFile"]
    hub.upstreamAuthorityFiles = authorities.map { [$0] } ?? []
    hub.trustBundleFile = environment["EdgeHubDevTrustBundleFile"]
    try PrivateFile.makeDirectory(paths.data)
    let files = environment["EdgeModuleHubServerCertificateFile"].flatMap { chain in
      environment["EdgeModuleHubServerPrivateKeyFile"].map { (chain, $0) }
    }
    let credentials = try StandaloneCredentials(
      identity: identity,
      key: key,
      directory: paths.data + "/certificates",
      names: names,
      files: files,
      upstreamAuthorities: authorities
    )
    let level = variables.logLevel ?? .info
    let format: LogFormat = isatty(2) == 1 ? .text : .json
    LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, format: format) }
    let logger = Logger(label: "orrery.edge.hub")
    try await RoleProcess.run(try Self.server(hub, credentials, logger))
  }

  /// A local hub that tells the log and the service manager when it is ready.
  static func server(
    _ hub: LocalHubOptions,
    _ credentials: any UpstreamCredentials,
    _ logger: Logger
  ) throws -> LocalHubServer {
    try LocalHubServer(options: hub, credentials: credentials, logger: logger) { ports in
      logger.notice(
        "local hub ready",
        metadata: [
          "mqtt": "\(ports.mqtt.map(String.init) ?? "off")",
          "amqp": "\(ports.amqp.map(String.init) ?? "off")",
          "https": "\(ports.https.map(String.init) ?? "off")",
        ]
      )
      ServiceManager.notify("READY=1")
    }
  }

  private static func identity(_ text: String) throws -> (EdgeIdentity, SymmetricKey) {
    let string: ConnectionString
    do throws(ConnectionStringFault) {
      string = try ConnectionString(text)
    } catch {
      throw SettingsFault("IotHubConnectionString: \(error)")
    }
    guard case .identity(let host, let key, .key(let secret), let gateway) = string,
      key.moduleID == ModuleID.edgeHub
    else {
      throw SettingsFault(
        "IotHubConnectionString is not that of a module $edgeHub with a key",
        remedy: "orrery module connection-string EDGE '$edgeHub' prints it."
      )
    }
    return (
      EdgeIdentity(hubHostName: host, deviceID: key.deviceID, parentHostName: gateway), secret
    )
  }
}

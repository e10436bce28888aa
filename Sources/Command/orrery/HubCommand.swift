import ArgumentParser
import Glibc
import HubEngine
import HubService
import JSONTree
import Logging
import Metrics
import OperatorCommands
import Platform
import ServiceLifecycle
import UnixSignals

/// `orrery hub`: the server.
struct HubCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hub",
    abstract: "Run the hub.",
    discussion: """
      Devices connect by MQTT over TLS (8883), or over WebSocket on the port of the REST API (443).
      The first start makes a certificate authority, a server certificate for --names, and policies
      with keys.

      Settings come from a TOML file (--config), from the environment (ORRERY_LISTEN_MQTT_PORT for
      listen.mqtt_port) and from --set, each over the one before. --print-settings lists them all.

      EXAMPLES
        orrery hub --ephemeral
        orrery hub --data /var/lib/orrery --names hub.example,10.0.0.5
        orrery hub --data ./d --set listen.mqtt_port=18883 --set listen.https_port=10443
        orrery hub --config /etc/orrery/hub.toml --check-config
      """,
    subcommands: [HubStatus.self]
  )

  @Option(name: .long, help: "TOML file with settings.")
  var config: String?

  @Option(name: .long, help: "Directory of the hub's data (hub.data).")
  var data: String?

  @Flag(name: .long, help: "Keep nothing: data lives in a temporary directory and goes at the end.")
  var ephemeral = false

  @Option(name: .long, help: "Address to listen on (listen.host).")
  var host: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Names and addresses that clients use, parted by commas (hub.names).",
      discussion: "The first one goes into connection strings."
    )
  )
  var names: String?

  @Option(name: .long, help: "Sets any setting: --set log.retention_hours=24. May be repeated.")
  var set: [String] = []

  @Flag(name: .long, help: "Read and check the settings, then end.")
  var checkConfig = false

  @Flag(name: .long, help: "List every setting with its default and meaning, then end.")
  var printSettings = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "File to write when the hub listens, mode 0600.",
      discussion: "JSON with ports, trust anchor and connection strings."
    )
  )
  var readyFile: String?

  @Flag(name: .long, help: "Do not print how to connect.")
  var quiet = false

  func run() async throws {
    if printSettings { return Self.printAllSettings() }
    let settings: HubSettings
    do {
      settings = try load()
    } catch {
      throw Failure(error)
    }
    if checkConfig {
      print("the settings are fine")
      return
    }
    // The registry holds every key: what SQLite and the log make is the owner's alone.
    umask(0o077)
    let directory = try prepareDirectory(settings)
    defer { if settings.isEphemeral { PrivateFile.removeTree(directory) } }
    let logger = bootstrapLogging(settings)
    let metrics = PrometheusMetrics()
    MetricsSystem.bootstrap(metrics)
    let server: HubServer
    do {
      server = try HubServer(
        settings: settings,
        dataDirectory: directory,
        metrics: metrics,
        logger: logger,
        onReady: { hub in try announce(hub, directory) }
      )
    } catch {
      throw Failure(error)
    }
    var configuration = ServiceGroupConfiguration(
      services: [.init(service: server)],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "orrery.lifecycle") { _ in SwiftLogNoOpLogHandler() }
    )
    configuration.maximumGracefulShutdownDuration = .seconds(9)
    do {
      try await ServiceGroup(configuration: configuration).run()
    } catch {
      throw Failure(error)
    }
  }

  private func load() throws -> HubSettings {
    var overrides: [(String, String)] = []
    for pair in set {
      guard let sign = pair.firstIndex(of: "=") else {
        throw SettingsFault("--set \(pair): write it as --set key=value")
      }
      overrides.append((String(pair[..<sign]), String(pair[pair.index(after: sign)...])))
    }
    if let data { overrides.append(("hub.data", data)) }
    if let host { overrides.append(("listen.host", host)) }
    if let names { overrides.append(("hub.names", names)) }
    return try HubSettings(
      file: config,
      environment: Self.environment(),
      overrides: overrides,
      isEphemeral: ephemeral || checkConfig
    )
  }

  private static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let pair = String(cString: text)
      if let sign = pair.firstIndex(of: "=") {
        variables[String(pair[..<sign])] = String(pair[pair.index(after: sign)...])
      }
      entry += 1
    }
    return variables
  }

  private func prepareDirectory(_ settings: HubSettings) throws -> String {
    do {
      if settings.isEphemeral {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((base + "/orrery-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw FileFault("make", base + "/orrery-XXXXXX") }
        return template.withUnsafeBufferPointer { buffer in
          buffer.baseAddress.map { String(cString: $0) } ?? base
        }
      }
      let directory = settings.dataDirectory ?? "."
      try PrivateFile.makeDirectory(directory)
      return directory
    } catch {
      throw Failure(error)
    }
  }

  private func bootstrapLogging(_ settings: HubSettings) -> Logger {
    let level = Logger.Level(rawValue: settings.logLevel) ?? .info
    let format: LogFormat =
      settings.logFormat == "auto"
      ? (isatty(2) == 1 ? .text : .json) : LogFormat(rawValue: settings.logFormat) ?? .json
    LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, format: format) }
    return Logger(label: "orrery.hub")
  }

  // MARK: Telling how to connect

  private func announce(_ hub: ReadyHub, _ directory: String) throws {
    let owner = hub.policies.first { $0.name == "iothubowner" }
    if let owner {
      var object = JSONObject()
      object["connectionString"] = .string(hub.connectionString(of: owner))
      object["ca"] = hub.authorityPath.map { .string($0) } ?? .null
      object["https"] = .int(Int64(hub.httpsPort))
      object["mqtt"] = .int(Int64(hub.mqttPort))
      object["admin"] = .string("http://\(hub.settings.adminHost):\(hub.adminPort)")
      object["adminToken"] = .string(hub.adminToken)
      do {
        try PrivateFile.replace(
          directory + "/connection.json",
          with: JSON.bytes(.object(object))
        )
      } catch {
        // A convenience for the command line: a full disk must not keep the hub from starting.
        FileHandleText.standardError("warning: \(error)")
      }
    }
    if let readyFile {
      try PrivateFile.replace(readyFile, with: JSON.bytes(.object(description(hub))))
    }
    ServiceManager.notify("READY=1")
    if !quiet { print(guide(hub, directory)) }
    fflush(nil)
  }

  private func description(_ hub: ReadyHub) -> JSONObject {
    var policies = JSONObject()
    for policy in hub.policies {
      policies[policy.name] = ["connectionString": .string(hub.connectionString(of: policy))]
    }
    var object = JSONObject()
    object["host"] = .string(hub.host)
    object["mqtt"] = .int(Int64(hub.mqttPort))
    object["https"] = .int(Int64(hub.httpsPort))
    object["plainMqtt"] = hub.plainMQTTPort.map { .int(Int64($0)) } ?? .null
    object["admin"] = .string("http://\(hub.settings.adminHost):\(hub.adminPort)")
    object["ca"] = hub.authorityPath.map { .string($0) } ?? .null
    object["policies"] = .object(policies)
    object["adminToken"] = .string(hub.adminToken)
    object["pid"] = .int(Int64(getpid()))
    return object
  }

  private func guide(_ hub: ReadyHub, _ directory: String) -> String {
    let bold = isatty(1) == 1 && getenv("NO_COLOR") == nil
    func title(_ text: String) -> String { bold ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
    let ca = hub.authorityPath ?? "the authority that signed your certificate"
    let owner = hub.policies.first { $0.name == "iothubowner" }
    return """
      \(title("The hub is ready")) on \(hub.settings.host): \
      MQTT \(hub.mqttPort), REST and WebSocket \(hub.httpsPort), \
      metrics http://\(hub.settings.adminHost):\(hub.adminPort)/metrics
      \(settingsNote(hub))
      \(title("Connection string of the owner")) (a secret; also in \(directory)/connection.json)
        \(owner.map { hub.connectionString(of: $0) } ?? "none")

      \(title("Admin token")) for backups and policies: \(directory)/admin.token

      \(title("What stock clients need"))
        azure-iot-device (Python):  IoTHubDeviceClient.create_from_connection_string(
                                      "HostName=\(hub.host);DeviceId=…;SharedAccessKey=…",
                                      server_verification_cert=open("\(ca)").read())
        azure-iot-hub (Python):     export REQUESTS_CA_BUNDLE=\(ca)
        mosquitto_pub:              --cafile \(ca) -h \(hub.host) -p \(hub.mqttPort)

      \(title("Next"))
        export ORRERY_CA=\(ca)
        orrery device create my-device --connect \(directory)/connection.json
        Ctrl-C stops the hub.
      """
  }

  private func settingsNote(_ hub: ReadyHub) -> String {
    var notes = "  names: " + hub.settings.names.joined(separator: ", ")
    if hub.settings.isEphemeral { notes += "\n  ephemeral: everything is gone when it stops" }
    if !hub.settings.isLogEnabled { notes += "\n  log.enabled is false: telemetry is NOT kept" }
    if let port = hub.plainMQTTPort {
      notes += "\n  MQTT without TLS on 127.0.0.1:\(port), for measurements only"
    }
    return notes + "\n"
  }

  private static func printAllSettings() {
    for key in HubSettings.keys {
      print("\(key.name) = \(key.standard.isEmpty ? "(none)" : key.standard)")
      print("    \(key.help)")
      print("    environment: \(key.variable)")
    }
  }
}

/// An error that ends the program: one line that says what, where and how to mend it.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ error: any Error) {
    description = "\(error)"
  }
}

/// Lines for people on standard error.
enum FileHandleText {
  static func standardError(_ line: String) {
    let text = line + "\n"
    _ = write(2, text, text.utf8.count)
  }
}

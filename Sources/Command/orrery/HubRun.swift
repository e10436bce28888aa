import ArgumentParser
import Glibc
import HubEngine
import HubService
import Logging
import Metrics
import OperatorCommands
import Platform
import ServiceLifecycle
import UnixSignals

/// `orrery hub run`: the server.
struct HubRun: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run the hub.",
    discussion: """
      Devices connect by MQTT over TLS (8883), or over WebSocket on the port of the REST API \
      (443). The first start makes a certificate authority, a server certificate for --names, and \
      policies with keys.

      Settings come from a TOML file (--config), from the environment (ORRERY_LISTEN_MQTT_PORT for \
      listen.mqtt_port) and from --set, each over the one before. --print-settings lists them all, \
      with the values they have and where these come from.

        orrery hub --ephemeral
        orrery hub --data /var/lib/orrery --names hub.example,10.0.0.5
        orrery hub --data ./d --set listen.mqtt_port=18883
        orrery hub --config /etc/orrery/hub.toml --check-config
        orrery hub --config hub.toml --print-settings
      """
  )

  @Option(
    name: .long,
    help: ArgumentHelp("TOML file with settings.", valueName: "file"),
    completion: .file(extensions: ["toml"])
  )
  var config: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Directory of the hub's data (hub.data).", valueName: "dir"),
    completion: .directory
  )
  var data: String?

  @Flag(name: .long, help: "Keep nothing: data lives in a temporary directory and goes at the end.")
  var ephemeral = false

  @Option(
    name: .long,
    help: ArgumentHelp("Address to listen on (listen.host).", valueName: "address")
  )
  var host: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Names and addresses that clients use, parted by commas (hub.names).",
      discussion: "The first one goes into connection strings.",
      valueName: "list"
    )
  )
  var names: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Sets any setting: --set log.retention_hours=24. May be repeated.",
      valueName: "key=value"
    )
  )
  var set: [String] = []

  @Flag(name: .long, help: "Read and check the settings, then end.")
  var checkConfig = false

  @Flag(
    name: .long,
    help: "List every setting: its value and whose it is, range, default, meaning; then end."
  )
  var printSettings = false

  @Option(
    name: [.long, .customShort("o")],
    help: "With --print-settings: table for people, json for programs."
  )
  var output: OutputFormat?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "File to write when the hub listens, mode 0600.",
      discussion: "JSON with ports, trust anchor and connection strings.",
      valueName: "file"
    ),
    completion: .file()
  )
  var readyFile: String?

  @Flag(name: .long, help: "Do not print how to connect.")
  var quiet = false

  func validate() throws {
    if output != nil, !printSettings {
      throw ValidationError("--output goes with --print-settings")
    }
  }

  func run() async throws {
    let settings = try load()
    if printSettings { return SettingsSheet(settings.all).print(output) }
    if checkConfig {
      print("the settings are fine")
      return
    }
    // The registry holds every key: what SQLite and the log make is the owner's alone.
    umask(0o077)
    do {
      let directory = try prepareDirectory(settings)
      defer { if settings.isEphemeral { PrivateFile.removeTree(directory) } }
      try await serve(settings, directory)
    } catch {
      throw Self.failure(error)
    }
  }

  private func serve(_ settings: HubSettings, _ directory: String) async throws {
    let logger = bootstrapLogging(settings)
    let metrics = PrometheusMetrics()
    MetricsSystem.bootstrap(metrics)
    let announcement = Announcement(directory: directory, readyFile: readyFile, isQuiet: quiet)
    let server = try HubServer(
      settings: settings,
      dataDirectory: directory,
      metrics: metrics,
      logger: logger,
      onReady: { hub in try announcement.make(hub) }
    )
    var configuration = ServiceGroupConfiguration(
      services: [.init(service: server)],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Logger(label: "orrery.lifecycle") { _ in SwiftLogNoOpLogHandler() }
    )
    configuration.maximumGracefulShutdownDuration = .seconds(9)
    try await ServiceGroup(configuration: configuration).run()
  }

  /// The settings; what is wrong with them is a wrong command line.
  private func load() throws(CommandFailure) -> HubSettings {
    do {
      return try HubSettings(
        file: config,
        environment: Console.current.environment,
        overrides: try overrides(),
        isEphemeral: ephemeral,
        needsData: !checkConfig && !printSettings
      )
    } catch let fault as SettingsFault {
      throw CommandFailure(.usage, fault.problem, remedy: fault.remedy)
    } catch {
      throw CommandFailure(.file(error), "--config: \(error)", remedy: "Is this the right file?")
    }
  }

  private func overrides() throws(SettingsFault) -> [(String, String)] {
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
    return overrides
  }

  /// What kept the hub from starting, or made it give up.
  private static func failure(_ error: any Error) -> CommandFailure {
    switch error {
    case let failure as CommandFailure: failure
    case let fault as SettingsFault: CommandFailure(.failure, fault.problem, remedy: fault.remedy)
    case let fault as FileFault: CommandFailure(.failure, "\(fault)", remedy: fault.remedy)
    default: CommandFailure(.failure, "\(error)")
    }
  }

  /// The data directory's path from the root on, so that what is written into files and messages
  /// means the same to everybody.
  private func prepareDirectory(_ settings: HubSettings) throws(FileFault) -> String {
    if settings.isEphemeral {
      let base = AbsolutePath.of(Console.current.environment["TMPDIR"] ?? "/tmp")
      var template = Array((base + "/orrery-XXXXXX").utf8CString)
      guard mkdtemp(&template) != nil else { throw FileFault("make", base + "/orrery-XXXXXX") }
      return template.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map { String(cString: $0) } ?? base
      }
    }
    let directory = AbsolutePath.of(settings.dataDirectory ?? ".")
    try PrivateFile.makeDirectory(directory)
    return directory
  }

  private func bootstrapLogging(_ settings: HubSettings) -> Logger {
    let level = Logger.Level(rawValue: settings.logLevel) ?? .info
    let format: LogFormat =
      settings.logFormat == "auto"
      ? (isatty(2) == 1 ? .text : .json) : LogFormat(rawValue: settings.logFormat) ?? .json
    LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, format: format) }
    return Logger(label: "orrery.hub")
  }
}

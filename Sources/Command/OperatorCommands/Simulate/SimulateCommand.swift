import ArgumentParser
import Endpoints
import HubContract
import JSONTree
import NIOCore
import NIOPosix

/// `orrery simulate`: devices that do not exist.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Connect realistic devices over real MQTT and TLS.",
    subcommands: [SimulateDevice.self]
  )
}

struct SimulateDevice: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "Connect a thermostat, or a fleet of them.",
    discussion: """
      It sends temperature and humidity, reports properties, obeys the desired properties \
      telemetryInterval (seconds) and targetTemperature, answers the methods ping, reboot, \
      getStatus and identify, prints messages that it gets, renews its token, and comes back after \
      a loss. Ctrl-C ends it.

        orrery simulate device thermostat-1 --create
        orrery simulate device fleet --create --count 200 --interval 10s
        orrery simulate device meter-1 --messages 100 --interval 100ms --size 1024
        orrery simulate device meter-1 --template '{"kWh":{{count}},"at":"{{time}}"}'
        orrery simulate device pump-1 --certificate pump.pem --private-key pump.key
      """
  )

  @Argument(
    help: ArgumentHelp("The device's ID; with --count, -1, -2 … are added.", valueName: "device")
  )
  var device: String

  @Flag(help: "Create the devices that do not exist.") var create = false
  @Option(help: "How many.") var count = 1
  @Option(help: "Time between two messages.") var interval = TimeSpan(seconds: 5)
  @Option(help: "End after so many messages of each.") var messages: Int64?
  @Option(help: "Bytes that each body is filled up to.") var size: Int?

  @Option(
    help: ArgumentHelp(
      """
      A body of your own, text or @FILE, with {{temperature}}, {{humidity}}, {{count}}, {{time}}, \
      {{device}} and {{random}} where a value goes.
      """,
      valueName: "text"
    )
  )
  var template: String?

  @Option(
    help: ArgumentHelp("Certificate that it presents, PEM, leaf first.", valueName: "file"),
    completion: .file()
  )
  var certificate: String?

  @Option(
    help: ArgumentHelp("The certificate's private key, PEM.", valueName: "file"),
    completion: .file()
  )
  var privateKey: String?

  @Option(help: "Port of MQTT over TLS, if it is not 8883 or what connection.json says.")
  var mqttPort: Int?

  @Option(help: "How long a token is valid.") var tokenTtl = TimeSpan(seconds: 3600)

  @Option(help: "The same number gives the same readings; by default each run differs.")
  var seed: UInt64?

  @OptionGroup var hub: HubOptions

  func validate() throws {
    try IdentityName.check(device: count > 1 ? "\(device)-\(count)" : device)
    guard (1...100_000).contains(count) else { throw ValidationError("--count: 1 to 100000") }
    guard interval.milliseconds > 0 else { throw ValidationError("--interval must be above 0") }
    if let messages, messages < 1 { throw ValidationError("--messages must be at least 1") }
    if let size, !(1...262_144).contains(size) { throw ValidationError("--size: 1 to 262144") }
    if size != nil, template != nil { throw ValidationError("give --size or --template, not both") }
    if (certificate == nil) != (privateKey == nil) {
      throw ValidationError("--certificate and --private-key go together")
    }
    if certificate != nil, count > 1 || create {
      throw ValidationError(
        "a certificate is for one device that exists; --count and --create do not go with it"
      )
    }
    if let mqttPort, !(1...65_535).contains(mqttPort) { throw ValidationError("--mqtt-port") }
    guard tokenTtl.seconds >= 10 else { throw ValidationError("--token-ttl: 10s at least") }
  }

  func run() async throws {
    let template = try chosenTemplate()
    try await hub.withHub { client, printer in
      let fleet = Fleet(hub: client, creates: create, usesCertificate: certificate != nil)
      let names = count == 1 ? [device] : (1...count).map { "\(device)-\($0)" }
      let credentials = try await fleet.credentials(names, lifetimeSeconds: tokenTtl.seconds)
      let report = SimulationReport(printer, deviceCount: count, now: Console.current.now)
      let connections = try connections(client, names, credentials, template, report)
      let ending = try await untilInterrupted {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for connection in connections { group.addTask { try await connection.run() } }
          try await group.waitForAll()
        }
      }
      report.end()
      let noun = report.sent == 1 ? "message" : "messages"
      if ending == .interrupted || printer.isForPeople {
        printer.console.remark("\(report.sent) \(noun) sent and acknowledged")
      }
    }
  }

  private func chosenTemplate() throws -> TelemetryTemplate {
    guard let template else { return .readings(size: size) }
    let text = String(decoding: try InputText.bytes(template), as: UTF8.self)
    let unknown = TelemetryTemplate.unknownNames(in: text)
    guard unknown.isEmpty else {
      throw CommandFailure(
        .usage,
        "--template: there is no value called \(unknown.joined(separator: ", "))",
        remedy: "There are " + TelemetryTemplate.names.joined(separator: ", ") + "."
      )
    }
    return .text(text)
  }

  private func connections(
    _ client: HubClient,
    _ names: [String],
    _ credentials: [SimulatedCredential],
    _ template: TelemetryTemplate,
    _ report: SimulationReport
  ) throws -> [SimulatedConnection] {
    let hub = client.connection
    let tls = try tls(hub)
    var loops = MultiThreadedEventLoopGroup.singleton.makeIterator()
    let seconds = Double(interval.milliseconds) / 1000
    let first = seed ?? UInt64.random(in: .min ... .max)
    return zip(names, credentials).enumerated().map { index, pair in
      let loop = loops.next() ?? MultiThreadedEventLoopGroup.singleton.next()
      return SimulatedConnection(
        SimulatedDevice(
          deviceID: pair.0,
          interval: seconds,
          template: template,
          seed: first &+ UInt64(index),
          now: client.time
        ),
        host: hub.host,
        port: mqttPort ?? hub.mqttPort,
        tls: tls,
        credential: pair.1,
        on: loop,
        messageLimit: messages,
        // A fleet begins spread over its first interval.
        firstPause: seconds * Double(index) / Double(names.count),
        report: report
      )
    }
  }

  private func tls(_ hub: HubConnection) throws(CommandFailure) -> ClientTLS {
    let anchors = try hub.trustAnchors.map { path throws(CommandFailure) in
      try InputText.bytes("@\(path)")
    }
    let chain = try certificate.map { path throws(CommandFailure) in
      try InputText.bytes("@\(path)")
    }
    let key = try privateKey.map { path throws(CommandFailure) in try InputText.bytes("@\(path)") }
    do {
      return try ClientTLS(
        trustAnchorsPEM: anchors,
        certificateChainPEM: chain,
        privateKeyPEM: key
      )
    } catch {
      throw CommandFailure(.usage, "cannot use the certificates or the key: \(error)")
    }
  }
}

/// The identities of the devices that are simulated.
private struct Fleet: Sendable {
  let hub: HubClient
  let creates: Bool
  let usesCertificate: Bool

  /// A credential for each of `names`.
  func credentials(
    _ names: [String],
    lifetimeSeconds: Int64
  ) async throws -> [SimulatedCredential] {
    // With a certificate nothing of the registry is needed.
    guard !usesCertificate else { return names.map { _ in .certificate } }
    var credentials: [SimulatedCredential] = []
    let progress = Progress("devices found")
    for name in names {
      let identity = try await identity(IdentityPath(name))
      guard let key = identity.key(.primary) else {
        throw CommandFailure(
          .failure,
          "device '\(name)' has no keys, it proves itself by \(identity.authenticationName)",
          remedy: "Give its certificate with --certificate and --private-key."
        )
      }
      credentials.append(.key(key, lifetimeSeconds: lifetimeSeconds))
      if names.count > 1 { progress.show(credentials.count, of: names.count) }
    }
    progress.end()
    return credentials
  }

  private func identity(_ path: IdentityPath) async throws -> JSONValue {
    if creates {
      let body: JSONValue = ["deviceId": .string(path.identity.deviceID)]
      let response = try await hub.send(HubRequest(.put, path.registry).body(body))
      if response.isSuccess { return try response.json() }
      guard response.status == 409 else {
        throw HubRefusal.failure(response, subject: path.subject)
      }
    }
    do {
      return try await hub.get(path.registry, path.subject)
    } catch let failure as CommandFailure where failure.status == .notFound {
      var failure = failure
      failure.remedy = "Give --create to create it."
      throw failure
    }
  }
}

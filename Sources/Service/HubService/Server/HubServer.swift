import AMQPEndpoints
import Endpoints
import HTTPTypes
import HubContract
package import HubEngine
import HummingbirdCore
import JSONTree
package import Logging
import NIOCore
import NIOPosix
package import Platform
import ServiceLifecycle
import Synchronization

/// The hub with its listeners: one process that can be run and stopped.
package struct HubServer: Service {
  private let settings: HubSettings
  private let identity: HubIdentity
  private let hub: Hub
  private let metrics: PrometheusMetrics
  private let logger: Logger
  private let onReady: @Sendable (ReadyHub) async throws -> Void

  /// Opens the data and prepares TLS; nothing listens before `run`.
  ///
  /// `dataDirectory`, where everything is kept, exists; `onReady` is called once every listener is
  /// bound.
  ///
  /// - Throws: `SettingsFault` or `FileFault`, what keeps the data from being opened and how to mend
  ///   it; nothing is open then.
  package init(
    settings: HubSettings,
    dataDirectory: String,
    metrics: PrometheusMetrics,
    logger: Logger,
    onReady: @escaping @Sendable (ReadyHub) async throws -> Void
  ) throws {
    self.settings = settings
    self.metrics = metrics
    self.logger = logger
    self.onReady = onReady
    // Before anything is read or made: another hub may be at it.
    let lock = try DirectoryLock(directory: dataDirectory)
    // Before registry and log, whose recovery may take its time: a wrong file is told at once.
    identity = try HubIdentity(
      settings: settings,
      dataDirectory: dataDirectory,
      now: SystemClock.wallMilliseconds() / 1_000
    )
    hub = try Hub(
      settings: settings,
      dataDirectory: dataDirectory,
      lock: lock,
      metrics: metrics,
      logger: logger
    )
  }

  /// Listens and serves until the service group stops, once.
  ///
  /// However it ends, everything is closed then, what `init` opened too.
  ///
  /// - Throws: `SettingsFault`, what keeps it from listening and how to mend it, or why a service
  ///   gave up.
  package func run() async throws {
    let count = settings.loops > 0 ? settings.loops : Machine.usableProcessors
    let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
    var loops: DeviceLoops?
    do {
      try await hub.recover()
      let made = try await hub.loops(of: group, logger: logger)
      loops = made
      try await serve(on: group, made)
    } catch {
      await stop(group, loops)
      throw error
    }
    await stop(group, loops)
  }

  private func serve(on group: MultiThreadedEventLoopGroup, _ loops: DeviceLoops) async throws {
    let tls = identity.tls
    let rest = RESTService(hub: hub)
    let admin = AdminService(hub: hub, metrics: metrics)
    let ports = Ports()
    let identity = identity
    metrics.collect {
      [
        PrometheusMetrics.Sample(
          "orrery_tls_certificate_expiry_timestamp_seconds",
          .gauge,
          "When the server's certificate ends, in seconds since 1970.",
          value: Double(identity.end ?? 0)
        )
      ]
    }

    let mqtt = try await MQTTListener(
      group: group,
      host: settings.host,
      port: settings.mqttPort,
      tls: tls,
      loops: loops
    )
    let plain =
      settings.plainMQTTPort == 0
      ? nil
      : try await MQTTListener(
        group: group,
        host: "127.0.0.1",
        port: settings.plainMQTTPort,
        setting: "listen.plain_mqtt_port",
        tls: nil,
        loops: loops
      )
    let hubAMQP = HubAMQP(hub: hub)
    let amqpService = hubAMQP.service
    hub.collectMetrics(of: loops, and: amqpService)
    hub.collectMetrics(of: amqpService, hubAMQP.events)
    let amqp = try await AMQPListener(
      group: group,
      host: settings.host,
      port: settings.amqpPort,
      tls: tls,
      service: amqpService
    )
    let sharedPort = loops.sharedPort
    let https = SharedPortChannel(
      tls: tls,
      timeouts: SharedPortTimeouts(
        request: .seconds(Int64(settings.connectSeconds)),
        strangerIdle: .seconds(Int64(settings.unauthenticatedIdleSeconds))
      ),
      connections: sharedPort,
      responder: { request, writer, channel in
        let response = await rest.respond(
          to: request,
          over: RESTConnection(channel) { sharedPort.authenticated(channel) }
        )
        try await writer.write(response: response.head, body: response.body)
      },
      addStream: { channel, peer, inside in
        switch inside {
        case .mqtt: try loops.add(to: channel, peer: peer)
        case .amqp: try amqpService.add(to: channel, peer: peer)
        }
      }
    ).server(
      configuration: ServerConfiguration(
        address: .hostname(settings.host, port: settings.httpsPort),
        serverName: nil
      ),
      onServerRunning: { ports.set(\.https, $0.localAddress?.port) },
      eventLoopGroup: group,
      logger: logger
    )
    let adminServer = HTTP1Channel(responder: { request, writer, channel in
      let response = await admin.respond(to: request)
      try await writer.write(response: response.head, body: response.body)
    }).server(
      configuration: ServerConfiguration(
        address: .hostname(settings.adminHost, port: settings.adminPort),
        serverName: nil
      ),
      onServerRunning: { ports.set(\.admin, $0.localAddress?.port) },
      eventLoopGroup: group,
      logger: logger
    )

    var services: [any Service] = [
      HouseKeeping(hub: hub),
      RoutedDelivery(hub: hub, loops: loops),
      MemoryReturn(loops: loops),
      CertificateRenewal(identity: identity, logger: logger),
      HTTPListener(
        server: https,
        host: (settings.host, "listen.host"),
        port: (settings.httpsPort, "listen.https_port"),
        isBound: { ports.isBound(\.https) }
      ),
      HTTPListener(
        server: adminServer,
        host: (settings.adminHost, "listen.admin_host"),
        port: (settings.adminPort, "listen.admin_port"),
        isBound: { ports.isBound(\.admin) }
      ),
      mqtt,
      amqp,
      Readiness(ports: ports) { bound in
        admin.isReady = true
        try await onReady(
          ReadyHub(
            settings: settings,
            mqttPort: mqtt.port,
            amqpPort: amqp.port,
            httpsPort: bound.https,
            adminPort: bound.admin,
            plainMQTTPort: plain?.port,
            authorityPath: identity.authorityPath,
            adminToken: hub.adminToken,
            idScope: hub.provisioning?.scope,
            policies: try await hub.policies()
          )
        )
      },
    ]
    if let plain { services.append(plain) }
    // Services stop in the reverse order: this one before the connections that it uses are gone.
    services.append(FleetAdvance(hub: hub))
    services.append(Transfers(hub: hub))
    var configuration = ServiceGroupConfiguration(
      services: services.map { .init(service: $0) },
      logger: Logger(label: "orrery.lifecycle") { _ in
        SwiftLogNoOpLogHandler()
      }
    )
    configuration.maximumGracefulShutdownDuration = .seconds(8)
    let serviceGroup = ServiceGroup(configuration: configuration)
    try await withGracefulShutdownHandler {
      try await serviceGroup.run()
    } onGracefulShutdown: {
      admin.isReady = false
      // Waiting REST calls and connections end with their listeners.
      Task { await serviceGroup.triggerGracefulShutdown() }
    }
  }
}

extension HubServer {
  /// Drains and closes, in the order in which one part hands work to the next.
  private func stop(_ group: MultiThreadedEventLoopGroup, _ loops: DeviceLoops?) async {
    await loops?.stop(within: .seconds(2))
    hub.close()
    // What the writers answered last has been put on the loops; they run it before they end.
    try? await group.shutdownGracefully()
  }
}

/// What a person or a test needs to know of a hub that listens.
package struct ReadyHub: Sendable {
  package let settings: HubSettings
  package let mqttPort: Int
  package let amqpPort: Int
  package let httpsPort: Int
  package let adminPort: Int
  package let plainMQTTPort: Int?
  package let authorityPath: String?
  /// What operators present for administration: a secret.
  package let adminToken: String
  /// The ID scope of the provisioning service, nil where it is turned off.
  package let idScope: String?
  package let policies: [PolicyRecord]

  /// The host that connection strings name.
  package var host: String { settings.names.first ?? "localhost" }

  /// The connection string of a policy; the port is given where it is not the standard one.
  package func connectionString(of policy: PolicyRecord) -> String {
    let port = httpsPort == 443 ? "" : ":\(httpsPort)"
    return "HostName=\(host)\(port);SharedAccessKeyName=\(policy.name);"
      + "SharedAccessKey=\(policy.primaryKey.base64)"
  }
}

/// The ports that listeners were given.
private final class Ports: Sendable {
  struct Bound: Sendable {
    var https: Int?
    var admin: Int?
  }

  private let bound = Mutex(Bound())

  func set(_ port: any WritableKeyPath<Bound, Int?> & Sendable, _ value: Int?) {
    bound.withLock { $0[keyPath: port] = value }
  }

  func isBound(_ port: any KeyPath<Bound, Int?> & Sendable) -> Bool {
    bound.withLock { $0[keyPath: port] != nil }
  }

  var all: (https: Int, admin: Int)? {
    bound.withLock { bound in
      guard let https = bound.https, let admin = bound.admin else { return nil }
      return (https, admin)
    }
  }
}

/// Says that the hub is ready as soon as all ports are bound, then waits for the end.
private struct Readiness: Service {
  let ports: Ports
  let announce: @Sendable ((https: Int, admin: Int)) async throws -> Void

  func run() async throws {
    while ports.all == nil { try await Pause.sleep(for: .milliseconds(2)) }
    if let bound = ports.all { try await announce(bound) }
    try? await gracefulShutdown()
  }
}

/// Brings routed events to their endpoints until the hub stops.
private struct RoutedDelivery: Service {
  let hub: Hub
  let loops: DeviceLoops

  func run() async throws {
    let (hub, loops) = (hub, loops)
    await cancelWhenGracefulShutdown {
      await hub.deliverEvents { await loops.settle() }
    }
  }
}

/// Carries out jobs and configurations until the hub stops.
private struct FleetAdvance: Service {
  let hub: Hub

  func run() async throws {
    let hub = hub
    await cancelWhenGracefulShutdown { await hub.advanceFleet() }
  }
}

/// Carries out exports and imports over blobs until the hub stops.
private struct Transfers: Service {
  let hub: Hub

  func run() async throws {
    let hub = hub
    await cancelWhenGracefulShutdown { await hub.transferIdentities() }
  }
}

/// The hub's periodic work.
private struct HouseKeeping: Service {
  let hub: Hub

  func run() async throws {
    let hub = hub
    await cancelWhenGracefulShutdown { await hub.keepHouse() }
  }
}

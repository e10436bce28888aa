import ByteIO
import Endpoints
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Platform
import ServiceLifecycle
import Synchronization

/// The ports that a local hub was given.
package struct LocalHubPorts: Equatable, Sendable {
  package var mqtt = 0
  package var https = 0
}

/// The local hub's listeners: one set that can be run and stopped.
struct LocalHubListeners {
  let hub: LocalHub
  let tls: ServerTLS
  let group: MultiThreadedEventLoopGroup
  let metrics: PrometheusMetrics

  /// Binds and serves until the task is cancelled.
  ///
  /// - Throws: `SettingsFault` for a port that can't be had.
  func run(onReady: @escaping @Sendable (LocalHubPorts) -> Void) async throws {
    let (options, logger) = (hub.options, hub.logger)
    let loops = try await DeviceLoops(
      group: group,
      backend: hub,
      log: hub.store,
      router: hub.router,
      limits: DeviceLimits(quotas: hub.quotas, connectSeconds: 60),
      messagesPerSecond: nil,
      unauthenticated: 1_000,
      logger: logger
    )
    let figures = LocalHubMetrics(hub: hub, loops: loops, instance: Hex.encode(Entropy.bytes(8)))
    metrics.collect { figures.samples }
    let mqtt = try await MQTTListener(
      group: group,
      host: options.host,
      port: options.mqttPort,
      setting: "hub.mqtt_port",
      tls: tls,
      loops: loops
    )
    let requests = MethodRequests(hub: hub)
    let shared = SharedPortChannel(
      tls: tls,
      timeouts: SharedPortTimeouts(),
      connections: loops.sharedPort,
      responder: { request, writer, channel in
        let response = await requests.respond(to: request)
        if response.status != .unauthorized { loops.sharedPort.authenticated(channel) }
        try await writer.write(response: response.head, body: response.body)
      },
      addStream: { channel, peer, inside in
        guard inside == .mqtt else { throw ChannelError.eof }
        try loops.add(to: channel, peer: peer)
      }
    )
    let bound = BoundPort()
    let https = shared.server(
      configuration: ServerConfiguration(
        address: .hostname(options.host, port: options.httpsPort),
        serverName: nil
      ),
      onServerRunning: { channel in
        bound.set(channel.localAddress?.port)
        onReady(LocalHubPorts(mqtt: mqtt.port, https: channel.localAddress?.port ?? 0))
      },
      eventLoopGroup: group,
      logger: logger
    )
    let services: [any Service] = [
      mqtt,
      HTTPListener(
        server: https,
        host: (options.host, "hub.host"),
        port: (options.httpsPort, "hub.https_port"),
        isBound: { bound.isSet }
      ),
      MemoryReturn(loops: loops),
    ]
    var configuration = ServiceGroupConfiguration(
      services: services.map { .init(service: $0) },
      logger: Logger(label: "orrery.lifecycle") { _ in SwiftLogNoOpLogHandler() }
    )
    configuration.maximumGracefulShutdownDuration = .seconds(8)
    let serviceGroup = ServiceGroup(configuration: configuration)
    do {
      try await withGracefulShutdownHandler {
        try await serviceGroup.run()
      } onGracefulShutdown: {
        Task { await serviceGroup.triggerGracefulShutdown() }
      }
    } catch {
      await loops.stop(within: .seconds(2))
      throw error
    }
    await loops.stop(within: .seconds(2))
  }
}

/// Whether a port was bound.
private final class BoundPort: Sendable {
  private let port = Mutex<Int?>(nil)
  var isSet: Bool { port.withLock { $0 != nil } }
  func set(_ number: Int?) { port.withLock { $0 = number } }
}

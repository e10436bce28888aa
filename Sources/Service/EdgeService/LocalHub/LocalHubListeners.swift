import AMQPEndpoints
import ByteIO
import Endpoints
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Platform
import ServiceLifecycle
import Synchronization

/// The ports that a local hub was given.
package struct LocalHubPorts: Equatable, Sendable {
  /// Nil where MQTT is not served.
  package var mqtt: Int?
  /// Nil where AMQP is not served.
  package var amqp: Int?
  /// Nil where HTTPS is not served.
  package var https: Int?
}

/// The local hub's listeners: one set that can be run and stopped.
struct LocalHubListeners {
  let hub: LocalHub
  let tls: ServerTLS
  let group: MultiThreadedEventLoopGroup

  /// Binds and serves until the task is cancelled.
  ///
  /// - Throws: `SettingsFault` for a port that can't be had.
  func run(onReady: @escaping @Sendable (LocalHubPorts) -> Void) async throws {
    let (options, logger) = (hub.options, hub.logger)
    var limits = DeviceLimits(quotas: hub.quotas, connectSeconds: 60)
    limits.inputSilenceSeconds = options.variables.messageAckSeconds
    let loops = try await DeviceLoops(
      group: group,
      backend: hub,
      log: hub.store,
      router: hub.router,
      limits: limits,
      messagesPerSecond: nil,
      unauthenticated: 1_000,
      logger: logger
    )
    let service = AMQPService(
      backend: hub,
      log: hub.store,
      router: hub.router,
      limits: limits,
      unauthenticated: 1_000,
      logger: logger
    )
    let isMQTTServed = options.variables.servesMQTT
    let mqtt =
      isMQTTServed
      ? try await MQTTListener(
        group: group,
        host: options.host,
        port: options.mqttPort,
        setting: "hub.mqtt_port",
        tls: tls,
        loops: loops
      ) : nil
    let isAMQPServed = options.variables.servesAMQP
    let amqp =
      isAMQPServed
      ? try await AMQPListener(
        group: group,
        host: options.host,
        port: options.amqpPort,
        setting: "hub.amqp_port",
        tls: tls,
        service: service
      ) : nil
    let requests = LocalHubRequests(hub: hub)
    let shared = SharedPortChannel(
      tls: tls,
      timeouts: SharedPortTimeouts(),
      connections: loops.sharedPort,
      responder: { request, writer, channel in
        let response = await requests.respond(to: request) { await channel.presentedChain() }
        // What is refused may have been refused before anybody asked for a credential.
        if response.status.kind != .clientError { loops.sharedPort.authenticated(channel) }
        try await writer.write(response: response.head, body: response.body)
      },
      forwarded: { [proxy = CertificateProxy(hub: hub)] head in
        // Of two, one could be the client's own.
        let names = [CertificateProxy.header, "Authorization"]
        guard names.allSatisfy({ head.headers[$0].count == 1 }) else { return nil }
        return proxy.certificate(
          head.headers.first(name: CertificateProxy.header),
          authorization: head.headers.first(name: "Authorization")
        )
      },
      addStream: { channel, peer, inside in
        switch inside {
        case .mqtt where isMQTTServed: try loops.add(to: channel, peer: peer)
        case .amqp where isAMQPServed: try service.add(to: channel, peer: peer)
        case .mqtt, .amqp: throw ChannelError.eof
        }
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
        onReady(
          LocalHubPorts(
            mqtt: mqtt?.port,
            amqp: amqp?.port,
            https: channel.localAddress?.port
          )
        )
      },
      eventLoopGroup: group,
      logger: logger
    )
    var services: [any Service] = [MemoryReturn(loops: loops)]
    if let mqtt { services.append(mqtt) }
    if options.variables.servesHTTPS {
      services.append(
        HTTPListener(
          server: https,
          host: (options.host, "hub.host"),
          port: (options.httpsPort, "hub.https_port"),
          isBound: { bound.isSet }
        )
      )
    } else {
      onReady(LocalHubPorts(mqtt: mqtt?.port, amqp: amqp?.port))
    }
    if let amqp { services.append(amqp) }
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

package import Endpoints
package import NIOCore
import ServiceLifecycle

/// The port on which services and devices speak AMQP.
package struct AMQPListener: Service {
  private let channel: any Channel
  private let service: AMQPService
  /// The port that was bound.
  package let port: Int

  /// Binds; clients are served from now on.
  ///
  /// `setting` is where the port comes from.
  /// Throws a `SettingsFault` that says which address and how to mend it.
  package init(
    group: any EventLoopGroup,
    host: String,
    port: Int,
    setting: String = "listen.amqp_port",
    tls: ServerTLS,
    service: AMQPService
  ) async throws {
    self.service = service
    channel = try await ListeningPort.bind(
      group: group,
      host: host,
      port: port,
      setting: setting,
      tls: tls,
      waterMark: .init(low: 256 << 10, high: 1 << 20)
    ) { channel, peer in try service.add(to: channel, peer: peer) }
    self.port = channel.localAddress?.port ?? port
  }

  package func run() async throws {
    try? await gracefulShutdown()
    try? await channel.close()
    await service.stop()
  }
}

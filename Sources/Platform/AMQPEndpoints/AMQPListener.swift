package import Endpoints
package import NIOCore
import NIOPosix
import Platform
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
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 4_096)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(
        .writeBufferWaterMark,
        value: .init(low: 256 << 10, high: 1 << 20)
      )
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let peer = PeerCertificates(eventLoop: channel.eventLoop)
          try channel.pipeline.syncOperations.addHandler(tls.makeHandler(peer: peer))
          try service.add(to: channel, peer: peer)
        }
      }
    do {
      channel = try await bootstrap.bind(host: host, port: port).get()
    } catch {
      throw SettingsFault.listener(host, port, "listen.host", setting, error)
    }
    self.port = channel.localAddress?.port ?? port
  }

  package func run() async throws {
    try? await gracefulShutdown()
    try? await channel.close()
    await service.stop()
  }
}

package import NIOCore
import NIOPosix
import Platform
import ServiceLifecycle

/// A port on which devices speak MQTT.
package struct MQTTListener: Service {
  private let channel: any Channel
  /// The port that was bound.
  package let port: Int

  /// Binds; devices are served from now on.
  ///
  /// Without `tls` it serves in clear, on loopback alone. `setting` is where the port comes from.
  /// Throws a `SettingsFault` that says which address and how to mend it.
  package init(
    group: any EventLoopGroup,
    host: String,
    port: Int,
    setting: String = "listen.mqtt_port",
    tls: ServerTLS?,
    loops: DeviceLoops
  ) async throws {
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 4_096)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let peer = PeerCertificates(eventLoop: channel.eventLoop)
          if let tls {
            try channel.pipeline.syncOperations.addHandler(tls.makeHandler(peer: peer))
          }
          try loops.add(to: channel, peer: peer)
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
  }
}

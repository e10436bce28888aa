package import NIOCore
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
    channel = try await ListeningPort.bind(
      group: group,
      host: host,
      port: port,
      setting: setting,
      tls: tls
    ) { channel, peer in try loops.add(to: channel, peer: peer) }
    self.port = channel.localAddress?.port ?? port
  }

  package func run() async throws {
    try? await gracefulShutdown()
    try? await channel.close()
  }
}

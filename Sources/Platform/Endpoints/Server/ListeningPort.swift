package import NIOCore
import NIOPosix
import Platform

/// A port that is listened on, the connections of which are handed on one by one.
package enum ListeningPort {
  /// Binds a port; connections are served from now on.
  ///
  /// - Parameters:
  ///   - group: The loops that serve.
  ///   - host: The address.
  ///   - port: The port, 0 for any.
  ///   - setting: Where the port comes from.
  ///   - tls: What a connection begins with, nil for nothing.
  ///   - waterMark: How many bytes may wait to be written, nil for NIO's own limits.
  ///   - add: Takes a connection over, on its loop, behind TLS.
  /// - Returns: What listens.
  /// - Throws: `SettingsFault`, which address cannot be had and how to mend it.
  package static func bind(
    group: any EventLoopGroup,
    host: String,
    port: Int,
    setting: String,
    tls: ServerTLS?,
    waterMark: ChannelOptions.Types.WriteBufferWaterMark? = nil,
    add: @escaping @Sendable (any Channel, PeerCertificates) throws -> Void
  ) async throws -> any Channel {
    var bootstrap = ServerBootstrap(group: group)
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
          try add(channel, peer)
        }
      }
    if let waterMark {
      bootstrap = bootstrap.childChannelOption(.writeBufferWaterMark, value: waterMark)
    }
    do {
      return try await bootstrap.bind(host: host, port: port).get()
    } catch {
      throw SettingsFault.listener(host, port, "listen.host", setting, error)
    }
  }
}

package import AsyncHTTPClient
import NIOCore
package import NIOSSL
import Synchronization

/// HTTP clients for servers elsewhere, one a host, since a proxy may be for some hosts alone.
package final class HostClients: Sendable {
  private let tls: TLSConfiguration
  private let proxy: @Sendable (String) -> HTTPClient.Configuration.Proxy?
  private let clients = Mutex<[String: HTTPClient]>([:])

  private static let connectSeconds: Int64 = 10
  /// Seconds that a server may be silent.
  private static let silenceSeconds: Int64 = 120

  /// Makes clients as they are needed; `close` them.
  ///
  /// - Parameters:
  ///   - tls: authorities and protocol versions.
  ///   - proxy: the proxy to a host, with or without port; nil for none.
  package init(
    tls: TLSConfiguration = .makeClientConfiguration(),
    proxy: @escaping @Sendable (String) -> HTTPClient.Configuration.Proxy? = { _ in nil }
  ) {
    self.tls = tls
    self.proxy = proxy
  }

  /// The client for a host, with or without port.
  package func client(for host: String) -> HTTPClient {
    clients.withLock { clients in
      if let client = clients[host] { return client }
      var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
      configuration.timeout.connect = .seconds(Self.connectSeconds)
      configuration.timeout.read = .seconds(Self.silenceSeconds)
      configuration.connectionPool.retryConnectionEstablishment = false
      configuration.httpVersion = .http1Only
      // Registries give blobs away from elsewhere; the header with the credential stays behind then.
      configuration.redirectConfiguration = .follow(max: 5, allowCycles: false)
      configuration.proxy = proxy(host)
      let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
      clients[host] = client
      return client
    }
  }

  /// Ends all connections.
  package func close() async {
    let open = clients.withLock { clients in
      defer { clients = [:] }
      return Array(clients.values)
    }
    for client in open { try? await client.shutdown() }
  }
}

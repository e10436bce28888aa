import AsyncHTTPClient
import NIOCore
import NIOSSL

extension HTTPClient {
  /// A client for what the hub itself asks of others; `shutdown` it.
  ///
  /// Over verified TLS, without redirections, and each request once: trying again is a rule of whoever
  /// asks.
  convenience init(tls: TLSConfiguration, connectSeconds: Int64, connectionsPerHost: Int) {
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
    configuration.timeout.connect = .seconds(connectSeconds)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    // Not the loops of devices: what happens here is no burden of theirs.
    self.init(eventLoopGroupProvider: .singleton, configuration: configuration)
  }
}

import Platform
package import ServiceLifecycle

/// A listener of HTTP, which binds when it runs; a failure to do so is told with the address.
package struct HTTPListener: Service {
  private let server: any Service
  private let host: (address: String, setting: String)
  private let port: (number: Int, setting: String)
  private let isBound: @Sendable () -> Bool

  /// Runs `server`.
  ///
  /// - Parameters:
  ///   - server: Binds when it runs.
  ///   - host: Where it binds, and the setting that says so.
  ///   - port: The port likewise.
  ///   - isBound: Whether it has been bound: what fails later is no matter of the address.
  package init(
    server: any Service,
    host: (address: String, setting: String),
    port: (number: Int, setting: String),
    isBound: @escaping @Sendable () -> Bool
  ) {
    self.server = server
    self.host = host
    self.port = port
    self.isBound = isBound
  }

  package func run() async throws {
    do {
      try await server.run()
    } catch  where !isBound() && !(error is CancellationError) {
      throw SettingsFault.listener(host.address, port.number, host.setting, port.setting, error)
    }
  }
}

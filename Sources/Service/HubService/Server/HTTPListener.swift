import Platform
import ServiceLifecycle

/// A listener of HTTP, which binds when it runs; a failure to do so is told with the address.
struct HTTPListener: Service {
  let server: any Service
  /// Where it binds, and the setting that says so.
  let host: (address: String, setting: String)
  let port: (number: Int, setting: String)
  /// Whether it has been bound: what fails later is no matter of the address.
  let isBound: @Sendable () -> Bool

  func run() async throws {
    do {
      try await server.run()
    } catch  where !isBound() && !(error is CancellationError) {
      throw SettingsFault.listener(host.address, port.number, host.setting, port.setting, error)
    }
  }
}

import Logging
import Platform
import ServiceLifecycle

/// Takes a new server certificate while the hub runs: one that the operator has put in place of the
/// old, and the hub's own before it ends.
struct CertificateRenewal: Service {
  /// How often the files are looked at.
  private static let interval: Duration = .seconds(10)

  let identity: HubIdentity
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      // Told once: while the two files are exchanged they do not fit each other.
      var told: String?
      while !Task.isCancelled {
        try? await Pause.sleep(for: Self.interval)
        do {
          if try identity.refresh(now: SystemClock.wallMilliseconds() / 1_000) {
            logger.notice("new connections get another certificate")
          }
          told = nil
        } catch {
          let text = "\(error)"
          if text != told {
            logger.error(
              "the certificate was not taken, the old one stays",
              metadata: ["error": "\(text)"]
            )
          }
          told = text
        }
      }
    }
  }
}

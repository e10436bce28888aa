import NIOSSL
import Platform

/// What the hub's owner has set about all endpoints.
struct EndpointRules: Sendable {
  /// Who may vouch for webhooks' receivers, beside the system's authorities.
  let authorities: [NIOSSLCertificate]
  /// Whether webhooks' receivers on this machine may do without TLS.
  let allowsPlainWebhooks: Bool
  /// Whether MQTT servers on this machine may do without TLS.
  let allowsPlainMQTT: Bool

  /// Reads the authorities' file.
  ///
  /// Throws a `SettingsFault` if it can't be used.
  init(_ settings: HubSettings) throws {
    allowsPlainWebhooks = settings.allowsPlainWebhooks
    allowsPlainMQTT = settings.allowsPlainMQTT
    guard let path = settings.webhookAuthorityPath else {
      authorities = []
      return
    }
    do {
      authorities = try NIOSSLCertificate.fromPEMFile(path)
    } catch {
      throw SettingsFault(
        "routing.webhook_ca: cannot read certificates in PEM form from \(path)",
        remedy: "Name a PEM file of certificates that the hub's user can read."
      )
    }
  }
}

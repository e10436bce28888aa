import HubContract
import Platform

// What is particular to webhooks.
extension RoutingService {
  /// Posts the events of `endpoint` until cancelled, or of one that drains, until `ends`.
  func post(
    _ endpoint: RoutingEndpoint,
    _ settings: WebhookEndpoint,
    _ client: WebhookClient,
    until ends: [UInt64]?
  ) async {
    do throws(HubError) {
      // The hub's settings may have changed since the endpoint was made.
      try checkEncryption(settings, of: endpoint.name)
    } catch {
      return report(endpoint, .failed(error.message))
    }
    let target = WebhookTarget(
      settings: settings,
      hubName: hubName,
      client: client,
      secretPath: settings.secret.map { secretPath($0.name) }
    )
    await deliver(endpoint, to: target, until: ends)
  }

  /// Refuses a webhook that can't be served as the hub is set.
  func check(_ settings: WebhookEndpoint, of endpoint: String) throws(HubError) {
    try checkEncryption(settings, of: endpoint)
    if let secret = settings.secret, !PrivateFile.exists(secretPath(secret.name)) {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(endpoint): there is no file \(Self.secretFolder)/\(secret.name) in the hub's data"
          + " directory; put the value of the header \(secret.header) into it, with mode 0600."
      )
    }
  }

  private func checkEncryption(
    _ settings: WebhookEndpoint,
    of endpoint: String
  ) throws(HubError) {
    if !settings.isEncrypted, !(rules.allowsPlainWebhooks && settings.isLoopback) {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(endpoint): its uri must be https; http goes to this machine itself alone, such as"
          + " http://127.0.0.1/, and only where the setting routing.webhook_plain_http is true."
      )
    }
  }
}

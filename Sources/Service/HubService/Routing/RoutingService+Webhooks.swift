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
    let positions = EndpointPositions(
      checkpoint(endpoint),
      partitionCount: log.partitionCount,
      now: SystemClock.now()
    )
    let delivery = WebhookDelivery(
      endpoint: endpoint,
      settings: settings,
      hubName: hubName,
      log: log,
      client: client,
      positions: positions,
      deadLetters: DeadLetterFile(path: deadLetterPath(of: endpoint.name)),
      secretPath: settings.secret.map { secretPath($0.name) },
      report: { self.report(endpoint, $0) }
    )
    do throws(HubError) {
      // The hub's settings may have changed since the endpoint was made.
      try checkEncryption(settings, of: endpoint.name)
    } catch {
      return report(endpoint, .failed(error.message))
    }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await delivery.run() }
      if let ends {
        group.addTask {
          while !Task.isCancelled, !positions.hasReached(ends) {
            try? await Pause.sleep(for: .milliseconds(200))
          }
        }
      }
      await group.next()
      group.cancelAll()
    }
    // If that fails, the next change of the routes or the next life tries again.
    if let ends, positions.hasReached(ends) { _ = forget(endpoint) }
  }

  func deadLetterPath(of endpoint: String) -> String {
    "\(directory)/\(Self.deadLetterFolder)/\(endpoint).jsonl"
  }

  private func secretPath(_ name: String) -> String {
    "\(directory)/\(Self.secretFolder)/\(name)"
  }

  /// Where what was given up is kept.
  static let deadLetterFolder = "dead-letters"
  /// Where the secrets of webhooks are kept, by people.
  static let secretFolder = "secrets"

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
    if !settings.isEncrypted, !(webhooks.allowsPlainLoopback && settings.isLoopback) {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(endpoint): its uri must be https; http goes to this machine itself alone, such as"
          + " http://127.0.0.1/, and only where the setting routing.webhook_plain_http is true."
      )
    }
  }
}

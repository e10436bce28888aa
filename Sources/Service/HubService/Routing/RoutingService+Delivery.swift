import HubContract
import Platform

// What webhooks and topics share.
extension RoutingService {
  /// Brings the events of `endpoint` to `target` until cancelled, or of one that drains, until `ends`.
  func deliver(
    _ endpoint: RoutingEndpoint,
    to target: any DeliveryTarget,
    until ends: [UInt64]?
  ) async {
    let positions = EndpointPositions(
      checkpoint(endpoint),
      partitionCount: log.partitionCount,
      now: SystemClock.now()
    )
    let delivery = EventDelivery(
      endpoint: endpoint,
      target: target,
      hubName: hubName,
      log: log,
      positions: positions,
      deadLetters: DeadLetterFile(path: deadLetterPath(of: endpoint.name)),
      report: { self.report(endpoint, $0) }
    )
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

  func secretPath(_ name: String) -> String { "\(directory)/\(Self.secretFolder)/\(name)" }

  /// Where what was given up is kept.
  static let deadLetterFolder = "dead-letters"
  /// Where people keep what the hub proves itself with at endpoints.
  static let secretFolder = "secrets"
}

package import AMQP
package import HubContract

/// One link of a connection, by what it is for.
///
/// Confined to the connection's event loop.
package protocol AMQPLink: AnyObject {
  /// What a token must cover for the link to stay; nil if none is needed.
  var requirement: AMQPRequirement? { get }
  /// A message came.
  func delivered(_ delivery: AMQPDelivery)
  /// The peer's credit changed, or the socket takes more.
  func credited()
  /// The peer settled what was sent.
  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome)
  /// A second has passed.
  func tick()
  /// The link is gone.
  func ended()
}

extension AMQPLink {
  package func delivered(_ delivery: AMQPDelivery) {}
  package func credited() {}
  package func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {}
  package func tick() {}
  package func ended() {}
}

/// What a link needs.
package struct AMQPRequirement {
  package let address: LinkAddress
  package let rights: AccessRights

  package init(address: LinkAddress, rights: AccessRights) {
    self.address = address
    self.rights = rights
  }
}

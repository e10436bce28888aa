import AMQP
import HubContract
import HubEngine

/// One link of a connection, by what it is for.
///
/// Confined to the connection's event loop.
protocol AMQPLink: AnyObject {
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
  func delivered(_ delivery: AMQPDelivery) {}
  func credited() {}
  func settled(_ id: DeliveryID, _ outcome: AMQPOutcome) {}
  func tick() {}
  func ended() {}
}

/// What a link needs.
struct AMQPRequirement {
  let address: LinkAddress
  let rights: AccessRights
}

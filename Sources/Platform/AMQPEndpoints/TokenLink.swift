import AMQP

/// A client's link to `$cbs`, in either direction.
final class TokenLink: AMQPLink {
  private let id: LinkID
  private unowned let peer: AMQPPeer

  var requirement: AMQPRequirement? { nil }

  init(_ id: LinkID, _ peer: AMQPPeer) {
    self.id = id
    self.peer = peer
  }

  func delivered(_ delivery: AMQPDelivery) {
    guard let request = peer.tokens.delivered(delivery, on: &peer.connection) else { return }
    peer.answerToken(request)
  }

  func credited() { peer.tokens.credited(on: &peer.connection) }
  func ended() { peer.tokens.detached(id) }
}

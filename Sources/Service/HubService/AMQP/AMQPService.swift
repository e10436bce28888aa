import Endpoints
import NIOCore
import Synchronization

/// What all AMQP connections of the hub share.
final class AMQPService: Sendable {
  let hub: Hub
  let authenticator: AMQPAuthenticator
  let events: EventStreams
  private let peers = Mutex<[ObjectIdentifier: NIOLoopBound<AMQPPeer>]>([:])
  private let limit: Int

  init(hub: Hub) {
    self.hub = hub
    authenticator = AMQPAuthenticator(hub: hub)
    events = EventStreams(hub: hub)
    limit = hub.settings.unauthenticatedConnections
  }

  /// Connections now.
  var count: Int { peers.withLock { $0.count } }

  func entered(_ id: ObjectIdentifier, _ peer: NIOLoopBound<AMQPPeer>) {
    peers.withLock { $0[id] = peer }
  }

  func left(_ id: ObjectIdentifier) { peers.withLock { _ = $0.removeValue(forKey: id) } }

  /// Adds the handler of a connection to `channel`; on its loop.
  func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard count < limit else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      AMQPHandler(shared: self, certificates: peer)
    )
  }

  /// Tells every client that the hub stops.
  func stop() async {
    let all = peers.withLock { Array($0.values) }
    for peer in all { try? await peer.eventLoop.submit { peer.value.stop() }.get() }
  }
}

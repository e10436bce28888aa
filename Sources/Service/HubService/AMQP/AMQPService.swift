import Endpoints
import NIOCore
import Synchronization

/// What all AMQP connections of the hub share.
final class AMQPService: Sendable {
  let hub: Hub
  let authenticator: AMQPAuthenticator
  let events: EventStreams
  /// Counts connections that showed nothing in time.
  let counters = EndpointCounters()
  private struct State {
    var peers: [ObjectIdentifier: NIOLoopBound<AMQPPeer>] = [:]
    /// Those that have shown no credential yet.
    var strangers: Set<ObjectIdentifier> = []
  }

  private let state = Mutex(State())
  /// How many connections there may be that have shown no credential.
  let limit: UnauthenticatedLimit

  init(hub: Hub) {
    self.hub = hub
    authenticator = AMQPAuthenticator(hub: hub)
    events = EventStreams(hub: hub)
    limit = UnauthenticatedLimit(
      "amqp",
      limit: hub.settings.unauthenticatedConnections,
      logger: hub.logger
    )
  }

  /// Connections now.
  var count: Int { state.withLock { $0.peers.count } }

  /// Those that have shown no credential yet.
  var strangerCount: Int { state.withLock { $0.strangers.count } }

  func entered(_ id: ObjectIdentifier, _ peer: NIOLoopBound<AMQPPeer>) {
    state.withLock { state in
      state.peers[id] = peer
      state.strangers.insert(id)
    }
  }

  /// The connection called `id` has shown a credential that holds.
  func authenticated(_ id: ObjectIdentifier) { state.withLock { _ = $0.strangers.remove(id) } }

  func left(_ id: ObjectIdentifier) {
    state.withLock { state in
      state.peers[id] = nil
      state.strangers.remove(id)
    }
  }

  /// Adds the handler of a connection to `channel`; on its loop.
  func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard limit.admits(strangerCount) else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      AMQPHandler(shared: self, certificates: peer)
    )
  }

  /// Tells every client that the hub stops.
  func stop() async {
    let all = state.withLock { Array($0.peers.values) }
    for peer in all { try? await peer.eventLoop.submit { peer.value.stop() }.get() }
  }
}

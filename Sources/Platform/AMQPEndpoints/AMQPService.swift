package import Endpoints
package import Logging
package import NIOCore
import Synchronization

/// What all AMQP connections of a service share.
package final class AMQPService: Sendable {
  let backend: any AMQPBackend
  let devices: any DeviceBackend
  let authenticator: AMQPAuthenticator
  let log: (any TelemetryLog)?
  let router: (any TelemetryRouter)?
  let limits: DeviceLimits
  let logger: Logger
  /// Counts connections that showed nothing in time.
  package let counters = EndpointCounters()
  private struct State {
    var peers: [ObjectIdentifier: NIOLoopBound<AMQPPeer>] = [:]
    /// Those that have shown no credential yet.
    var strangers: Set<ObjectIdentifier> = []
  }

  private let state = Mutex(State())
  /// How many connections there may be that have shown no credential.
  package let limit: UnauthenticatedLimit

  /// Prepares the AMQP of a service.
  ///
  /// - Parameters:
  ///   - backend: Decides about clients, and keeps what devices send.
  ///   - log: Where telemetry is made durable; nil keeps none.
  ///   - router: Decides where telemetry goes.
  ///   - limits: What a device may do at most.
  ///   - unauthenticated: Connections that may stand without having shown a credential.
  ///   - logger: For all of them.
  package init(
    backend: any AMQPBackend,
    log: (any TelemetryLog)?,
    router: (any TelemetryRouter)?,
    limits: DeviceLimits,
    unauthenticated: Int,
    logger: Logger
  ) {
    self.backend = backend
    devices = backend.devices
    authenticator = AMQPAuthenticator(backend: backend)
    self.log = log
    self.router = router
    self.limits = limits
    self.logger = logger
    limit = UnauthenticatedLimit("amqp", limit: unauthenticated, logger: logger)
  }

  /// Connections now.
  package var count: Int { state.withLock { $0.peers.count } }

  /// Those that have shown no credential yet.
  package var strangerCount: Int { state.withLock { $0.strangers.count } }

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
  package func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard limit.admits(strangerCount) else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      AMQPHandler(shared: self, certificates: peer)
    )
  }

  /// Tells every client that the service stops.
  package func stop() async {
    let all = state.withLock { Array($0.peers.values) }
    for peer in all { try? await peer.eventLoop.submit { peer.value.stop() }.get() }
  }
}

import ByteIO
package import Logging
package import NIOCore
import Platform
import Synchronization

/// The shared state of each event loop, and how a connection finds its own.
package struct DeviceLoops: Sendable {
  private let loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>]
  private let eventLoops: [any EventLoop]
  /// The counters of the loops.
  private let loopCounters: [EndpointCounters]
  /// How many connections of MQTT there may be that have not said who they are.
  package let limit: UnauthenticatedLimit
  /// The connections of the shared port.
  package let sharedPort: SharedPortConnections

  /// The counters of all loops, and those of the shared port last.
  package var counters: [EndpointCounters] { loopCounters + [sharedPort.counters] }

  /// Makes the state of every loop of `group`.
  ///
  /// - Parameters:
  ///   - group: The loops that connections live on.
  ///   - backend: Decides about and keeps what devices send.
  ///   - log: Where telemetry is made durable; nil keeps none.
  ///   - router: Decides where telemetry goes.
  ///   - limits: What a connection may do at most.
  ///   - messagesPerSecond: Telemetry that all loops take together; nil for any.
  ///   - unauthenticated: Connections of each protocol that may stand without having said who they
  ///     are.
  ///   - logger: For all of them.
  /// - Throws: Why a loop takes no work.
  package init(
    group: any EventLoopGroup,
    backend: any DeviceBackend,
    log: (any TelemetryLog)?,
    router: (any TelemetryRouter)?,
    limits: DeviceLimits,
    messagesPerSecond: Int?,
    unauthenticated: Int,
    logger: Logger
  ) async throws {
    var loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>] = [:]
    var counters: [EndpointCounters] = []
    let all = Array(group.makeIterator())
    // One for all loops: an edge comes back on any of them.
    let edgeMessages = EdgeMessageMemory()
    var limits = limits
    limits.messagesPerSecond = messagesPerSecond.map { max(1, $0 / all.count) }
    let fixed = limits
    for loop in all {
      let (bound, counter) = try await loop.submit {
        let state = DeviceLoop(
          eventLoop: loop,
          backend: backend,
          log: log,
          router: router,
          limits: fixed,
          edgeMessages: edgeMessages,
          logger: logger
        )
        return (NIOLoopBound(state, eventLoop: loop), state.metrics)
      }.get()
      loops[ObjectIdentifier(loop)] = bound
      counters.append(counter)
    }
    self.loops = loops
    eventLoops = all
    loopCounters = counters
    limit = UnauthenticatedLimit("mqtt", limit: unauthenticated, logger: logger)
    sharedPort = SharedPortConnections(
      limit: UnauthenticatedLimit("https", limit: unauthenticated, logger: logger)
    )
  }

  /// Connections of all ports.
  package var connectionCount: Int {
    counters.reduce(0) {
      $0 + $1.connections.load(ordering: .relaxed) + $1.sharedConnections.load(ordering: .relaxed)
    }
  }

  /// Connections of MQTT that have not yet said who they are.
  package var unauthenticatedCount: Int {
    loopCounters.reduce(0) { $0 + $1.unauthenticated.load(ordering: .relaxed) }
  }

  /// Closes every connection and waits until their ends are told, at most `limit`.
  package func stop(within limit: Duration) async {
    for eventLoop in eventLoops {
      guard let loop = loops[ObjectIdentifier(eventLoop)] else { continue }
      try? await eventLoop.submit { loop.value.stop() }.get()
    }
    let deadline = SystemClock.now().adding(milliseconds: UInt64(limit.components.seconds) * 1_000)
    while counters.contains(where: { $0.connections.load(ordering: .relaxed) > 0 }),
      SystemClock.now() < deadline
    {
      try? await Pause.sleep(for: .milliseconds(5))
    }
  }

  /// Returns when everything that connections had decided before is on its way to the log, or in it.
  ///
  /// A connection over AMQP decides and submits in one turn of its loop; one over MQTT leaves the
  /// message in its loop's batch.
  package func settle() async {
    for eventLoop in eventLoops {
      await withCheckedContinuation { continuation in
        eventLoop.execute {
          guard let loop = loops[ObjectIdentifier(eventLoop)] else { return continuation.resume() }
          loop.value.settle { continuation.resume() }
        }
      }
    }
  }

  /// Adds the handler of a device's connection to `channel`; on its loop.
  package func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard let loop = loops[ObjectIdentifier(channel.eventLoop)],
      limit.admits(unauthenticatedCount)
    else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      DeviceConnection(loop: loop.value, peer: peer)
    )
  }
}

import ByteIO
import Endpoints
import Logging
import NIOCore
import NIOPosix
import Platform
import Synchronization

/// The shared state of each event loop, and how a connection finds its own.
struct DeviceLoops: Sendable {
  private let loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>]
  private let eventLoops: [any EventLoop]
  /// The counters of the loops.
  private let loopCounters: [EndpointCounters]
  /// How many connections of MQTT there may be that have not said who they are.
  let limit: UnauthenticatedLimit
  /// The connections of the shared port.
  let sharedPort: SharedPortConnections

  /// The counters of all loops, and those of the shared port last.
  var counters: [EndpointCounters] { loopCounters + [sharedPort.counters] }

  init(
    group: MultiThreadedEventLoopGroup,
    hub: Hub,
    settings: HubSettings,
    logger: Logger
  ) async throws {
    var loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>] = [:]
    var counters: [EndpointCounters] = []
    var limits = DeviceLimits(quotas: settings.quotas, connectSeconds: settings.connectSeconds)
    if let rate = settings.throttles["d2c_per_second"], rate > 0 {
      limits.messagesPerSecond = max(1, rate / Array(group.makeIterator()).count)
    }
    let log: EventLog? = settings.isLogEnabled ? hub.events : nil
    let fixed = limits
    for loop in group.makeIterator() {
      let (bound, counter) = try await loop.submit {
        let state = DeviceLoop(
          eventLoop: loop,
          backend: hub,
          log: log,
          router: hub.routing,
          limits: fixed,
          logger: logger
        )
        return (NIOLoopBound(state, eventLoop: loop), state.metrics)
      }.get()
      loops[ObjectIdentifier(loop)] = bound
      counters.append(counter)
    }
    self.loops = loops
    eventLoops = Array(group.makeIterator())
    loopCounters = counters
    let most = settings.unauthenticatedConnections
    limit = UnauthenticatedLimit("mqtt", limit: most, logger: logger)
    sharedPort = SharedPortConnections(
      limit: UnauthenticatedLimit("https", limit: most, logger: logger)
    )
  }

  /// Connections of all ports.
  var connectionCount: Int {
    counters.reduce(0) {
      $0 + $1.connections.load(ordering: .relaxed) + $1.sharedConnections.load(ordering: .relaxed)
    }
  }

  /// Connections of MQTT that have not yet said who they are.
  var unauthenticatedCount: Int {
    loopCounters.reduce(0) { $0 + $1.unauthenticated.load(ordering: .relaxed) }
  }

  /// Closes every connection and waits until their ends are told, at most `limit`.
  func stop(within limit: Duration) async {
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
  func settle() async {
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
  func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard let loop = loops[ObjectIdentifier(channel.eventLoop)],
      limit.admits(unauthenticatedCount)
    else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      DeviceConnection(loop: loop.value, peer: peer)
    )
  }
}

import Endpoints
import Logging
import NIOCore
import NIOPosix
import Platform

/// The shared state of each event loop, and how a connection finds its own.
struct DeviceLoops: Sendable {
  private let loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>]
  /// The counters of all loops.
  let counters: [EndpointCounters]

  init(
    group: MultiThreadedEventLoopGroup,
    hub: Hub,
    settings: HubSettings,
    logger: Logger
  ) async throws {
    var loops: [ObjectIdentifier: NIOLoopBound<DeviceLoop>] = [:]
    var counters: [EndpointCounters] = []
    let limits = DeviceLimits(quotas: settings.quotas, connectSeconds: settings.connectSeconds)
    let log: EventLog? = settings.isLogEnabled ? hub.events : nil
    for loop in group.makeIterator() {
      let (bound, counter) = try await loop.submit {
        let state = DeviceLoop(
          eventLoop: loop,
          backend: hub,
          log: log,
          limits: limits,
          logger: logger
        )
        return (NIOLoopBound(state, eventLoop: loop), state.metrics)
      }.get()
      loops[ObjectIdentifier(loop)] = bound
      counters.append(counter)
    }
    self.loops = loops
    self.counters = counters
  }

  /// Adds the handler of a device's connection to `channel`; on its loop.
  func add(to channel: any Channel, peer: PeerCertificates) throws {
    guard let loop = loops[ObjectIdentifier(channel.eventLoop)] else { throw ChannelError.eof }
    try channel.pipeline.syncOperations.addHandler(
      DeviceConnection(loop: loop.value, peer: peer)
    )
  }
}

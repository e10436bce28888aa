import ByteIO
package import HubContract
import Platform
package import Logging
package import MessageLog
package import NIOCore

/// What the connections of one event loop share: the batch for the log, and who waits for it.
///
/// Records of all connections gather in one batch until the loop's turn ends. The batch then goes
/// to the log; while it is under way the next one gathers, so that under load each commit takes all
/// that came during the one before. When it is durable, each connection gets its PUBACKs in one
/// write.
///
/// Confined to its event loop.
package final class DeviceLoop {
  /// Messages of one connection that ride in a batch, in order.
  private struct Rider {
    let slot: Int
    let generation: UInt32
    var identifierCount: UInt32
  }

  /// Bytes in the gathering batch at which connections stop being read until the log has caught up.
  private static let pausingBytes = 2 << 20

  let eventLoop: any EventLoop
  let backend: any DeviceBackend
  let counters: EndpointCounters
  let logger: Logger
  let limits: DeviceLimits
  let edgeMessages: EdgeMessageMemory
  private let log: (any TelemetryLog)?
  private let router: (any TelemetryRouter)?

  private var batch: TelemetryBatch
  private var spare: TelemetryBatch?
  private var riders: [Rider] = []
  private var identifiers: [UInt16] = []
  private var ridersUnderWay: [Rider] = []
  private var identifiersUnderWay: [UInt16] = []
  /// Messages of edges in the batch, to be remembered when they are durable.
  private var identified: [(messages: EdgeMessages, id: EdgeMessageID)] = []
  private var identifiedUnderWay: [(messages: EdgeMessages, id: EdgeMessageID)] = []
  private var isUnderWay = false
  private var isFlushScheduled = false
  private var paused: [DeviceConnection] = []
  /// Who waits for what was taken so far, and for how many commits.
  private var settling: [(commits: Int, reply: @Sendable () -> Void)] = []
  private var lastRefusal: LogFault?
  /// Messages that may still come in this second; nil without a rate.
  private var budget: Int?
  private var refusedSinceReport = 0

  private var connections: [DeviceConnection?] = []
  private var generations: [UInt32] = []
  private var free: [Int] = []
  private var bound: NIOLoopBound<DeviceLoop>?

  /// Creates the shared state of `eventLoop`; call on that loop.
  ///
  /// Without `log`, telemetry is acknowledged at the turn's end and not kept.
  package init(
    eventLoop: any EventLoop,
    backend: any DeviceBackend,
    log: (any TelemetryLog)?,
    router: (any TelemetryRouter)? = nil,
    limits: DeviceLimits,
    edgeMessages: EdgeMessageMemory = EdgeMessageMemory(),
    logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.backend = backend
    self.log = log
    self.router = router
    self.limits = limits
    self.edgeMessages = edgeMessages
    self.logger = logger
    counters = EndpointCounters()
    budget = limits.messagesPerSecond
    batch = TelemetryBatch(limits: limits.log)
    bound = NIOLoopBound(self, eventLoop: eventLoop)
    eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { [bound] _ in
      bound?.value.tick()
    }
  }

  /// The counters, for scrapes.
  package var metrics: EndpointCounters { counters }

  /// Connections now.
  var count: Int { connections.count - free.count }

  /// Gives `connection` a place; answers slot and generation.
  func enter(_ connection: DeviceConnection) -> (slot: Int, generation: UInt32) {
    counters.connections.count()
    counters.unauthenticated.count()
    if let slot = free.popLast() {
      generations[slot] &+= 1
      connections[slot] = connection
      return (slot, generations[slot])
    }
    connections.append(connection)
    generations.append(0)
    return (connections.count - 1, 0)
  }

  func leave(_ slot: Int) {
    counters.connections.count(-1)
    connections[slot] = nil
    free.append(slot)
  }

  /// Adds one telemetry message to the gathering batch.
  ///
  /// Answers false when it can't be kept: the connection must then be closed without PUBACK.
  @inline(__always)
  func append(
    _ connection: DeviceConnection,
    stamp: EventStamp,
    partition: UInt16,
    flags: EventFlags,
    bag: Span<UInt8>,
    body: Span<UInt8>,
    identifier: UInt16
  ) -> Bool {
    counters.messages.count()
    counters.messageBytes.count(body.count)
    if let left = budget { budget = left - 1 }
    if log != nil {
      let isKept = Self.append(
        to: &batch.records,
        stamp: stamp,
        partition: partition,
        flags: flags,
        routing: router?.route(stamp, flags: flags, bag: bag, body: body) ?? .builtIn,
        bag: bag,
        body: body
      )
      guard isKept else { return false }
    }
    if identifier != 0 {
      identifiers.append(identifier)
      if let last = riders.last, last.slot == connection.slot,
        last.generation == connection.generation
      {
        riders[riders.count - 1].identifierCount += 1
      } else {
        riders.append(
          Rider(slot: connection.slot, generation: connection.generation, identifierCount: 1)
        )
      }
    }
    scheduleFlush()
    return true
  }

  /// What was just appended is a message that an edge calls `id`.
  func identify(_ id: EdgeMessageID, in messages: EdgeMessages) {
    identified.append((messages, id))
  }

  /// Adds one record; all of it in one access to the batch.
  private static func append(
    to records: inout LogBatch,
    stamp: EventStamp,
    partition: UInt16,
    flags: EventFlags,
    routing: EventRouting,
    bag: Span<UInt8>,
    body: Span<UInt8>
  ) -> Bool {
    // Routed nowhere: acknowledged, and dropped (contract §9.1).
    if routing.isNowhere { return true }
    records.beginRecord(partition: partition)
    EventEncoder.append(
      stamp: stamp,
      flags: flags,
      routing: routing,
      bag: bag,
      body: body,
      to: &records
    )
    do throws(LogFault) {
      try records.endRecord()
      return true
    } catch {
      return false
    }
  }

  /// Answers once everything that was taken before is durable, or was refused.
  package func settle(_ reply: @escaping @Sendable () -> Void) {
    let commits = (isUnderWay ? 1 : 0) + (batch.records.isEmpty ? 0 : 1)
    if commits == 0 { return reply() }
    settling.append((commits, reply))
  }

  /// Whether no more may be taken until the log has caught up, or the next second has begun.
  var isBehind: Bool {
    batch.records.byteCount > Self.pausingBytes || budget.map { $0 <= 0 } == true
  }

  /// Whether the log is so far behind that `connection` must wait; it is told when to go on.
  func mustPause(_ connection: DeviceConnection) -> Bool {
    guard isBehind else { return false }
    if !connection.isInLine {
      connection.isInLine = true
      paused.append(connection)
    }
    return true
  }

  /// Arranges for `flush` after all sockets that are ready in this turn were read.
  private func scheduleFlush() {
    guard !isFlushScheduled, !isUnderWay else { return }
    isFlushScheduled = true
    eventLoop.assumeIsolated().execute { self.flush() }
  }

  private func flush() {
    isFlushScheduled = false
    guard !isUnderWay, !batch.records.isEmpty || !riders.isEmpty else { return }
    isUnderWay = true
    swap(&riders, &ridersUnderWay)
    swap(&identifiers, &identifiersUnderWay)
    swap(&identified, &identifiedUnderWay)
    guard let log, let bound else {
      committed(.success(()))
      return
    }
    let full = batch
    batch = spare ?? TelemetryBatch(limits: limits.log)
    spare = nil
    log.submit(full) { [eventLoop] result in
      // Other loops' batches share the commit; this loop is woken once.
      eventLoop.execute {
        let loop = bound.value
        full.records.removeAll(keepingCapacity: true)
        loop.spare = full
        loop.committed(result)
      }
    }
  }

  /// A batch is durable, or lost: sends the acknowledgements, or closes who waits for one.
  private func committed(_ result: Result<Void, LogFault>) {
    isUnderWay = false
    if !identifiedUnderWay.isEmpty {
      if case .success = result {
        for (messages, id) in identifiedUnderWay { messages.insert(id) }
      }
      identifiedUnderWay.removeAll(keepingCapacity: true)
    }
    if !settling.isEmpty { advanceSettling(isAll: (try? result.get()) == nil) }
    if case .failure(let fault) = result {
      refused(fault)
    } else if !batch.records.isEmpty || !riders.isEmpty {
      // What gathered meanwhile goes first, so that the disk never waits for the sockets.
      var (acknowledged, identifiers) = ([Rider](), [UInt16]())
      swap(&acknowledged, &ridersUnderWay)
      swap(&identifiers, &identifiersUnderWay)
      flush()
      settle(acknowledged, identifiers)
      acknowledged.removeAll(keepingCapacity: true)
      identifiers.removeAll(keepingCapacity: true)
      if riders.isEmpty { swap(&riders, &acknowledged) }
      if self.identifiers.isEmpty { swap(&self.identifiers, &identifiers) }
    } else {
      settle(ridersUnderWay, identifiersUnderWay)
      ridersUnderWay.removeAll(keepingCapacity: true)
      identifiersUnderWay.removeAll(keepingCapacity: true)
    }
    resumePaused()
  }

  /// A commit is over for those who wait; `isAll` if what gathered behind it is given up with it.
  private func advanceSettling(isAll: Bool) {
    let waiting = settling
    settling = []
    for (commits, reply) in waiting {
      if isAll || commits == 1 { reply() } else { settling.append((commits - 1, reply)) }
    }
  }

  /// A batch could not be kept: closes the connections that ride in it, and in the one that gathered
  /// behind it, which is given up too.
  ///
  /// Were the second one kept, a device's later messages would stand before the earlier ones that it
  /// sends again.
  private func refused(_ fault: LogFault) {
    counters.failedCommits.count()
    let lost = ridersUnderWay + riders
    refusedSinceReport += lost.count
    ridersUnderWay.removeAll(keepingCapacity: true)
    identifiersUnderWay.removeAll(keepingCapacity: true)
    riders.removeAll(keepingCapacity: true)
    identifiers.removeAll(keepingCapacity: true)
    identified.removeAll(keepingCapacity: true)
    batch.records.removeAll(keepingCapacity: true)
    lastRefusal = fault
    for rider in lost where generations[rider.slot] == rider.generation {
      connections[rider.slot]?.drop(.notKept)
    }
  }

  /// Lets connections go on in the order in which they came to wait, as far as there is room.
  private func resumePaused() {
    guard !paused.isEmpty, !isBehind else { return }
    let waiting = paused
    paused = []
    for (index, connection) in waiting.enumerated() {
      if isBehind {
        // Those whose turn did not come stay before those that had one.
        paused = waiting[index...] + paused
        return
      }
      connection.isInLine = false
      connection.resume()
    }
  }

  private func settle(_ riders: [Rider], _ identifiers: [UInt16]) {
    counters.acknowledged.count(identifiers.count)
    var position = 0
    let span = identifiers.span
    for rider in riders {
      let end = position + Int(rider.identifierCount)
      if generations[rider.slot] == rider.generation {
        connections[rider.slot]?.acknowledge(span.extracting(position..<end))
      }
      position = end
    }
  }

  /// One line a second at most, however many batches a full disk refuses.
  private func reportRefusals() {
    guard let fault = lastRefusal else { return }
    logger.error(
      "telemetry not kept; its publishers were disconnected and will send it again",
      metadata: ["fault": "\(fault)", "connections": "\(refusedSinceReport)"]
    )
    lastRefusal = nil
    refusedSinceReport = 0
  }

  /// Closes every connection, those that have not said who they are too.
  package func stop() {
    for connection in connections { connection?.drop(.stopping) }
  }

  private func tick() {
    reportRefusals()
    if let rate = limits.messagesPerSecond {
      budget = rate
      resumePaused()
    }
    let now = SystemClock.now()
    for connection in connections { connection?.tick(now) }
  }
}

/// What a connection may do at most.
package struct DeviceLimits: Sendable {
  /// Time from the link's start to a whole CONNECT, milliseconds.
  package var connectMilliseconds: UInt32
  /// Body and properties of a message.
  package var messageBytes: Int
  /// Subscriptions of a session.
  package var subscriptions: Int
  /// Cloud-to-device messages under way to a device.
  package var cloudToDeviceWindow: Int
  /// Limits of batches.
  package var log: LogLimits
  /// Telemetry messages a second that a loop takes, nil for any; beyond, its sockets are not read.
  package var messagesPerSecond: Int?
  /// Seconds after which a module that acknowledges none of its inputs' messages is dropped.
  package var inputSilenceSeconds: Int?

  package init(quotas: Quotas, connectSeconds: Int) {
    connectMilliseconds = UInt32(clamping: connectSeconds * 1_000)
    messageBytes = quotas.deviceToCloudMessageBytes
    subscriptions = quotas.subscriptionsPerClient
    cloudToDeviceWindow = quotas.cloudToDeviceWindow
    log = LogLimits(recordBytes: 1 << 20, batchBytes: 8 << 20, uncommittedBytes: 256 << 20)
  }
}

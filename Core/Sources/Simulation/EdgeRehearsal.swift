import ByteIO
public import EdgeEngine
import HubContract
import MessageLog
import QueryLanguage

/// Rehearses the routes of a manifest: what an edge would deliver, keep, refuse and let expire if this
/// traffic came while its link upstream is there and away as a schedule says.
///
/// Routes are decided by the real `RouteTable`, and messages wait in the real `EdgeStore` on a
/// simulated disk, so that quotas, lifetimes, priorities and segments count as they do on a gateway.
/// Weeks pass in seconds: time moves in steps, and what is reported is exact to one of them.
///
/// A sender that is refused keeps its message; here it is counted, and not sent again.
public struct EdgeRehearsal: ~Copyable {
  /// What is rehearsed.
  public struct Plan: Sendable {
    /// The ID of the edge device, which modules' messages come from.
    public var deviceID = "edge"
    /// The routes, and how long and how much may wait.
    public var configuration: HubConfiguration
    /// What comes.
    public var traffic: RehearsedTraffic
    /// How long it comes, in milliseconds.
    public var durationMilliseconds: UInt64
    /// When the hub above can be reached.
    public var link = LinkSchedule.always
    /// When modules take messages, by name; others always do.
    public var modules: [String: LinkSchedule] = [:]
    /// Messages a second that go upstream at most.
    public var messagesPerSecond: UInt64 = 1000
    /// Bytes a second that go upstream at most, nil for no limit.
    public var bytesPerSecond: UInt64?
    /// Bytes that may wait, in place of what the configuration says.
    public var maxSizeBytes: UInt64?
    /// Size of the gateway's disk; so much memory may be taken, twice.
    public var diskBytes: UInt64 = 1 << 30
    /// Decides when generated messages come, and which confirmations a broken link takes along.
    public var seed: UInt64 = 1

    /// A plan whose link is always there.
    public init(
      _ configuration: HubConfiguration,
      _ traffic: RehearsedTraffic,
      durationMilliseconds: UInt64
    ) {
      self.configuration = configuration
      self.traffic = traffic
      self.durationMilliseconds = durationMilliseconds
    }
  }

  typealias Store = EdgeStore<SimStoreDisks>

  /// 2026-01-01.
  private static let begin: UInt64 = 1_767_225_600_000
  /// Steps that a rehearsal is cut into at most, while traffic comes.
  private static let stepLimit: UInt64 = 10_000
  /// Most messages and bytes of a batch upstream (edge contract section 7).
  private static let batchMessages = 10
  private static let batchBytes = 256 << 10

  let plan: Plan
  private let disk: SimDisk
  private var store: Store
  private var routing: RouteTable.Routing
  private var cache: DeliveryCache
  private var messages: RehearsedMessages
  private let endpoints: [RehearsedEndpoint]
  private var random: SeededGenerator
  private var nextID: EdgeMessageID
  /// Milliseconds since the start.
  private var now: UInt64 = 0
  private var refusedBefore: UInt64 = 0
  /// The endpoints of each batch of the open group.
  private var group: [[Int]] = []
  private var report = Report()

  /// Prepares a rehearsal; throws what keeps the store from having these endpoints.
  public init(_ plan: Plan) throws(StoreFault) {
    self.plan = plan
    random = SeededGenerator(seed: plan.seed)
    disk = SimDisk(seed: random.next(), capacityBytes: plan.diskBytes)
    let table = RouteTable(plan.configuration)
    let names = table.endpoints.map { Self.name(of: $0, deviceID: plan.deviceID) }
    let limit = plan.maxSizeBytes ?? plan.configuration.maxSizeBytes.map { UInt64(clamping: $0) }
    var store = try EdgeStore.open(SimStoreDisks(disk), salt: random.next())
    let numbers = try store.configure(names, maxSizeBytes: limit)
    routing = table.makeRouting()
    cache = DeliveryCache(table, endpoints: numbers)
    messages = RehearsedMessages(plan.traffic, seed: random.next())
    nextID = EdgeMessageID(high: random.next(), low: 0)
    var endpoints: [RehearsedEndpoint] = []
    for (index, sink) in table.endpoints.enumerated() {
      guard let disk = store.disk(numbers[index]) else {
        preconditionFailure("an endpoint that was configured has a queue")
      }
      let schedule: LinkSchedule =
        switch sink {
        case .upstream: plan.link
        case .module(let module, _): plan.modules[module] ?? .always
        }
      endpoints.append(
        RehearsedEndpoint(
          number: numbers[index],
          isUpstream: sink == .upstream,
          schedule: schedule,
          reader: QueueReader(disk: disk)
        )
      )
    }
    self.endpoints = endpoints
    report.endpoints = names.map { EndpointReport(name: $0) }
    report.routes = table.routes.map { RouteReport(name: $0.name) }
    report.stepMilliseconds = min(max(1000, plan.durationMilliseconds / Self.stepLimit), 60_000)
    self.store = store
  }

  private static func name(of sink: RouteStatement.Sink, deviceID: String) -> String {
    switch sink {
    case .upstream: Store.upstream
    case .module(let module, let input): "\(deviceID)/\(module)/\(input)"
    }
  }

  /// Runs to the end: until the traffic is over, and everything that can be delivered is.
  ///
  /// `progress` is told now and then how many milliseconds have passed; false from it ends the
  /// rehearsal where it is.
  public mutating func run(_ progress: (UInt64) -> Bool = { _ in true }) -> Report {
    var steps = 0
    while !isOver {
      steps += 1
      if steps & 1023 == 0, !progress(now) {
        report.isComplete = false
        break
      }
      step()
    }
    for index in endpoints.indices { sumUp(index) }
    report.milliseconds = now
    return report
  }

  /// Whether nothing will change any more.
  private var isOver: Bool {
    guard now >= plan.durationMilliseconds else { return false }
    return endpoints.indices.allSatisfy { index in
      endpoints[index].isEmpty || !endpoints[index].schedule.isEverUp(from: now)
    }
  }

  private var time: EdgeTime { EdgeTime(calendar: Self.begin + now, age: Self.begin + now) }

  /// One step: what comes in it is taken in, then what can be reached gets what waits.
  private mutating func step() {
    let begin = now
    let states = endpoints.map { $0.schedule.state(at: begin) }
    var end = begin + report.stepMilliseconds
    if zip(endpoints, states).allSatisfy({ $0.isEmpty || !$1.isUp }) {
      // Nothing goes before something comes, or can be reached again.
      let next = begin < plan.durationMilliseconds ? messages.nextMoment : nil
      end = max(end, next.map { $0 + 1 } ?? .max)
    }
    for state in states { if let changes = state.changes { end = min(end, changes) } }
    if begin < plan.durationMilliseconds { end = min(end, plan.durationMilliseconds) }
    while let (moment, message) = messages.next(before: min(end, plan.durationMilliseconds)) {
      now = moment
      take(message)
    }
    now = end
    store.freeByteCount = plan.diskBytes - min(disk.usedBytes, plan.diskBytes)
    commit()
    for index in endpoints.indices { deliver(index, milliseconds: end - begin) }
  }

  // MARK: - Taking in

  private mutating func take(_ message: RehearsedTraffic.Message) {
    report.sentCount += 1
    let described = EdgeMessage(
      source: message.source,
      sender: message.sender,
      enqueuedTime: Timestamp(milliseconds: Int64(clamping: time.calendar)),
      messageID: nextID.text,
      bag: message.bag.span,
      body: message.body.span
    )
    routing.route(described, from: message.source)
    guard !routing.deliveries.isEmpty else {
      report.unroutedCount += 1
      return
    }
    var batch = LogBatch()
    batch.beginRecord(partition: 0)
    EventEncoder.append(
      stamp: EventStamp(identity: message.sender),
      routing: cache.routing(routing.deliveries),
      bag: message.bag.span,
      body: message.body.span,
      to: &batch
    )
    do throws(LogFault) {
      try batch.endRecord()
    } catch {
      report.refusedCount += 1
      return
    }
    for delivery in routing.deliveries { report.routes[delivery.route].messageCount += 1 }
    group.append(routing.deliveries.map(\.endpoint))
    store.append(batch, firstID: nextID, now: time)
    nextID = nextID.advanced(by: 1)
    // What comes behind a refused batch in its group is refused too, so the group ends there.
    if store.refusedBatchCount != refusedBefore || group.count >= 512 { commit() }
  }

  private mutating func commit() {
    refusedBefore = store.refusedBatchCount
    let commit = store.commit(now: time)
    for (fault, targets) in zip(commit.faults, group) where fault != nil {
      report.refusedCount += 1
      for index in targets { report.endpoints[index].refusedCount += 1 }
    }
    group.removeAll(keepingCapacity: true)
    for index in endpoints.indices {
      let bytes = store.fileByteCount(endpoints[index].number)
      report.endpoints[index].peakBytes = max(report.endpoints[index].peakBytes, bytes)
    }
    report.peakBytes = max(report.peakBytes, store.usedByteCount)
    report.peakDiskBytes = max(report.peakDiskBytes, disk.usedBytes)
  }

  // MARK: - Delivering

  private mutating func deliver(_ index: Int, milliseconds: UInt64) {
    let number = endpoints[index].number
    guard let view = store.view(number) else { return }
    // The step lies within a phase, so its first moment says how it was.
    let (isUp, changes) = endpoints[index].schedule.state(at: now - milliseconds)
    guard isUp else {
      endpoints[index].isEmpty = view.isEmpty
      if !view.isEmpty { endpoints[index].waitsSince = now }
      return
    }
    var allowance = Allowance(
      messages: endpoints[index].isUpstream
        ? Int(clamping: max(1, plan.messagesPerSecond &* milliseconds / 1000)) : .max,
      bytes: endpoints[index].isUpstream
        ? plan.bytesPerSecond.map { Int(clamping: $0 &* milliseconds / 1000) } ?? .max : .max
    )
    allowance.bytes += endpoints[index].owedBytes
    let breaks = changes == now && endpoints[index].isUpstream
    var lastSent: [Sent] = []
    while allowance.messages > 0, allowance.bytes > 0 {
      let batch = read(index, view, allowance)
      if batch.isEmpty { break }
      allowance.messages -= batch.count
      allowance.bytes -= batch.reduce(0) { $0 + $1.byteCount }
      if breaks { lastSent += batch } else { settle(index, batch[...]) }
    }
    endpoints[index].owedBytes = min(allowance.bytes, 0)
    if breaks {
      // What was sent last arrived, perhaps, but its confirmation did not: it comes again.
      let lost = Int.random(in: 0...Self.batchMessages, using: &random)
      settle(index, lastSent.dropLast(lost))
      endpoints[index].reader.rewind()
    }
    store.settle(number, endpoints[index].reader.takeSettlements(), now: time)
    _ = store.commit(now: time)
    let isEmpty = store.view(number)?.isEmpty ?? true
    endpoints[index].isEmpty = isEmpty
    if isEmpty, let since = endpoints[index].waitsSince {
      endpoints[index].waitsSince = nil
      report.endpoints[index].drainedAt = now
      report.endpoints[index].longestDrainMilliseconds = max(
        report.endpoints[index].longestDrainMilliseconds,
        now - since
      )
    }
  }

  private struct Allowance {
    var messages: Int
    var bytes: Int
  }

  private struct Sent {
    let priority: PriorityClass
    let sequence: UInt64
    let byteCount: Int
    let delay: UInt64
  }

  private mutating func read(_ index: Int, _ view: QueueView, _ allowance: Allowance) -> [Sent] {
    var batch: [Sent] = []
    var repeated: UInt64 = 0
    let time = time
    let maxBytes = min(Self.batchBytes, allowance.bytes)
    do throws(LogFault) {
      let reading = try endpoints[index].reader.read(
        in: view,
        age: time.age,
        maxMessages: min(Self.batchMessages, allowance.messages),
        allowance: { _ in maxBytes }
      ) { message in
        if message.isRepeated { repeated += 1 }
        batch.append(
          Sent(
            priority: message.priority,
            sequence: message.sequence,
            byteCount: message.event.body.count + message.event.bag.bytes.count,
            delay: time.calendar - min(message.enqueuedTime, time.calendar)
          )
        )
      }
      report.endpoints[index].expiredCount += UInt64(reading.expiredCount)
    } catch {
      // The disk is in memory, and the view is current.
      preconditionFailure("a queue of a rehearsal cannot be read: \(error)")
    }
    report.endpoints[index].repeatedCount += repeated
    return batch
  }

  private mutating func settle(_ index: Int, _ batch: ArraySlice<Sent>) {
    for sent in batch {
      endpoints[index].reader.settle(sent.sequence, sent.priority)
      report.endpoints[index].deliveredCount += 1
      let longest = max(report.endpoints[index].longestDelayMilliseconds, sent.delay)
      report.endpoints[index].longestDelayMilliseconds = longest
    }
  }

  private mutating func sumUp(_ index: Int) {
    let number = endpoints[index].number
    _ = store.commit(now: time)
    for figures in store.figures where figures.endpoint == report.endpoints[index].name {
      report.endpoints[index].acceptedCount += figures.counts.accepted
      report.endpoints[index].expiredCount += figures.counts.expired
      report.endpoints[index].droppedCount += figures.counts.dropped
      report.endpoints[index].waitingCount += figures.length
    }
    // Its last segment stays open, whatever is in it.
    let isWaiting = report.endpoints[index].waitingCount > 0
    report.endpoints[index].waitingBytes = isWaiting ? store.fileByteCount(number) : 0
  }
}

/// An endpoint of a rehearsal, and who takes from it.
final class RehearsedEndpoint {
  let number: UInt16
  let isUpstream: Bool
  let schedule: LinkSchedule
  var reader: QueueReader<SimFolder>
  /// Whether nothing waits.
  var isEmpty = true
  /// When it last could not be reached although something waited; nil once all of that was delivered.
  var waitsSince: UInt64?
  /// Bytes that the steps before have sent beyond what they might: at most 0.
  var owedBytes = 0

  init(
    number: UInt16,
    isUpstream: Bool,
    schedule: LinkSchedule,
    reader: consuming QueueReader<SimFolder>
  ) {
    self.number = number
    self.isUpstream = isUpstream
    self.schedule = schedule
    self.reader = reader
  }
}

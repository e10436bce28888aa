import ByteIO
import HubContract
import HubEngine
import MessageLog
import Simulation

/// A hub's log with two endpoints behind it, from one seed.
///
/// Messages are posted to one, the other gets files. Both fail, answers get lost, messages are refused,
/// and the power goes at any step.
///
/// What survives the power is the disk, the checkpoints, the dead letters and what the endpoints got.
struct RoutedDelivery: ~Copyable {
  static let web = EventDestinations(slot: 1)
  static let files = EventDestinations(slot: 2)
  static let partitions: UInt16 = 2

  var generator: SeededGenerator
  private let disk: SimDisk
  private var log: MessageLog<SimDisk>
  private let table: RoutingTable
  private var now = Instant(nanoseconds: 0)
  private var nextID: UInt64 = 1
  /// From now on nothing fails, and no more messages come.
  var isHealed = false
  var powerCuts = 0

  /// Acknowledged messages and where they had to go.
  var acknowledged: [UInt64: EventDestinations] = [:]
  /// Offered ones too, which may be in the log.
  var offered: [UInt64: EventDestinations] = [:]
  /// What the web endpoint took, by partition, in order.
  var posted: [[UInt64]] = [[], []]
  var deadLetters: [UInt64: EndpointDelivery.DeadLetterReason] = [:]
  /// The durable files, by partition and first message.
  var written: [UInt16: [UInt64: [UInt64]]] = [:]

  private var webCheckpoints: [UInt64] = [0, 0]
  private var fileCheckpoints: [UInt64] = [0, 0]
  private var deliveries: [EndpointDelivery] = []
  private var batches: [StorageBatch] = []
  private var unfinished: [[(sequence: UInt64, id: UInt64)]] = [[], []]

  private static let logConfiguration = LogConfiguration(
    partitionCount: Int(partitions),
    segmentBytes: 4096,
    limits: LogLimits(recordBytes: 1024, batchBytes: 3000, uncommittedBytes: 32768),
    salt: 77
  )

  init(seed: UInt64) throws {
    let table = try Self.makeTable()
    let disk = SimDisk(seed: seed)
    let log = try MessageLog.open(disk, configuration: Self.logConfiguration)
    generator = SeededGenerator(seed: seed)
    self.table = table
    self.disk = disk
    self.log = log
    start()
  }

  private static func makeTable() throws -> RoutingTable {
    var configuration = RoutingConfiguration()
    configuration.endpoints = [
      RoutingEndpoint(name: "web", kind: .webhook(WebhookEndpoint(uri: "http://x"))),
      RoutingEndpoint(name: "files", kind: .storage(StorageEndpoint(container: "abc"))),
    ]
    _ = configuration.assignSlots(keeping: RoutingConfiguration(), after: 0)
    configuration.routes = ["web", "files"].map { name in
      Route(
        name: name,
        source: .telemetry,
        condition: "goes = '\(name)' OR goes = 'both'",
        endpointNames: [name]
      )
    }
    return try RoutingTable(configuration, hubName: "h")
  }

  /// The machines begin at what is durable.
  private mutating func start() {
    deliveries = webCheckpoints.map {
      EndpointDelivery(position: $0, timeToLiveSeconds: 1)
    }
    batches = fileCheckpoints.map {
      StorageBatch(position: $0, maximumBytes: 60, maximumSeconds: 60)
    }
    unfinished = [[], []]
  }

  /// Whether the web endpoint never takes this message.
  static func isPoison(_ id: UInt64) -> Bool { id.isMultiple(of: 23) }

  /// Whether a message is too old for an endpoint that does not take it.
  static func isOld(_ id: UInt64) -> Bool { id.isMultiple(of: 3) }

  private static func enqueuedTime(_ id: UInt64) -> UInt64 { isOld(id) ? 1000 : 1001 }

  mutating func step() throws {
    now = now.adding(milliseconds: UInt64.random(in: 0...2000, using: &generator))
    switch Int.random(in: 0..<100, using: &generator) {
    case 0..<30: if !isHealed { try produce() }
    case 30..<60: try post(UInt16.random(in: 0..<Self.partitions, using: &generator))
    case 60..<95: try collect(UInt16.random(in: 0..<Self.partitions, using: &generator))
    default: if !isHealed { try losePower() }
    }
  }

  private mutating func losePower() throws {
    powerCuts += 1
    disk.powerCut(SimSurvival.allCases.randomElement(using: &generator) ?? .none)
    log = try MessageLog.open(disk, configuration: Self.logConfiguration)
    start()
  }

  private mutating func chance(_ percent: Int) -> Bool {
    !isHealed && Int.random(in: 0..<100, using: &generator) < percent
  }

  // MARK: Into the log

  private mutating func produce() throws {
    var batch = LogBatch()
    var records: [(UInt64, EventDestinations)] = []
    for _ in 0..<Int.random(in: 1...6, using: &generator) {
      let id = nextID
      nextID += 1
      let goes = ["web", "files", "both", "none"].randomElement(using: &generator) ?? "none"
      let device = "d\(id % 5)"
      let bag = [UInt8]("goes=\(goes)".utf8)
      var body = ByteWriter()
      body.uint64(id)
      let identity = IdentityKey(deviceID: device)
      let event = RoutedEvent(
        sender: RoutedEvent.Sender(identity: identity),
        enqueuedTime: .epoch,
        bag: bag.span,
        body: body.bytes.span
      )
      let routing = table.decide(.telemetry, event, byteCount: 8)
      batch.beginRecord(partition: UInt16(id % 5) % Self.partitions)
      EventEncoder.append(
        stamp: EventStamp(identity: identity),
        routing: routing,
        bag: bag.span,
        body: body.bytes.span,
        to: &batch
      )
      try batch.endRecord()
      offered[id] = routing.destinations
      records.append((id, routing.destinations))
    }
    try log.append(&batch, now: 1000)
    if chance(10) { return try losePower() }
    try log.commit()
    for (id, destinations) in records { acknowledged[id] = destinations }
  }

  /// Reads on in `partition`: the messages for `place`, and the number behind all that was read.
  private func read(
    _ partition: UInt16,
    from position: UInt64,
    at place: EventDestinations
  ) throws -> (found: [(sequence: UInt64, id: UInt64)], end: UInt64) {
    var cursor = LogCursor(disk: disk, partition: partition, windowByteCount: 4096)
    cursor.seek(.sequence(position, inclusive: true), in: log.view)
    var found: [(sequence: UInt64, id: UInt64)] = []
    var end = position
    _ = try cursor.read(in: log.view, maxRecords: 5) { record in
      end = record.sequence + 1
      guard let view = try? EventView(record.payload),
        !view.destinations.isDisjoint(with: place)
      else { return }
      var reader = ByteReader(view.body)
      found.append((record.sequence, reader.uint64() ?? 0))
    }
    return (found, end)
  }

  // MARK: To the web endpoint

  private mutating func post(_ partition: UInt16) throws {
    let index = Int(partition)
    let (found, end) = try read(partition, from: deliveries[index].position, at: Self.web)
    var action = EndpointDelivery.NextAction.none
    if deliveries[index].isIdle {
      action = deliveries[index].found(
        found.map { .init(sequence: $0.sequence, enqueuedTime: Self.enqueuedTime($0.id)) },
        end: end,
        now: now,
        wallTime: 2000
      )
    } else {
      action = deliveries[index].timeout(now: now)
    }
    while true {
      let count: Int
      switch action {
      case .none, .wait: return
      case .deadLetter(let dead, let reason):
        guard !chance(20) else {
          _ = deliveries[index].deadLetterFailed(now: now, random: generator.next())
          return
        }
        for message in found.prefix(dead) { deadLetters[message.id] = reason }
        if chance(10) { return try losePower() }
        return checkpoint(deliveries[index].deadLettered(), index)
      case .send(let sent): count = sent
      }
      let sent = found.prefix(count).map(\.id)
      let answer: EndpointDelivery.Failure?
      if sent.contains(where: Self.isPoison) {
        answer = .rejected
      } else if chance(20) {
        answer = .unavailable(
          retryAfterMilliseconds: chance(50) ? UInt64.random(in: 0...9000, using: &generator) : nil
        )
      } else {
        posted[index] += sent
        // The endpoint took them, and the answer is lost.
        answer = chance(10) ? .unavailable : nil
      }
      if chance(5) { return try losePower() }
      guard let answer else {
        return checkpoint(deliveries[index].succeeded(), index)
      }
      action = deliveries[index].failed(
        answer,
        now: now,
        wallTime: 2000,
        random: generator.next()
      )
    }
  }

  private mutating func checkpoint(_ action: EndpointDelivery.DoneAction, _ index: Int) {
    if case .checkpoint(let position) = action { webCheckpoints[index] = position }
  }

  // MARK: To files

  private mutating func collect(_ partition: UInt16) throws {
    let index = Int(partition)
    switch batches[index].timeout(now: now) {
    case .finish: return try finish(partition)
    case .none, .read: break
    }
    guard batches[index].isReading else { return }
    let (found, end) = try read(partition, from: batches[index].next, at: Self.files)
    for message in found {
      switch batches[index].found(message.sequence, byteCount: 13, now: now) {
      case .none: return
      case .finish: return try finish(partition)
      case .write(let isFirst):
        if isFirst { unfinished[index] = [] }
        unfinished[index].append(message)
        if chance(5) {
          _ = batches[index].failed(now: now, random: generator.next())
          unfinished[index] = []
          return
        }
      }
    }
    batches[index].skipped(to: end)
  }

  private mutating func finish(_ partition: UInt16) throws {
    let index = Int(partition)
    if chance(15) {
      _ = batches[index].failed(now: now, random: generator.next())
      return
    }
    if let first = unfinished[index].first {
      written[partition, default: [:]][first.sequence] = unfinished[index].map(\.id)
    }
    // The file is there, the checkpoint is not.
    if chance(15) { return try losePower() }
    if let position = batches[index].finished() { fileCheckpoints[index] = position }
  }
}

import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Simulation

/// What must be in a store, and what may be.
struct EdgeStoreLedger {
  struct Queue: Hashable {
    var endpoint: String
    var priority: PriorityClass
  }

  /// Acknowledged and not settled, oldest first.
  var waiting: [Queue: [Int]] = [:]
  /// Offered and not answered, oldest first.
  var offered: [Queue: [Int]] = [:]
  /// Settled, which the last checkpoints may not say yet.
  var settled: [Queue: [Int]] = [:]
  /// Whether an earlier check may have settled what waits.
  var acceptsSettled = false

  static let configuration: EdgeStoreConfiguration = {
    var configuration = EdgeStoreConfiguration()
    configuration.upstreamSegmentBytes = 4096
    configuration.moduleSegmentBytes = 4096
    configuration.indexIntervalBytes = 512
    configuration.recordBytes = 512
    configuration.stagingBytes = 1024
    configuration.uncommittedBytes = 4096
    configuration.reserveBytes = 0
    configuration.checkpointDelayMilliseconds = 20
    return configuration
  }()
}

/// The life of a store from one seed: messages for two endpoints in three classes, a reader at each
/// that confirms in any order, and what has to be there after each of the disk's operations.
struct EdgeStoreRun {
  var journal: [SimDisk.Operation] = []
  /// The ledger that holds after so many operations.
  var ledgers: [(after: Int, ledger: EdgeStoreLedger)] = []

  static let endpoints = ["iothub", "m/in"]
  static let priorities = [0, 5, EdgeRoute.defaultPriority].map { PriorityClass(priority: $0) }

  init(turns: Int) throws {
    let disk = SimDisk(seed: 0)
    disk.startRecording()
    var generator = SeededGenerator(seed: 11)
    var store = try Self.open(disk)
    let numbers = try store.configure(Self.endpoints)
    var readers = Readers(
      upstream: try Self.reader(store, numbers[0]),
      module: try Self.reader(store, numbers[1])
    )
    var ledger = EdgeStoreLedger()
    var nextID = 0
    for turn in 0..<turns {
      let now = EdgeTime(calendar: 1_700_000_000_000 + UInt64(turn) * 10, age: UInt64(turn) * 10)
      var added: [EdgeStoreLedger.Queue: [Int]] = [:]
      // A large group is written before it is committed.
      let start = disk.journalCount
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        var batch = LogBatch()
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          let deliveries = Self.deliveries(numbers, &generator)
          try Self.add(nextID, deliveries, to: &batch)
          for delivery in deliveries {
            added[
              .init(
                endpoint: delivery.endpoint == numbers[0] ? "iothub" : "m/in",
                priority: delivery.priority
              ),
              default: []
            ].append(nextID)
          }
          nextID += 1
        }
        store.append(batch, firstID: EdgeMessageID(high: 0, low: 0), now: now)
      }
      var open = ledger
      for (queue, ids) in added { open.offered[queue, default: []] += ids }
      ledgers.append((start, open))
      let faults = store.commit(now: now).faults
      guard faults.allSatisfy({ $0 == nil }) else { throw LogFault.full }
      for (queue, ids) in added { ledger.waiting[queue, default: []] += ids }
      ledgers.append((disk.journalCount, ledger))
      guard turn % 3 == 2 else { continue }
      for (index, endpoint) in Self.endpoints.enumerated() {
        guard let view = store.view(numbers[index]) else { continue }
        let news = try readers.turn(index, view, now, &generator) { priority, ids in
          let queue = EdgeStoreLedger.Queue(endpoint: endpoint, priority: priority)
          ledger.waiting[queue, default: []].removeAll { ids.contains($0) }
          ledger.settled[queue, default: []] += ids
        }
        ledgers.append((disk.journalCount, ledger))
        store.settle(numbers[index], news, now: now)
      }
    }
    journal = disk.journal
  }

  private static func open(_ disk: SimDisk) throws -> EdgeStore<SimStoreDisks> {
    try EdgeStore.open(
      SimStoreDisks(disk),
      configuration: EdgeStoreLedger.configuration,
      salt: 0x5EED
    )
  }

  private static func reader(
    _ store: borrowing EdgeStore<SimStoreDisks>,
    _ number: UInt16
  ) throws -> QueueReader<SimFolder> {
    guard let disk = store.disk(number) else { throw LogFault.disk(.missing) }
    return QueueReader(disk: disk, windowByteCount: 4096)
  }

  private static func deliveries(
    _ numbers: [UInt16],
    _ generator: inout SeededGenerator
  ) -> [StoreDelivery] {
    var deliveries: [StoreDelivery] = []
    let choice = Int.random(in: 0..<5, using: &generator)
    for (index, number) in numbers.enumerated() where choice == 4 || choice % 2 == index {
      deliveries.append(
        StoreDelivery(
          endpoint: number,
          priority: priorities[Int.random(in: 0..<3, using: &generator)]
        )
      )
    }
    return deliveries
  }

  private static func add(
    _ id: Int,
    _ deliveries: [StoreDelivery],
    to batch: inout LogBatch
  ) throws {
    batch.beginRecord(partition: 0)
    EventEncoder.append(
      stamp: EventStamp(identity: IdentityKey(deviceID: "press")),
      routing: EventRouting(deliveries),
      bag: [UInt8]().span,
      body: [UInt8]("\(id) \(String(repeating: "x", count: id % 97))".utf8).span,
      to: &batch
    )
    try batch.endRecord()
  }

  fileprivate static func id(_ body: Span<UInt8>) -> Int? {
    Int(String(decoding: body.array(), as: UTF8.self).prefix { $0 != " " })
  }

  /// Opens the store that is on `disk`, reads everything, and says what is wrong.
  static func check(_ disk: SimDisk, _ ledger: EdgeStoreLedger) throws -> String? {
    var store = try open(disk)
    let now = EdgeTime(calendar: 1_800_000_000_000, age: 1_000_000)
    let numbers = try store.configure(endpoints)
    for (endpoint, number) in zip(endpoints, numbers) {
      var reader = try reader(store, number)
      guard let view = store.view(number) else { return "\(endpoint) has no view" }
      var found: [PriorityClass: [Int]] = [:]
      var last: PriorityClass?
      while true {
        var given: [(PriorityClass, UInt64, Int?)] = []
        let reading = try reader.read(in: view, age: 0, maxMessages: 50) { message in
          given.append((message.priority, message.sequence, id(message.event.body)))
        }
        if !reading.damage.isEmpty { return "\(endpoint) is damaged: \(reading.damage)" }
        if given.isEmpty { break }
        for (priority, sequence, id) in given {
          guard let id else { return "\(endpoint) has a body that nobody sent" }
          if let last, priority < last { return "\(endpoint): \(priority) came after \(last)" }
          last = priority
          found[priority, default: []].append(id)
          reader.settle(sequence, priority)
        }
      }
      for priority in priorities {
        let queue = EdgeStoreLedger.Queue(endpoint: endpoint, priority: priority)
        if let complaint = complaint(found[priority] ?? [], queue, ledger) { return complaint }
      }
      store.settle(number, reader.takeSettlements(), now: now)
    }
    // It goes on working, and what was settled here is made durable.
    var batch = LogBatch()
    try add(0, [StoreDelivery(endpoint: numbers[0])], to: &batch)
    store.append(batch, firstID: EdgeMessageID(high: 0, low: 0), now: now)
    let commit = store.commit(now: now)
    return commit.faults == [nil] ? nil : "it takes nothing: \(commit.faults)"
  }

  private static func complaint(
    _ found: [Int],
    _ queue: EdgeStoreLedger.Queue,
    _ ledger: EdgeStoreLedger
  ) -> String? {
    // What a second check finds was settled by the first, which left one message of its own.
    let found = ledger.acceptsSettled ? found.filter { $0 != 0 } : found
    if zip(found, found.dropFirst()).contains(where: { $0 >= $1 }) {
      return "\(queue) is out of order: \(found)"
    }
    let waiting = ledger.waiting[queue] ?? []
    let missing = Set(waiting).subtracting(found)
    if !ledger.acceptsSettled, !missing.isEmpty { return "\(queue) lost \(missing.sorted())" }
    let known = Set(waiting + (ledger.offered[queue] ?? []) + (ledger.settled[queue] ?? []))
    let unknown = Set(found).subtracting(known)
    return unknown.isEmpty ? nil : "\(queue) made up \(unknown.sorted())"
  }
}

/// A reader at each endpoint.
private struct Readers: ~Copyable {
  var upstream: QueueReader<SimFolder>
  var module: QueueReader<SimFolder>
  private var open: [[(PriorityClass, UInt64, Int)]] = [[], []]

  init(upstream: consuming QueueReader<SimFolder>, module: consuming QueueReader<SimFolder>) {
    self.upstream = upstream
    self.module = module
  }

  /// Reads some messages, and confirms some of those on their way, in any order.
  mutating func turn(
    _ index: Int,
    _ view: QueueView,
    _ now: EdgeTime,
    _ generator: inout SeededGenerator,
    _ confirmed: (PriorityClass, [Int]) -> Void
  ) throws -> [QueueSettlement] {
    if index == 0 {
      try Self.turn(&upstream, &open[0], view, now, &generator, confirmed)
    } else {
      try Self.turn(&module, &open[1], view, now, &generator, confirmed)
    }
  }

  private static func turn(
    _ reader: inout QueueReader<SimFolder>,
    _ open: inout [(PriorityClass, UInt64, Int)],
    _ view: QueueView,
    _ now: EdgeTime,
    _ generator: inout SeededGenerator,
    _ confirmed: (PriorityClass, [Int]) -> Void
  ) throws -> [QueueSettlement] {
    for _ in 0..<3 {
      _ = try reader.read(in: view, age: now.age, maxMessages: 6) { message in
        open.append((message.priority, message.sequence, EdgeStoreRun.id(message.event.body) ?? -1))
      }
    }
    open.shuffle(using: &generator)
    for _ in 0..<open.count * 2 / 3 {
      guard let (priority, sequence, id) = open.popLast() else { break }
      reader.settle(sequence, priority)
      confirmed(priority, [id])
    }
    return reader.takeSettlements()
  }
}

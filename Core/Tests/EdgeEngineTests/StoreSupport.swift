import ByteIO
import EdgeEngine
import HubContract
import MessageLog
import Simulation
import Testing

/// A small store: segments of a few KiB, so that some dozens of messages fill several.
func smallStore() -> EdgeStoreConfiguration {
  var configuration = EdgeStoreConfiguration()
  configuration.upstreamSegmentBytes = 8192
  configuration.moduleSegmentBytes = 8192
  configuration.indexIntervalBytes = 512
  configuration.recordBytes = 2048
  configuration.stagingBytes = 4096
  configuration.uncommittedBytes = 16384
  configuration.reserveBytes = 0
  return configuration
}

func openStore(
  _ disk: SimDisk,
  _ configuration: EdgeStoreConfiguration = smallStore()
) throws -> EdgeStore<SimStoreDisks> {
  try EdgeStore.open(SimStoreDisks(disk), configuration: configuration, salt: 42)
}

/// A time whose calendar and age are told apart by their size.
func time(_ age: UInt64) -> EdgeTime { EdgeTime(calendar: 1_700_000_000_000 + age, age: age) }

/// A batch with one message for each text.
func messages(
  _ texts: [String],
  to deliveries: [StoreDelivery],
  from identity: IdentityKey = IdentityKey(deviceID: "press")
) throws -> LogBatch {
  var batch = LogBatch()
  let stamp = EventStamp(identity: identity)
  for text in texts {
    batch.beginRecord(partition: 0)
    EventEncoder.append(
      stamp: stamp,
      routing: EventRouting(deliveries),
      bag: [UInt8]("a=1".utf8).span,
      body: [UInt8](text.utf8).span,
      to: &batch
    )
    try batch.endRecord()
  }
  return batch
}

extension EdgeStore where Disks == SimStoreDisks {
  /// Stores messages as a group of their own; answers the fault of the batch.
  mutating func store(
    _ texts: [String],
    to deliveries: [StoreDelivery],
    firstID: EdgeMessageID = EdgeMessageID(high: 7, low: 0),
    now: EdgeTime = time(0)
  ) throws -> LogFault? {
    append(try messages(texts, to: deliveries), firstID: firstID, now: now)
    let commit = commit(now: now)
    try #require(commit.faults.count == 1)
    return commit.faults[0]
  }

  func length(_ endpoint: UInt16, _ priority: PriorityClass = .default) -> UInt64 {
    view(endpoint)?.length(priority) ?? 0
  }

  borrowing func reader(_ endpoint: UInt16) throws -> QueueReader<SimFolder> {
    let disk = disk(endpoint)
    return QueueReader(disk: try #require(disk), windowByteCount: 4096)
  }
}

/// A message as a test compares it.
struct Given: Equatable {
  var body: String
  var priority: PriorityClass
  var sequence: UInt64
  var id: EdgeMessageID
  var isRepeated: Bool
}

extension QueueReader where Disk == SimFolder {
  /// The next messages.
  mutating func next(
    _ view: QueueView?,
    age: UInt64 = 0,
    maxMessages: Int = 100,
    maxBytes: Int = .max
  ) throws -> (given: [Given], reading: QueueReading) {
    var given: [Given] = []
    let reading = try read(
      in: try #require(view),
      age: age,
      maxMessages: maxMessages,
      allowance: { _ in maxBytes }
    ) { message in
      given.append(
        Given(
          body: String(decoding: message.event.body.array(), as: UTF8.self),
          priority: message.priority,
          sequence: message.sequence,
          id: message.id,
          isRepeated: message.isRepeated
        )
      )
    }
    return (given, reading)
  }

  /// The bodies of everything that waits, over several reads, all of it settled.
  mutating func drain(_ view: QueueView?, age: UInt64 = 0) throws -> [String] {
    var bodies: [String] = []
    while true {
      let (given, _) = try next(view, age: age, maxMessages: 7)
      if given.isEmpty { return bodies }
      for message in given {
        bodies.append(message.body)
        #expect(settle(message.sequence, message.priority) == true)
      }
    }
  }
}

func texts(_ range: Range<Int>) -> [String] { range.map { "message \($0)" } }

internal import ByteIO
internal import HubContract
public import MessageLog

/// Store and forward of an edge: a durable queue for each endpoint that routes lead to (edge
/// contract section 7).
///
/// One thread owns the value and writes; readers on any thread take messages with a `QueueReader`
/// and the queue's `QueueView`. A turn of the writer:
///
/// ```swift
/// for batch in batches { store.append(batch, firstID: ids.take(batch.recordCount), now: now) }
/// for (endpoint, settlements) in news { store.settle(endpoint, settlements, now: now) }
/// let commit = store.commit(now: now)
/// for endpoint in commit.changed { publish(store.view(endpoint)) }
/// acknowledge or refuse each batch by `commit.faults`
/// wake up at store.nextDeadline, for another commit
/// ```
///
/// Each endpoint has a log of its own in a directory of its own, so that one that is dead keeps
/// nothing of the others' alive. A message that goes to two is written to both; it is acknowledged
/// when it is durable in both.
///
/// **Order.** In one class of a queue messages have the order in which they were appended. What comes
/// behind a refused batch in its group is refused too; a driver has to stop a sender whose message was
/// refused before it appends the next one in another group.
///
/// **Settlement.** A reader says how far it is; that is durable with the next group of the queue, or
/// `checkpointDelayMilliseconds` later. After a crash everything beyond is given again. Space is
/// given back, in whole segments, as soon as every class has passed.
///
/// **When it is full**, by `maxSizeBytes` or for want of disk: a batch is refused with
/// `LogFault.full`, unless its routes let older messages give way and there are such at the head of
/// the queue. Messages of routes that do not say so never give way.
public struct EdgeStore<Disks: StoreDisks>: ~Copyable {
  /// The name of the endpoint upstream.
  public static var upstream: String { "iothub" }

  typealias Queue = StoreQueue<Disks.Disk>

  let disks: Disks
  let configuration: EdgeStoreConfiguration
  let crc: CRC32C
  var salts: SeededGenerator
  /// By number; nil where an endpoint was removed.
  var queues: [Queue?] = []
  /// Directories of removed endpoints that could not be removed yet.
  var leftovers: [String] = []
  /// What opening found.
  public internal(set) var findings: [StoreFinding] = []
  /// Bytes that all messages which wait may take, nil for no limit but the disk's.
  public internal(set) var maxSizeBytes: UInt64?
  /// Free bytes of the file system, as the driver last saw them; it tells about once a second.
  public var freeByteCount: UInt64 = .max
  /// Messages for endpoints that had been removed when they came to be written.
  public private(set) var removedEndpointCount: UInt64 = 0
  /// Batches that were refused because the store is full.
  public private(set) var refusedBatchCount: UInt64 = 0

  /// The faults of the batches since the last commit.
  private var faults: [LogFault?] = []
  /// Whether a batch of the group was refused for want of room.
  private var isGroupRefused = false
  /// When messages at the heads of the queues are looked at, in `EdgeTime.age`.
  private var expiryDue: UInt64 = 0

  init(_ disks: Disks, _ configuration: EdgeStoreConfiguration, salt: UInt64, crc: CRC32C) {
    self.disks = disks
    self.configuration = configuration
    self.crc = crc
    salts = SeededGenerator(seed: salt)
    maxSizeBytes = configuration.maxSizeBytes
  }

  // MARK: - Writing

  /// Takes a batch of records in the form of `EventEncoder`, whose `EventRouting` says where each
  /// goes.
  ///
  /// `firstID` is the identifier of the first record; those behind it count on. The next `commit`
  /// answers for the batch. A record that isn't of that form is our own mistake, and traps.
  public mutating func append(_ batch: LogBatch, firstID: EdgeMessageID, now: EdgeTime) {
    let number = faults.count
    faults.append(nil)
    // Nothing that comes behind a refused batch may overtake it.
    guard !isGroupRefused, hasRoom(for: batch, now) else {
      isGroupRefused = true
      faults[number] = .full
      refusedBatchCount += 1
      return
    }
    var id = firstID
    var removed: UInt64 = 0
    let queues = queues
    batch.forEachRecord { record in
      let bytes = batch.storage.extracting(record.payloadRange)
      guard let event = try? EventView(bytes) else {
        preconditionFailure("a record that was encoded here can't be read")
      }
      var start = event.enrichmentRange.lowerBound
      let end = event.enrichmentRange.upperBound
      while start < end {
        guard let delivery = StoreDelivery(bytes, at: start) else {
          preconditionFailure("a delivery that was encoded here can't be read")
        }
        start += StoreDelivery.byteCount
        guard Int(delivery.endpoint) < queues.count, let queue = queues[Int(delivery.endpoint)]
        else {
          removed += 1
          continue
        }
        queue.stage(bytes, delivery, id: id, batch: number, now: now, &faults)
      }
      id = id.advanced(by: 1)
    }
    removedEndpointCount += removed
  }

  /// Takes note of what an endpoint's reader has settled.
  public mutating func settle(_ endpoint: UInt16, _ news: [QueueSettlement], now: EdgeTime) {
    guard let queue = queue(endpoint) else { return }
    for settlement in news {
      queue.settle(settlement.priority, before: settlement.firstUnsettled, now)
    }
  }

  /// Makes durable what was appended since the last commit, and what else is due: one sync for each
  /// queue that has something.
  public mutating func commit(now: EdgeTime) -> StoreCommit {
    var commit = StoreCommit()
    swap(&commit.faults, &faults)
    isGroupRefused = false
    let looksForExpired = expiryDue <= now.age
    var isDone = true
    for case let queue? in queues {
      if looksForExpired, !queue.expire(now) { isDone = false }
      if looksForExpired { queue.resume() }
      queue.commit(now, &commit.faults)
      if queue.isChanged {
        queue.isChanged = false
        commit.changed.append(queue.number)
      }
    }
    if looksForExpired {
      expiryDue = isDone ? now.age + configuration.expiryIntervalMilliseconds : now.age
    }
    return commit
  }

  /// Whether messages wait whose time is over, for the clock to be stored (`EdgeTime.savedAge`); asked
  /// behind a commit.
  public func isClockAwaited(_ now: EdgeTime) -> Bool {
    for case let queue? in queues where queue.awaitsClock(now) { return true }
    return false
  }

  /// When `commit` has to be called at the latest, in `EdgeTime.age`.
  public var nextDeadline: UInt64 {
    var deadline = expiryDue
    for case let queue? in queues {
      if let due = queue.checkpointDue { deadline = min(deadline, due) }
    }
    return deadline
  }

  /// Ends writing: makes everything durable, the checkpoints too; the batches' faults are answered.
  public consuming func close(now: EdgeTime) -> [LogFault?] {
    let faults = commit(now: now).faults
    for case let queue? in queues { queue.close(now) }
    return faults
  }

  // MARK: - Reading

  /// What readers of an endpoint see; nil if it was removed.
  public func view(_ endpoint: UInt16) -> QueueView? { queue(endpoint)?.view }

  /// The disk that an endpoint's readers use; nil if it was removed.
  public func disk(_ endpoint: UInt16) -> Disks.Disk? { queue(endpoint)?.disk }

  func queue(_ endpoint: UInt16) -> Queue? {
    Int(endpoint) < queues.count ? queues[Int(endpoint)] : nil
  }
}

import ByteIO
import HubContract
import MessageLog

/// The queue of one endpoint, as the store's thread has it: a log whose partitions are the priority
/// classes, with the checkpoints in one more.
///
/// A class, because the store keeps many and a log can't be copied. It never leaves the store.
final class StoreQueue<Disk: LogDisk> {
  let endpoint: String
  let number: UInt16
  let directory: String
  let disk: Disk
  let segmentBytes: UInt64
  private let configuration: EdgeStoreConfiguration
  var log: MessageLog<Disk>

  // MARK: Intake

  /// Records that are not in the log yet.
  var staging: LogBatch
  /// The batches that have records in `staging`, by their number in the store's group.
  private var stagedBatches: [Int] = []
  /// Those that have records in the log's open group.
  private var openBatches: [Int] = []
  /// Whether a record of `staging` may make older ones give way.
  private var stagedDropsOldest = false

  /// Why a part of the group is lost: what comes behind it must not overtake it.
  private var groupFault: LogFault?

  // MARK: Settlement

  /// For each class, the number before which everything is settled.
  var settled: [UInt64]
  /// When `settled` has to be durable, in `EdgeTime.age`; nil if it is.
  private(set) var checkpointDue: UInt64?
  /// Whether the log's open group has a checkpoint, and `settled` has not moved since.
  private var isCheckpointOpen = false
  /// For each class, a bound before which the message at its head can't be over its time.
  private var headExpiry: [UInt64]
  /// For each class, what became of its messages.
  var counts: [StoreCounts]
  /// Whose messages were over their time, since somebody asked.
  var expiredSenders: [MessageSender: Int] = [:]
  /// Bytes from the first message that waits to the end; 0 if nothing does.
  private(set) var liveBytes: UInt64 = 0
  /// Whether readers have to be told.
  var isChanged = true

  init(
    endpoint: String,
    number: UInt16,
    directory: String,
    disk: Disk,
    log: consuming MessageLog<Disk>,
    segmentBytes: UInt64,
    configuration: EdgeStoreConfiguration
  ) {
    self.endpoint = endpoint
    self.number = number
    self.directory = directory
    self.disk = disk
    self.segmentBytes = segmentBytes
    self.configuration = configuration
    let view = log.view
    self.log = log
    staging = LogBatch(limits: configuration.stagingLimits)
    let found = Checkpoint.newest(in: view, on: disk)
    settled = PriorityClass.all.map { priority in
      let kept = view[priority.partition]
      return min(max(found?[priority.index] ?? 0, kept.firstSequence), kept.nextSequence)
    }
    headExpiry = Array(repeating: 0, count: PriorityClass.count)
    counts = Array(repeating: StoreCounts(), count: PriorityClass.count)
    measure()
  }

  /// What readers see.
  var view: QueueView { QueueView(log: log.view, settled: settled) }

  /// Bytes that its files take, without what is reserved.
  var fileBytes: UInt64 { log.view.byteCount }

  func length(_ priority: PriorityClass) -> UInt64 {
    log.view[priority.partition].nextSequence - settled[priority.index]
  }

  func measure() {
    let view = log.view
    var floor = view.committedEnd
    for priority in PriorityClass.all {
      let first = settled[priority.index]
      guard first < view[priority.partition].nextSequence else { continue }
      floor = min(floor, view.position(before: first, in: priority.partition))
    }
    liveBytes = view.committedEnd - floor
  }

  // MARK: - Intake

  /// Adds a message, of batch `batch` of the group.
  func stage(
    _ record: Span<UInt8>,
    _ delivery: StoreDelivery,
    id: EdgeMessageID,
    batch: Int,
    now: EdgeTime,
    _ faults: inout [LogFault?]
  ) {
    if staging.byteCount >= configuration.stagingBytes { flush(now, &faults) }
    if let groupFault {
      faults[batch] = groupFault
      return
    }
    let header = StoredHeader(
      expiry: delivery.lifetimeSeconds.map { now.age &+ UInt64($0) * 1000 } ?? .max,
      id: id,
      dropsOldest: delivery.dropsOldest
    )
    if stagedBatches.last != batch { stagedBatches.append(batch) }
    stagedDropsOldest = stagedDropsOldest || delivery.dropsOldest
    headExpiry[delivery.priority.index] = min(
      headExpiry[delivery.priority.index],
      header.expiry
    )
    staging.beginRecord(partition: delivery.priority.partition)
    header.append(to: &staging)
    staging.append(record)
    do throws(LogFault) {
      try staging.endRecord()
    } catch {
      faults[batch] = error
    }
  }

  /// Writes what is staged, with a checkpoint if one is due or the group has to be written anyway,
  /// without making it durable.
  private func flush(_ now: EdgeTime, _ faults: inout [LogFault?]) {
    let hasCheckpoint = addCheckpoint()
    guard !staging.isEmpty else { return }
    do throws(LogFault) {
      try write(now, &faults)
      openBatches += stagedBatches
      isCheckpointOpen = hasCheckpoint
    } catch {
      for batch in stagedBatches { faults[batch] = error }
      groupFault = error
      // It stays due, but is not tried again at once.
      if hasCheckpoint { checkpointDue = now.age + configuration.checkpointDelayMilliseconds }
    }
    staging.removeAll()
    stagedBatches.removeAll(keepingCapacity: true)
    stagedDropsOldest = false
  }

  private func write(_ now: EdgeTime, _ faults: inout [LogFault?]) throws(LogFault) {
    while true {
      do throws(LogFault) {
        return try log.append(&staging, now: now.calendar)
      } catch .groupFull {
        commitOpen(now, &faults)
        // What is staged comes behind what was lost just now.
        if let groupFault { throw groupFault }
      } catch .full {
        // What is settled is given back even though no checkpoint says so: after a crash its
        // absence does.
        if giveBack(keepingCheckpoint: false) > 0 { continue }
        guard stagedDropsOldest, dropOldestSegment(now) else { throw .full }
      } catch {
        throw error
      }
    }
  }

  /// Makes durable what is staged and open; the faults of batches that fail with it go to `faults`.
  func commit(_ now: EdgeTime, _ faults: inout [LogFault?]) {
    if !staging.isEmpty || (checkpointDue ?? .max) <= now.age { flush(now, &faults) }
    commitOpen(now, &faults)
    groupFault = nil
  }

  /// Finds out whether a log that had to stop can go on.
  func resume() {
    guard case .suspended = log.state else { return }
    giveBack(keepingCheckpoint: false)
    // It is tried again with the next message, or a while later.
    do throws(LogFault) { try log.resume() } catch {}
  }

  private func commitOpen(_ now: EdgeTime, _ faults: inout [LogFault?]) {
    let before = log.view
    do throws(LogFault) {
      try log.commit()
      if isCheckpointOpen {
        checkpointDue = nil
        giveBack(keepingCheckpoint: true)
      }
    } catch {
      for batch in openBatches { faults[batch] = error }
      groupFault = error
    }
    isCheckpointOpen = false
    openBatches.removeAll(keepingCapacity: true)
    let after = log.view
    guard after.committedEnd != before.committedEnd else { return }
    for priority in PriorityClass.all {
      let added =
        after[priority.partition].nextSequence - before[priority.partition].nextSequence
      counts[priority.index].accepted += added
      if added > 0 { isChanged = true }
    }
    measure()
  }

  // MARK: - Settlement

  /// Takes note that everything of a class before `sequence` is settled.
  func settle(_ priority: PriorityClass, before sequence: UInt64, _ now: EdgeTime) {
    let bound = min(sequence, log.view[priority.partition].nextSequence)
    let index = priority.index
    guard bound > settled[index] else { return }
    counts[index].settled += bound - settled[index]
    move(priority, to: bound, now)
    measure()
  }

  func move(_ priority: PriorityClass, to bound: UInt64, _ now: EdgeTime) {
    settled[priority.index] = bound
    // A reader that begins anew must not be given these again.
    isChanged = true
    headExpiry[priority.index] = length(priority) == 0 ? .max : 0
    // A checkpoint that is on its way says less than this.
    isCheckpointOpen = false
    if checkpointDue == nil { checkpointDue = now.age + configuration.checkpointDelayMilliseconds }
  }

  /// Whether the time of a message at the head of a class is over, but not yet by what is stored of the
  /// clock.
  func awaitsClock(_ now: EdgeTime) -> Bool {
    PriorityClass.all.contains { priority in
      let expiry = headExpiry[priority.index]
      return expiry > now.savedAge && expiry <= now.age && length(priority) > 0
    }
  }

  /// Removes messages at the heads of the classes whose time is over; false if more are to come.
  func expire(_ now: EdgeTime) -> Bool {
    var isDone = true
    for priority in PriorityClass.all
    where length(priority) > 0 && headExpiry[priority.index] <= now.savedAge {
      let trimmed = trim(priority, limit: 4096, now) { payload in
        let record = payload.extracting(StoredHeader.byteCount..<payload.count)
        guard let sender = MessageSender(record: record) else { return }
        expiredSenders[sender, default: 0] += 1
      } _: { header, _, _ in
        header.expiry <= now.savedAge
      }
      counts[priority.index].expired += trimmed.count
      headExpiry[priority.index] = trimmed.head?.expiry ?? (trimmed.isAtEnd ? .max : 0)
      if !trimmed.isAtEnd, trimmed.head == nil { isDone = false }
    }
    return isDone
  }

  /// Gives segments back whose messages are settled; answers how many.
  @discardableResult
  func giveBack(keepingCheckpoint: Bool) -> Int {
    let checkpoints = log.view[StoreQueueLayout.checkpointPartition].nextSequence
    let kept = settled + [keepingCheckpoint ? max(checkpoints, 1) - 1 : checkpoints]
    let before = log.view.segmentCount
    // A file that can't be removed is found again when the store is opened.
    do throws(LogFault) { try log.release(before: kept) } catch {}
    let count = before - log.view.segmentCount
    if count > 0 { isChanged = true }
    return count
  }

  /// Adds a checkpoint to what is staged if one is due; false if none is.
  private func addCheckpoint() -> Bool {
    guard checkpointDue != nil else { return false }
    staging.beginRecord(partition: StoreQueueLayout.checkpointPartition)
    Checkpoint.append(settled, to: &staging)
    do throws(LogFault) {
      try staging.endRecord()
      return true
    } catch {
      return false
    }
  }

  /// Makes everything durable, checkpoints that are not due yet among them.
  func close(_ now: EdgeTime) {
    if checkpointDue != nil { checkpointDue = 0 }
    var none: [LogFault?] = []
    commit(now, &none)
  }
}

import ByteIO
@preconcurrency import Dispatch
import Endpoints
import Glibc
import HubContract
import Logging
import MessageLog
import Platform
import Synchronization

/// The hub's message log on the disk: one writer with group commit for all event loops.
///
/// All batches that wait when the writer gets to them are written together and share one sync;
/// then their loops are told, and readers see them. When the disk is full or fails, batches are
/// refused, new connections are turned away, and a look every second finds out when it is over.
final class EventLog: TelemetryLog, Sendable {
  private struct Submission {
    let batch: TelemetryBatch
    let reply: @Sendable (Result<Void, LogFault>) -> Void
  }

  private struct Queue {
    var submissions: [Submission] = []
    var isDraining = false
  }

  private struct Waiter {
    let id: UInt64
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct Readers {
    var view: LogView
    var waiters: [Waiter] = []
    var nextID: UInt64 = 0
  }

  private let disk: LinuxDisk
  private let log: Mutex<MessageLog<LinuxDisk>?>
  private let readers: Mutex<Readers>
  private let queue = Mutex(Queue())
  private let writer = DispatchQueue(label: "orrery.log", qos: .userInteractive)
  private let faults: FaultInjector
  private let logger: Logger
  private let suspended = Atomic<Bool>(false)
  private let commits = Atomic<Int>(0)
  private let commitNanoseconds = Atomic<Int>(0)
  private let houseKeeping: any DispatchSourceTimer
  private let segmentBytes: UInt64
  let partitionCount: Int
  let isEnabled: Bool

  /// Opens or makes the log in `directory`; reports what recovery found.
  init(
    directory: String,
    settings: HubSettings,
    faults: FaultInjector,
    logger: Logger
  ) throws {
    try PrivateFile.makeDirectory(directory)
    disk = LinuxDisk(directory: directory, isDurable: settings.syncsLog && !settings.isEphemeral)
    self.faults = faults
    self.logger = logger
    partitionCount = settings.partitions
    segmentBytes = UInt64(settings.segmentBytes)
    isEnabled = settings.isLogEnabled
    let salt = Entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    let configuration = LogConfiguration(
      partitionCount: settings.partitions,
      segmentBytes: UInt64(settings.segmentBytes),
      limits: LogLimits(
        recordBytes: 1 << 20,
        batchBytes: 8 << 20,
        uncommittedBytes: 256 << 20
      ),
      retention: LogRetention(
        ageMilliseconds: UInt64(settings.retentionHours) * 3_600_000,
        byteCount: settings.retentionBytes > 0 ? UInt64(settings.retentionBytes) : nil
      ),
      whenFull: settings.dropsOldestWhenFull ? .dropOldest : .refuse,
      salt: salt
    )
    let opened: MessageLog<LinuxDisk>
    do throws(LogFault) {
      opened = try MessageLog.open(disk, configuration: configuration, crc: Machine.crc32c())
    } catch .partitionCount(let found, let asked) {
      throw SettingsFault(
        "\(directory) has \(found) partitions, not \(asked): set log.partitions to \(found)"
      )
    } catch {
      throw SettingsFault.messageLog(directory, error)
    }
    let recovery = opened.recovery
    let state = opened.state
    readers = Mutex(Readers(view: opened.view))
    log = Mutex(opened)
    houseKeeping = DispatchSource.makeTimerSource(queue: writer)
    report(recovery, state)
    houseKeeping.setEventHandler { [weak self] in self?.lookAfter() }
    houseKeeping.schedule(deadline: .now() + 1, repeating: 1)
    houseKeeping.resume()
  }

  /// The partition of a device's events: the same for ever (contract "Event endpoint").
  func partition(of deviceID: String) -> UInt16 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in deviceID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return UInt16(truncatingIfNeeded: (hash ^ hash >> 32) % UInt64(partitionCount))
  }

  /// Whether the log can't take events now, for want of space or because the disk fails.
  var isSuspended: Bool { suspended.load(ordering: .acquiring) }

  /// What can be read now.
  var view: LogView { readers.withLock { $0.view } }

  /// Whether anything was ever appended.
  var hasRecords: Bool {
    let view = view
    return (0..<UInt16(partitionCount)).contains { view[$0].nextSequence > 0 }
  }

  /// Group commits so far, and the nanoseconds they took.
  var commitStatistics: (count: Int, nanoseconds: Int) {
    (commits.load(ordering: .relaxed), commitNanoseconds.load(ordering: .relaxed))
  }

  /// A reader of one partition.
  func makeCursor(partition: UInt16) -> LogCursor<LinuxDisk> {
    LogCursor(disk: disk, partition: partition)
  }

  func submit(
    _ batch: TelemetryBatch,
    reply: @escaping @Sendable (Result<Void, LogFault>) -> Void
  ) {
    guard faults.strike(.loseTelemetry) == nil else { return reply(.failure(.disk(.io(EIO)))) }
    let submission = Submission(batch: batch, reply: reply)
    let starts = queue.withLock { queue in
      queue.submissions.append(submission)
      defer { queue.isDraining = true }
      return !queue.isDraining
    }
    guard starts else { return }
    writer.async { self.drain() }
    // Where loop and writer share a processor, the disk is set to work before the loop goes on;
    // else the sync would begin only when there is nothing left to do meanwhile.
    Machine.yield()
  }

  /// Appends one event of the hub's own, or one that came by HTTPS, and waits until it is durable.
  func append(
    partition: UInt16,
    limits: LogLimits = LogLimits(),
    _ encode: (inout LogBatch) -> Void
  ) async throws(LogFault) {
    guard isEnabled else { return }
    let batch = TelemetryBatch(limits: limits)
    batch.records.beginRecord(partition: partition)
    encode(&batch.records)
    try batch.records.endRecord()
    let result = await withCheckedContinuation { continuation in
      submit(batch) { result in continuation.resume(returning: result) }
    }
    try result.get()
  }

  /// Returns when everything that was submitted before is in the log, or was refused.
  func settle() async {
    await withCheckedContinuation { continuation in
      submit(TelemetryBatch(limits: LogLimits())) { _ in continuation.resume() }
    }
  }

  /// Returns when more than `position` is committed, or after `timeout`.
  func waitForMore(than position: UInt64, timeout: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.waitForCommit(after: position) }
      group.addTask { try? await Pause.sleep(for: timeout) }
      await group.next()
      group.cancelAll()
    }
  }

  /// Stops the writer after what was submitted.
  func close() {
    houseKeeping.cancel()
    writer.sync { drain() }
    log.withLock { log in
      guard let open = log.take() else { return }
      do throws(LogFault) {
        try open.close()
      } catch {
        logger.error("the message log was not closed", metadata: ["fault": "\(error)"])
      }
    }
  }

  // MARK: The writer's side

  private func drain() {
    while true {
      var work = queue.withLock { queue -> [Submission] in
        let work = queue.submissions
        queue.submissions = []
        if work.isEmpty { queue.isDraining = false }
        return work
      }
      if work.isEmpty { return }
      write(&work)
    }
  }

  private func write(_ work: inout [Submission]) {
    let start = SystemClock.now()
    let now = UInt64(clamping: SystemClock.wallMilliseconds())
    var faults: [LogFault?] = Array(repeating: .disk(.missing), count: work.count)
    log.withLock { log in
      let told = log?.write(count: work.count) { log, index throws(LogFault) in
        try log.append(&work[index].batch.records, now: now)
      }
      guard let told else { return }
      faults = told
      publish(log?.view)
      noteState(log?.state, isFull: faults.contains(.full))
    }
    commits.add(1, ordering: .relaxed)
    commitNanoseconds.add(
      Int(SystemClock.now().nanoseconds - start.nanoseconds),
      ordering: .relaxed
    )
    if let fault = self.faults.strike(.slowLog) {
      Pause.block(milliseconds: fault.delayMilliseconds)
    }
    for (index, submission) in work.enumerated() {
      submission.reply(faults[index].map { .failure($0) } ?? .success(()))
    }
    work = []
  }

  private func publish(_ view: LogView?) {
    guard let view else { return }
    let woken = readers.withLock { readers -> [Waiter] in
      readers.view = view
      if readers.waiters.isEmpty { return [] }
      defer { readers.waiters = [] }
      return readers.waiters
    }
    for waiter in woken { waiter.continuation.resume() }
  }

  private func waitForCommit(after position: UInt64) async {
    let id = readers.withLock { readers in
      readers.nextID += 1
      return readers.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isThere = readers.withLock { readers in
          if readers.view.committedEnd > position || Task.isCancelled { return true }
          readers.waiters.append(Waiter(id: id, continuation: continuation))
          return false
        }
        if isThere { continuation.resume() }
      }
    } onCancel: {
      let waiter = readers.withLock { readers -> Waiter? in
        guard let index = readers.waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return readers.waiters.remove(at: index)
      }
      waiter?.continuation.resume()
    }
  }

  /// Once a second: applies retention, and finds out whether a suspended log can go on.
  private func lookAfter() {
    let now = UInt64(clamping: SystemClock.wallMilliseconds())
    log.withLock { log in
      guard log != nil else { return }
      let before = log?.view
      do throws(LogFault) {
        if try log?.expire(now: now) ?? 0 > 0, let before, let after = log?.view {
          reportRemoved(before, after)
        }
      } catch {
        logger.error("old events not removed", metadata: ["fault": "\(error)"])
      }
      if case .suspended? = log?.state { try? log?.resume() }
      publish(log?.view)
      noteState(log?.state)
    }
  }

  /// Notes whether events are taken.
  ///
  /// A log whose next segment did not fit still counts as writing, for batches that fit into the
  /// active one; here it counts as full until there is room for a segment.
  private func noteState(_ state: MessageLog<LinuxDisk>.State?, isFull: Bool = false) {
    guard let state else { return }
    var fault: LogFault? = isFull ? .full : nil
    if case .suspended(let reason) = state { fault = reason }
    if fault == nil, isSuspended, let free = disk.freeByteCount, free < segmentBytes { return }
    if let fault {
      if !suspended.exchange(true, ordering: .acquiringAndReleasing) {
        logger.error(
          "the message log takes no events; free space or mend the disk, it resumes by itself",
          metadata: ["fault": "\(fault)"]
        )
      }
    } else if suspended.exchange(false, ordering: .acquiringAndReleasing) {
      logger.notice("the message log takes events again")
    }
  }

  /// Says how many events retention took; a segment that held none goes without a word.
  private func reportRemoved(_ before: LogView, _ after: LogView) {
    let count = (0..<UInt16(partitionCount)).reduce(UInt64(0)) { sum, partition in
      sum &+ after[partition].firstSequence &- before[partition].firstSequence
    }
    if count > 0 { logger.info("old events removed", metadata: ["events": "\(count)"]) }
  }

  private func report(_ recovery: LogRecovery, _ state: MessageLog<LinuxDisk>.State) {
    noteState(state)
    for finding in recovery.findings {
      // Nothing that was acknowledged is lost by a cut. An empty segment is what a quiet day leaves, or
      // what is left of one that was cut at its beginning.
      let level: Logger.Level =
        switch finding {
        case .emptySegmentRemoved: .info
        case .cut: .notice
        case .damaged, .headerDamaged, .segmentsMissing, .foreignFile: .warning
        }
      logger.log(level: level, "recovery of the message log", metadata: ["found": "\(finding)"])
    }
    logger.info("message log opened", metadata: ["segments": "\(recovery.segmentCount)"])
  }
}

import ByteIO
@preconcurrency import Dispatch
import EdgeEngine
import Endpoints
import Glibc
import HubContract
import Logging
import MessageLog
import Platform
import Synchronization

/// Store and forward on the disk: one writer with group commit for all event loops, and the views
/// that readers take messages with.
///
/// Everything that waits when the writer gets to it is written together; then senders are told,
/// and the readers of what has changed are woken.
final class StoreService: TelemetryLog, Sendable {
  typealias Store = EdgeStore<EdgeDirectories>

  private struct Submission {
    let batch: TelemetryBatch
    let reply: @Sendable (Result<Void, LogFault>) -> Void

    /// Who sent what is in it.
    var senders: [MessageSender: Int] {
      var senders: [MessageSender: Int] = [:]
      let records = batch.records
      records.forEachRecord { record in
        let bytes = records.storage.extracting(record.payloadRange)
        guard let sender = MessageSender(record: bytes) else { return }
        senders[sender, default: 0] += 1
      }
      return senders
    }
  }

  private struct Work {
    var submissions: [Submission] = []
    var settlements: [(endpoint: UInt16, news: [QueueSettlement])] = []
    var isDraining = false
  }

  /// What readers are given of an endpoint.
  struct Endpoint: Sendable {
    let name: String
    let disk: LinuxDisk
    var view: QueueView
  }

  private struct Watcher {
    var endpoints: Set<UInt16>
    let wake: @Sendable () -> Void
  }

  private struct Published {
    var endpoints: [UInt16: Endpoint] = [:]
    var watchers: [UInt64: Watcher] = [:]
    var lastWatcher: UInt64 = 0
    /// Counts changes of the set of endpoints.
    var generation = 0
  }

  private let directory: String
  private let store: Mutex<Store?>
  private let work = Mutex(Work())
  private let published = Mutex(Published())
  private let clock: Mutex<EdgeClock>
  private let ids: Mutex<EdgeEngine.EdgeMessageID>
  private let writer = DispatchQueue(label: "orrery.edge.store", qos: .userInteractive)
  private let timer: any DispatchSourceTimer
  private let isFull = Atomic<Bool>(false)
  private let commits = Atomic<Int>(0)
  private let hubFigures: HubFigures
  private let logger: Logger

  /// Opens or makes the queues in `directory`, and says what was found.
  ///
  /// - Throws: `SettingsFault` for what can't be opened, and how to mend it.
  init(directory: String, isDurable: Bool, figures: HubFigures, logger: Logger) throws {
    self.directory = directory
    hubFigures = figures
    self.logger = logger
    let queues = directory + "/queues"
    try PrivateFile.makeDirectory(directory)
    try PrivateFile.makeDirectory(queues)
    let number = { Entropy.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    ids = Mutex(EdgeEngine.EdgeMessageID(high: number(), low: 0))
    let state = (try? PrivateFile.read(directory + "/clock", limit: 256)).flatMap {
      EdgeClock.State(stored: $0)
    }
    clock = Mutex(
      EdgeClock(
        state,
        wall: UInt64(clamping: SystemClock.wallMilliseconds()),
        monotonic: SystemClock.now()
      )
    )
    let opened: Store
    do throws(StoreFault) {
      opened = try Store.open(
        EdgeDirectories(queues, isDurable: isDurable),
        salt: number(),
        crc: Machine.crc32c()
      )
    } catch {
      throw SettingsFault(
        "the messages in \(queues) cannot be opened: \(error)",
        remedy: "It must be a directory of the user that runs the local hub, on a disk that works "
          + "and has room: ls -ld \(queues); df \(queues)."
      )
    }
    let findings = opened.findings
    store = Mutex(opened)
    timer = DispatchSource.makeTimerSource(queue: writer)
    for finding in findings {
      logger.notice("recovery of the stored messages", metadata: ["found": "\(finding)"])
    }
    timer.setEventHandler { [weak self] in self?.lookAfter() }
    timer.schedule(deadline: .now() + 0.25, repeating: 0.25)
    timer.activate()
  }

  // MARK: Time

  /// The time at this edge.
  var now: EdgeTime {
    clock.withLock {
      $0.read(
        wall: UInt64(clamping: SystemClock.wallMilliseconds()),
        monotonic: SystemClock.now()
      )
    }
  }

  /// Calendar time, which never goes back.
  var calendar: Timestamp { Timestamp(milliseconds: Int64(clamping: now.calendar)) }

  /// Somebody who knows the time has agreed with the system's clock; `then` is called when the clock is
  /// stored, so that what waited too long is known to have, or its disk has refused that, which must not
  /// keep messages here.
  func confirmTime(then: @escaping @Sendable () -> Void) {
    clock.withLock {
      _ = $0.confirm(
        wall: UInt64(clamping: SystemClock.wallMilliseconds()),
        monotonic: SystemClock.now()
      )
    }
    writer.async {
      self.saveTime()
      then()
    }
  }

  // MARK: Endpoints

  /// Makes queues for `endpoints` and forgets all others with what waits there.
  ///
  /// - Returns: The number of each.
  /// - Throws: Why that can't be done; everything is as before.
  func configure(_ endpoints: [String], maxSizeBytes: UInt64?) throws -> [UInt16] {
    try writer.sync {
      let numbers = try store.withLock { store throws(StoreFault) -> [UInt16] in
        try store?.configure(endpoints, maxSizeBytes: maxSizeBytes) ?? []
      }
      let all = zip(numbers, endpoints).compactMap { number, name -> (UInt16, Endpoint)? in
        store.withLock { store in
          guard let view = store?.view(number), let disk = store?.disk(number) else { return nil }
          return (number, Endpoint(name: name, disk: disk, view: view))
        }
      }
      let wakers = published.withLock { published in
        published.endpoints = Dictionary(all) { _, last in last }
        published.generation += 1
        return published.watchers.values.map(\.wake)
      }
      for wake in wakers { wake() }
      return numbers
    }
  }

  /// Counts changes of the set of endpoints: who reads looks whether its own are others now.
  var generation: Int { published.withLock { $0.generation } }

  /// The endpoint `number` as it is now.
  func endpoint(_ number: UInt16) -> Endpoint? { published.withLock { $0.endpoints[number] } }

  /// The endpoints whose names begin with `prefix`.
  func endpoints(prefix: String) -> [(number: UInt16, endpoint: Endpoint)] {
    published.withLock { published in
      published.endpoints.filter { $0.value.name.hasPrefix(prefix) }
        .map { ($0.key, $0.value) }
    }.sorted { $0.number < $1.number }
  }

  /// Has `wake` called whenever there is something new for these endpoints, or they are others.
  func watch(_ endpoints: Set<UInt16>, wake: @escaping @Sendable () -> Void) -> UInt64 {
    published.withLock { published in
      published.lastWatcher += 1
      published.watchers[published.lastWatcher] = Watcher(endpoints: endpoints, wake: wake)
      return published.lastWatcher
    }
  }

  /// Changes what a watcher watches.
  func watch(_ endpoints: Set<UInt16>, as watcher: UInt64) {
    published.withLock { $0.watchers[watcher]?.endpoints = endpoints }
  }

  /// Ends a watch.
  func unwatch(_ watcher: UInt64) { published.withLock { $0.watchers[watcher] = nil } }

  // MARK: Writing

  func submit(
    _ batch: TelemetryBatch,
    reply: @escaping @Sendable (Result<Void, LogFault>) -> Void
  ) {
    let starts = work.withLock { work in
      work.submissions.append(Submission(batch: batch, reply: reply))
      defer { work.isDraining = true }
      return !work.isDraining
    }
    guard starts else { return }
    writer.async { self.drain() }
    // See `EventLog`: the disk is set to work before the loop goes on.
    Machine.yield()
  }

  /// Takes note of how far a reader is; durable with the next commit, or soon after.
  func settle(_ endpoint: UInt16, _ news: [QueueSettlement]) {
    guard !news.isEmpty else { return }
    work.withLock { $0.settlements.append((endpoint, news)) }
  }

  /// Lets readers that begin after this see what `settle` was told.
  func tellReaders() { writer.async { self.lookAfter() } }

  private func drain() {
    guard drainOnce() else { return }
    // Behind what else waits for the writer: the clock, another configuration.
    writer.async { self.drain() }
  }

  /// Writes what waits; false if nothing does.
  private func drainOnce() -> Bool {
    let taken = work.withLock { work -> ([Submission], [(UInt16, [QueueSettlement])])? in
      guard !work.submissions.isEmpty else {
        work.isDraining = false
        return nil
      }
      defer {
        work.submissions = []
        work.settlements = []
      }
      return (work.submissions, work.settlements)
    }
    guard let (submissions, settlements) = taken else { return false }
    write(submissions, settlements)
    return true
  }

  private func write(
    _ submissions: [Submission],
    _ settlements: [(endpoint: UInt16, news: [QueueSettlement])]
  ) {
    let now = now
    var gone: [MessageSender: Int] = [:]
    let commit = store.withLock { store -> StoreCommit? in
      for (endpoint, news) in settlements { store?.settle(endpoint, news, now: now) }
      for submission in submissions {
        let count = submission.batch.records.recordCount
        let first = ids.withLock { ids in
          defer { ids = ids.advanced(by: count) }
          return ids
        }
        store?.append(submission.batch.records, firstID: first, now: now)
      }
      let commit = store?.commit(now: now)
      gone = store?.takeExpired() ?? [:]
      if let commit { publish(commit.changed, store) }
      return commit
    }
    // Without a store it has been closed: nothing is durable any more.
    guard let commit else {
      for submission in submissions { submission.reply(.failure(.disk(.missing))) }
      return
    }
    commits.add(1, ordering: .relaxed)
    wake(commit.changed)
    if !gone.isEmpty { expired(gone) }
    noteFullness(commit.faults)
    for (index, submission) in submissions.enumerated() {
      if commit.faults[index] != nil { hubFigures.unacknowledged(submission.senders) }
      submission.reply(commit.faults[index].map { .failure($0) } ?? .success(()))
    }
  }

  private func publish(_ changed: [UInt16], _ store: borrowing Store?) {
    published.withLock { published in
      for number in changed {
        if let view = store?.view(number) { published.endpoints[number]?.view = view }
      }
    }
  }

  private func wake(_ changed: [UInt16]) {
    guard !changed.isEmpty else { return }
    let wakers = published.withLock { published in
      published.watchers.values
        .filter { watcher in changed.contains { watcher.endpoints.contains($0) } }.map(\.wake)
    }
    for wake in wakers { wake() }
  }

  /// Messages were given up because their time was over.
  func expired(_ senders: [MessageSender: Int]) { hubFigures.dropped("ttl_expiry", senders) }

  private func noteFullness(_ faults: [LogFault?]) {
    guard let last = faults.last else { return }
    if let last {
      if !isFull.exchange(true, ordering: .relaxed) {
        logger.error(
          "messages are refused; free space, raise maxSizeBytes, or mend the disk",
          metadata: ["fault": "\(last)"]
        )
      }
    } else if isFull.exchange(false, ordering: .relaxed) {
      logger.notice("messages are taken again")
    }
  }

  /// Several times a second: makes settlements durable, lets messages expire, looks at the disk.
  private func lookAfter() {
    let now = now
    let free = LinuxDisk(directory: directory, isDurable: false).freeByteCount
    let isDue = store.withLock { store in
      if let free { store?.freeByteCount = free }
      guard let deadline = store?.nextDeadline else { return false }
      return deadline <= now.age
    }
    let settlements = work.withLock { work in
      defer { work.settlements = [] }
      return work.settlements
    }
    if isDue || !settlements.isEmpty { write([], settlements) }
    keepTime()
  }

  private func keepTime() {
    let (now, state) = (now, clock.withLock { $0.state })
    let kept = keptTime.withLock { $0 }
    let age = state.age - min(state.age, kept.last.age)
    let isDue =
      kept.hasFailed ? age >= 1_000 : age >= 60_000 || state.keepsTime != kept.last.keepsTime
    guard isDue || age >= 10_000 && store.withLock({ $0?.isClockAwaited(now) ?? false }) else {
      return
    }
    saveTime()
  }

  /// Stores the clock; a disk that refuses is asked again a second later.
  private func saveTime() {
    let state = clock.withLock { $0.state }
    let hadFailed = keptTime.withLock { kept in
      kept.last = state
      return kept.hasFailed
    }
    do {
      try PrivateFile.replace(directory + "/clock", with: state.stored)
      clock.withLock { $0.saved(state) }
      keptTime.withLock { $0.hasFailed = false }
      if hadFailed { logger.notice("the edge's clock is stored again") }
    } catch {
      keptTime.withLock { $0.hasFailed = true }
      if !hadFailed {
        logger.error(
          "the edge's clock cannot be stored: messages outlive their time; mend the disk",
          metadata: ["fault": "\(error)"]
        )
      }
    }
  }

  /// The clock at the last attempt to store it, and whether that has failed.
  private struct KeptTime {
    var last = EdgeClock.State(calendar: 0, age: 0, keepsTime: false)
    var hasFailed = false
  }

  private let keptTime = Mutex(KeptTime())

  /// What each queue holds, for metrics.
  var figures: [QueueFigures] { store.withLock { $0?.figures ?? [] } }

  /// Bytes of messages that wait, and how many there may be.
  var bytes: (used: UInt64, limit: UInt64?) {
    store.withLock { store in
      guard let used = store?.usedByteCount else { return (0, nil) }
      return (used, store?.maxSizeBytes)
    }
  }

  /// Stops the writer after what was submitted.
  func close() {
    timer.cancel()
    writer.sync {
      while drainOnce() {}
      let settlements = work.withLock { $0.settlements }
      write([], settlements)
      let now = now
      store.withLock { store in
        guard let open = store.take() else { return }
        _ = open.close(now: now)
      }
      saveTime()
    }
  }
}

extension EdgeClock.State {
  /// Reads what `stored` wrote; nil for anything else.
  fileprivate init?(stored bytes: [UInt8]) {
    let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    guard words.count == 3, let calendar = UInt64(words[0]), let age = UInt64(words[1]),
      ["0", "1"].contains(words[2])
    else { return nil }
    self.init(calendar: calendar, age: age, keepsTime: words[2] == "1")
  }

  fileprivate var stored: [UInt8] { Array("\(calendar) \(age) \(keepsTime ? 1 : 0)".utf8) }
}

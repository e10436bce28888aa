public import ByteIO
public import HubContract
internal import JSONTree

/// The twins of an edge's clients: answers while the service is away, and agreement once it is back
/// (edge contract sections 8.1, 8.2, 9.1 and 9.2).
///
/// **Desired.** The service's version wins. A patch is taken and handed on if its version is the one
/// behind the known; else the whole twin is read and the difference handed on. The client that was away
/// gets the difference when it subscribes again.
///
/// **Reported.** The client's patches win. Each is checked, merged into what waits, made durable and
/// answered; what waits goes upstream as one patch, at most one in five seconds. It stays until the
/// service has accepted it: what gets no answer is sent again as it was, what is refused is joined with
/// what comes later and tried again.
///
/// Time comes in with every event, and `nextDeadline` says when `timePassed` wants to be called.
/// Exchanges with the service carry numbers; answers to those that are no longer under way are ignored,
/// so a driver need not forget them. Not its business: who may connect, subscriptions upstream, and how
/// many identities there are, which the registry bounds.
public struct TwinCache: Sendable {
  /// Something that was asked of the service.
  struct Exchange: Sendable {
    let number: UInt64
    let deadline: Instant
    /// What was known when it began: an answer below is not late, but of a twin that was made anew.
    let desiredVersion: UInt64
    let upstreamVersion: UInt64
  }

  /// One identity.
  struct Entry: Sendable {
    var twin = CachedTwin()
    var isSubscribed = false
    /// Whether it is in `busy`.
    var isBusy = false
    /// The client's requests that wait for the service.
    var readers: [UInt64] = []
    var read: Exchange?
    var send: Exchange?
    /// When the whole twin is to be read.
    var syncAt: Instant?
    var lastSync: Instant?
    var lastSend: Instant?
    var nextSend = Instant(nanoseconds: 0)
    /// Whether a patch goes before the read, as it should when the link has come.
    var sendsFirst = false
    /// Failed tries since the last success, of patches and of reads.
    var sendFailures = 0
    var readFailures = 0
  }

  /// Times and limits.
  public let configuration: TwinCacheConfiguration
  /// Whether the service can be reached.
  public private(set) var isUp = false
  /// When `timePassed` is to be called, nil for never; it may be early.
  public private(set) var nextDeadline: Instant?
  var entries: [IdentityKey: Entry] = [:]
  /// The identities for which something is under way or has to be done, in the order in which they came.
  private var busy: [IdentityKey] = []
  var exchangeCount = 0
  /// Whether somebody waits for `exchangeCount` to fall.
  private var isCrowded = false
  private var lastExchange: UInt64 = 0

  /// Creates a cache that knows nothing, without a link.
  public init(_ configuration: TwinCacheConfiguration = TwinCacheConfiguration()) {
    self.configuration = configuration
  }

  /// Takes up what was stored for an identity; before anything else.
  ///
  /// - Throws: what is wrong with the record. The identity is then as if unknown.
  public mutating func restore(
    _ key: IdentityKey,
    _ record: Span<UInt8>
  ) throws(TwinRecordFault) {
    entries[key] = Entry(twin: try CachedTwin(record: record))
  }

  /// How many identities there are.
  public var count: Int { entries.count }

  /// Whether the identity's whole twin was read from the service once.
  public func isKnown(_ key: IdentityKey) -> Bool { entries[key]?.twin.isKnown ?? false }

  /// How many of them have changes that the service has not accepted.
  public var changedCount: Int { entries.values.count { $0.twin.hasChanges } }

  /// The identity's twin as its client would read it without the service.
  public func document(_ key: IdentityKey) -> [UInt8] {
    (entries[key]?.twin ?? CachedTwin()).document
  }

  // MARK: The link

  /// The service can be reached: reported properties go first, then the twins of subscribed clients are
  /// read.
  public mutating func linkUp(now: Instant) -> [TwinAction] {
    var actions: [TwinAction] = []
    guard !isUp else { return actions }
    isUp = true
    // In their order, so that a run can be repeated.
    for key in entries.keys.sorted() {
      guard var entry = entries[key] else { continue }
      entry.sendFailures = 0
      entry.readFailures = 0
      entry.nextSend = pace(entry, now)
      entry.sendsFirst = entry.twin.hasChanges
      if entry.isSubscribed { entry.syncAt = syncTime(entry, now) }
      proceed(key, entry, now, &actions)
    }
    return actions
  }

  /// The service cannot be reached: who waits for it is answered from the copy.
  public mutating func linkDown(now: Instant) -> [TwinAction] {
    var actions: [TwinAction] = []
    guard isUp else { return actions }
    isUp = false
    exchangeCount = 0
    for key in busy {
      guard var entry = entries[key] else { continue }
      entry.isBusy = false
      entry.read = nil
      entry.send = nil
      entry.syncAt = nil
      answerReaders(key, &entry, &actions)
      entries[key] = entry
    }
    busy = []
    isCrowded = false
    nextDeadline = nil
    return actions
  }

  /// The identity was removed: nothing of it is kept.
  public mutating func removed(_ key: IdentityKey, now: Instant) -> [TwinAction] {
    guard let entry = entries.removeValue(forKey: key) else { return [] }
    var actions: [TwinAction] = [.forget(key)]
    exchangeCount -= (entry.read == nil ? 0 : 1) + (entry.send == nil ? 0 : 1)
    if entry.isBusy { busy.removeAll { $0 == key } }
    makeUseOfRoom(now, &actions)
    return actions
  }

  /// The clock has moved on.
  public mutating func timePassed(now: Instant) -> [TwinAction] {
    var actions: [TwinAction] = []
    guard let deadline = nextDeadline, deadline <= now else { return actions }
    proceedAll(now, &actions)
    makeUseOfRoom(now, &actions)
    return actions
  }

  // MARK: What is done next

  /// When a patch may go upstream again.
  func pace(_ entry: Entry, _ now: Instant) -> Instant {
    guard let last = entry.lastSend else { return now }
    return max(now, last.adding(milliseconds: configuration.reportedIntervalMilliseconds))
  }

  /// When the whole twin may be read unasked.
  func syncTime(_ entry: Entry, _ now: Instant) -> Instant {
    guard let last = entry.lastSync else { return now }
    return max(now, last.adding(milliseconds: configuration.syncIntervalMilliseconds))
  }

  /// When something that has failed so often is tried again.
  func retryTime(_ failures: Int, _ now: Instant) -> Instant {
    let first = max(configuration.reportedIntervalMilliseconds, 1000)
    let pause = first << UInt64(min(max(failures - 1, 0), 6))
    return now.adding(milliseconds: min(pause, configuration.longestPauseMilliseconds))
  }

  /// Keeps `entry` and does what has become due for it.
  mutating func proceed(
    _ key: IdentityKey,
    _ entry: Entry,
    _ now: Instant,
    _ actions: inout [TwinAction]
  ) {
    var entry = entry
    begin(key, &entry, now, &actions)
    note(key, &entry)
    entries[key] = entry
  }

  /// Goes on with those that wait for room, if there is some.
  mutating func makeUseOfRoom(_ now: Instant, _ actions: inout [TwinAction]) {
    while isCrowded, exchangeCount < configuration.maximumExchanges { proceedAll(now, &actions) }
  }

  /// Does what has become due for all that are busy.
  private mutating func proceedAll(_ now: Instant, _ actions: inout [TwinAction]) {
    let keys = busy
    busy = []
    nextDeadline = nil
    isCrowded = false
    for key in keys {
      guard var entry = entries[key] else { continue }
      entry.isBusy = false
      if let read = entry.read, read.deadline <= now {
        readFailed(key, &entry, now, &actions)
      }
      if let send = entry.send, send.deadline <= now {
        sendFailed(&entry, now)
      }
      proceed(key, entry, now, &actions)
    }
  }

  private mutating func begin(
    _ key: IdentityKey,
    _ entry: inout Entry,
    _ now: Instant,
    _ actions: inout [TwinAction]
  ) {
    guard isUp else { return }
    let hasRoom = exchangeCount < configuration.maximumExchanges
    if entry.send == nil, entry.twin.hasChanges, entry.nextSend <= now, hasRoom {
      if entry.twin.sent == nil {
        // From here on it is not changed: nobody knows what of it has arrived.
        entry.twin.sent = entry.twin.pending
        entry.twin.pending = nil
        actions.append(.store(key, entry.twin.record))
      }
      let exchange = exchange(entry, now)
      entry.send = exchange
      entry.lastSend = now
      let patch = entry.twin.sent ?? []
      actions.append(.sendReported(key, exchange: exchange.number, patch: patch))
    }
    let isSyncDue = entry.syncAt.map { $0 <= now } ?? false
    let isSync = isSyncDue && !(entry.sendsFirst && entry.twin.hasChanges) && hasRoom
    if entry.read == nil, isSync || !entry.readers.isEmpty {
      let exchange = exchange(entry, now)
      entry.read = exchange
      entry.syncAt = nil
      actions.append(.readTwin(key, exchange: exchange.number))
    }
  }

  private mutating func exchange(_ entry: Entry, _ now: Instant) -> Exchange {
    lastExchange += 1
    exchangeCount += 1
    return Exchange(
      number: lastExchange,
      deadline: now.adding(milliseconds: configuration.answerMilliseconds),
      desiredVersion: entry.twin.desiredVersion,
      upstreamVersion: entry.twin.upstreamVersion
    )
  }

  /// Puts `entry` among the busy ones if it is, and its next deadline with the others'.
  private mutating func note(_ key: IdentityKey, _ entry: inout Entry) {
    guard isUp else { return }
    var due: Instant?
    func consider(_ instant: Instant) { due = min(due ?? instant, instant) }
    if let read = entry.read { consider(read.deadline) }
    if let send = entry.send { consider(send.deadline) }
    // Those that wait for room are looked at when there is some.
    let hasRoom = exchangeCount < configuration.maximumExchanges
    let waitsToSend = entry.send == nil && entry.twin.hasChanges
    let waitsToRead = entry.read == nil && entry.syncAt != nil
    if waitsToSend, hasRoom { consider(entry.nextSend) }
    if waitsToRead, hasRoom, !(entry.sendsFirst && entry.twin.hasChanges), let at = entry.syncAt {
      consider(at)
    }
    if !hasRoom, waitsToSend || waitsToRead { isCrowded = true }
    if let due { nextDeadline = min(nextDeadline ?? due, due) }
    guard due != nil || waitsToSend || waitsToRead, !entry.isBusy else { return }
    entry.isBusy = true
    busy.append(key)
  }
}

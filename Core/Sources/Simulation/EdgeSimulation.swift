import ByteIO
import EdgeEngine
import HubContract
import MessageLog

/// A mistake that a driver of the store could make, to show that the simulation would find it.
public enum EdgeSimMistake: CaseIterable, Sendable {
  /// Senders are answered before their messages are durable.
  case answersEarly
  /// Messages are settled when they were sent, not when they were confirmed.
  case settlesUnconfirmed
  /// Nothing is sent again after a reconnection.
  case forgetsToRewind
  /// Lifetimes follow the system's clock.
  case trustsTheClock
  /// Certificates are made anew when they have ended.
  case renewsWhenEnded
  /// Certificates end as if the system's clock were always steady.
  case trustsTheClockForCertificates
  /// The local hub shows the certificate that it had at its start.
  case keepsItsCertificate
  /// Twins are not compared when the link is back.
  case forgetsTwins
}

/// A year and more of an edge, from one seed: devices and modules that send, a link that is away for
/// months, a power supply that fails at any write, a clock that jumps, a hub that restarts, answers
/// that get lost, a disk that fills up.
///
/// It runs the real `EdgeStore`, `QueueReader`, `StateLog`, `TwinCache`, `EdgeClock` and `RenewalRule`
/// over a simulated disk, and looks at them from outside: what was acknowledged arrives, in each
/// sender's order, unless its time is truly over; no client is shown a certificate that has ended by
/// the client's own clock; and in the end every twin is the same at the hub and at its device.
public struct EdgeSimulation: ~Copyable {
  /// What happened.
  public struct Report: Equatable, Sendable {
    /// Messages that were acknowledged to their senders.
    public var acknowledgedCount = 0
    /// Messages that arrived at the hub and at the module, repeats not counted.
    public var deliveredCount = 0
    /// Messages that arrived once more.
    public var duplicateCount = 0
    /// Acknowledged messages whose time was over.
    public var expiredCount = 0
    /// Acknowledged messages that made room for newer ones, as their routes allow.
    public var droppedCount = 0
    /// Acknowledged messages that are missing; the first of them is the failure.
    public var lostCount = 0
    /// The most bytes that waited, as looked at four times a day.
    public var mostBytes: UInt64 = 0
    /// Milliseconds that all that waited took to arrive at the end.
    public var drainMilliseconds: UInt64 = 0
    /// Batches that a full disk refused.
    public var refusedCount = 0
    /// Power cuts.
    public var powerCutCount = 0
    /// Power cuts in the middle of a write.
    public var tornWriteCount = 0
    /// Steps of the system's clock.
    public var clockStepCount = 0
    /// Times that the link was lost.
    public var linkLossCount = 0
    /// Restarts of the hub.
    public var hubRestartCount = 0
    /// Confirmations that never arrived.
    public var lostAnswerCount = 0
    /// Days that were simulated.
    public var days = 0
    /// Changes of desired and reported properties.
    public var twinChangeCount = 0
    /// Times that the edge's certificate authority was made anew.
    public var renewalCount = 0
    /// Renewals that failed and were tried again.
    public var failedRenewalCount = 0
    /// Whole days without a link, all together.
    public var offlineDays = 0
    /// The longest time without a link.
    public var longestOfflineDays = 0
    /// Times that everything at the edge had been delivered, and was counted.
    public var drainCount = 0
    /// The most messages that waited.
    public var mostWaiting: UInt64 = 0
    /// What is wrong; nil if all is well.
    public var failure: String?

    /// Nothing has happened.
    public init() {}
  }

  enum Event {
    case reportTwin(Int)
    case changeDesired(Int)
    case twinTick
    case twinAnswer
    case produce(Int)
    case linkUp
    case linkDown
    case powerCut
    case powerOn
    case clockStep
    case hubRestart
    case moduleRestart
    case diskFull
    case diskRoom
    case upkeep
    case certificates
    case pump
  }

  static let day: UInt64 = 86_400_000
  /// 2026-01-01.
  static let begin: UInt64 = 1_767_225_600_000

  let days: Int
  /// The one time offline that is measured; nil if anything may happen.
  let offline: EdgeOfflineCase?
  let mistake: EdgeSimMistake?
  var generator: SeededGenerator
  var scheduler: SimScheduler<Event>
  let disk: SimDisk
  let stateDisk: SimDisk
  var node: EdgeSimNode?
  /// The numbers of the endpoints upstream and at the module, as of the last start.
  var numbers: [UInt16] = []
  var senders: [EdgeSimSender]
  var twins: [EdgeSimTwin]
  /// The hub's answers about twins that are on their way.
  var answers: [EdgeSimAnswer] = []
  /// When the twin cache is called next.
  var twinTickAt: Instant?
  var hub: EdgeSimChecker
  var module: EdgeSimChecker
  var report = Report()
  var isLinkUp = false
  var linkChanged: UInt64 = 0
  var isPumping = false
  var isEnding = false
  /// What the system's clock is wrong by, in milliseconds.
  var wallError: Int64 = 0
  /// Whether the system's clock keeps time without power; else it begins in the year 2000.
  let hasBattery: Bool
  /// Renewals that have failed since one succeeded.
  var failedRenewals = 0
  /// When the system's clock was set last, by the true time.
  var clockSet: UInt64 = 0
  /// What was sent upstream, and not confirmed.
  var inFlight: [(priority: PriorityClass, sequence: UInt64)] = []

  /// Prepares the story of `seed`.
  public init(
    seed: UInt64,
    days: Int = 400,
    powerCuts: Int = 200,
    mistake: EdgeSimMistake? = nil
  ) {
    self.init(seed: seed, days: days, powerCuts: powerCuts, mistake: mistake, offline: nil)
  }

  init(
    seed: UInt64,
    days: Int,
    powerCuts: Int,
    mistake: EdgeSimMistake?,
    offline: EdgeOfflineCase?
  ) {
    self.days = days
    self.offline = offline
    self.mistake = mistake
    generator = SeededGenerator(seed: seed)
    scheduler = SimScheduler(seed: generator.next())
    disk = SimDisk(seed: generator.next())
    stateDisk = SimDisk(seed: generator.next())
    let hasBattery = Bool.random(using: &generator)
    self.hasBattery = offline.map { $0.clock != .noBattery } ?? hasBattery
    senders = Self.makeSenders(offline)
    twins = (0..<6).map { EdgeSimTwin(IdentityKey(deviceID: "device \($0)")) }
    var lifetimes: [IdentityKey: UInt64] = [:]
    for sender in senders {
      lifetimes[sender.identity] = sender.lifetimeSeconds.map { UInt64($0) * 1000 }
    }
    hub = EdgeSimChecker(lifetime: lifetimes)
    module = EdgeSimChecker(lifetime: [:])
    hub.bodyBytes = offline?.bodyBytes
    hub.mayGiveWay = offline?.dropsOldest ?? false
    if let offline { plan(offline) } else { plan(powerCuts: powerCuts) }
  }

  /// Six devices and two modules; the modules' messages go to another module as well.
  ///
  /// In an offline case all are the same but for their names, and send upstream alone.
  private static func makeSenders(_ offline: EdgeOfflineCase?) -> [EdgeSimSender] {
    (0..<8).map { index in
      let isModule = index >= 6
      if let offline {
        var sender = EdgeSimSender(
          identity: isModule
            ? IdentityKey(deviceID: "edge", moduleID: "module \(index)")
            : IdentityKey(deviceID: "device \(index)"),
          priority: .default,
          lifetimeSeconds: offline.lifetimeSeconds,
          isForModule: false
        )
        sender.bodyBytes = offline.bodyBytes
        sender.dropsOldest = offline.dropsOldest
        return sender
      }
      let priority = PriorityClass(priority: [0, 3, 2_000_000_000, 2_000_000_000][index % 4])
      // A third may wait two hours, another two weeks, the others for ever.
      let lifetime: UInt32? = [nil, 7200, 1_209_600][index % 3]
      return EdgeSimSender(
        identity: isModule
          ? IdentityKey(deviceID: "edge", moduleID: "module \(index)")
          : IdentityKey(deviceID: "device \(index)"),
        priority: priority,
        lifetimeSeconds: lifetime,
        isForModule: isModule
      )
    }
  }

  private mutating func plan(powerCuts: Int) {
    for sender in senders.indices { schedule(.produce(sender), within: Self.day) }
    for twin in twins.indices {
      schedule(.reportTwin(twin), within: 4 * Self.day)
      schedule(.changeDesired(twin), within: 4 * Self.day)
    }
    schedule(.powerOn, within: 1)
    schedule(.linkUp, within: Self.day)
    schedule(.upkeep, within: 1)
    for _ in 0..<powerCuts { scheduleSometime(.powerCut) }
    for _ in 0..<days / 10 { scheduleSometime(.clockStep) }
    for _ in 0..<days / 6 { scheduleSometime(.hubRestart) }
    for _ in 0..<days / 6 { scheduleSometime(.moduleRestart) }
    for _ in 0..<days / 40 { scheduleSometime(.diskFull) }
  }

  mutating func schedule(_ event: Event, within milliseconds: UInt64) {
    scheduler.schedule(
      event,
      afterMilliseconds: UInt64.random(in: 0...milliseconds, using: &generator)
    )
  }

  private mutating func scheduleSometime(_ event: Event) {
    // What comes while the power is off is put off, so the last days are left free.
    schedule(event, within: UInt64(days) * Self.day * 19 / 20)
  }

  /// True time in milliseconds since the simulation began.
  var now: UInt64 { scheduler.now.nanoseconds / 1_000_000 }

  /// What the system's clock says.
  var wall: UInt64 { UInt64(clamping: Int64(Self.begin + now) + wallError) }

  /// Lives through all of it; then the link comes back for good, and everything has to arrive.
  public mutating func run() -> Report {
    report.days = days
    let end = Instant(nanoseconds: UInt64(days) * Self.day * 1_000_000)
    while let event = scheduler.next(until: end), failure == nil { handle(event) }
    settleDown()
    report.droppedCount = hub.droppedCount
    report.lostCount = hub.lostCount + module.lostCount
    report.deliveredCount = hub.deliveredCount + module.deliveredCount
    report.duplicateCount = hub.duplicateCount + module.duplicateCount
    report.expiredCount = hub.expiredCount + module.expiredCount
    report.failure = failure
    return report
  }

  /// Whether nothing goes wrong by itself now.
  var isCalm: Bool { isEnding || offline != nil }

  var failure: String? { hub.failure ?? module.failure }

  private mutating func handle(_ event: Event) {
    switch event {
    case .produce(let index):
      if let offline { return produce(index, offline) }
      senders[index].produce(Int.random(in: 1...12, using: &generator))
      send([index])
      schedule(.produce(index), within: 2 * Self.day)
    case .reportTwin(let index):
      reportTwin(index)
      schedule(.reportTwin(index), within: 4 * Self.day)
    case .changeDesired(let index):
      changeDesired(index)
      schedule(.changeDesired(index), within: 8 * Self.day)
    case .twinTick: twinTick()
    case .twinAnswer: twinAnswer()
    case .linkUp: linkUp()
    case .linkDown:
      // The end of an offline case brings it back.
      linkDown(for: offline == nil ? nextOutage() : 2 * UInt64(days) * Self.day)
    case .powerCut: cutPower()
    case .powerOn: powerOn()
    case .clockStep: stepClock()
    case .hubRestart:
      guard isLinkUp else { return schedule(.hubRestart, within: 10 * Self.day) }
      report.hubRestartCount += 1
      linkDown(for: UInt64.random(in: 1000...60_000, using: &generator))
    case .moduleRestart: node?.module.rewind()
    case .diskFull:
      disk.capacityBytes = disk.usedBytes + UInt64.random(in: 0...30_000, using: &generator)
      schedule(.diskRoom, within: 3 * Self.day)
    case .diskRoom: disk.capacityBytes = 1 << 40
    case .upkeep:
      upkeep()
      scheduler.schedule(.upkeep, afterMilliseconds: 6 * 3_600_000)
    case .certificates: keepCertificates()
    case .pump: pump()
    }
  }

  /// How long the link is away this time: mostly hours, but for half of the time once, and once more
  /// for months.
  private mutating func nextOutage() -> UInt64 {
    let total = UInt64(days) * Self.day
    if report.longestOfflineDays < days / 3, now > total / 20 { return total / 5 * 2 }
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<6: return UInt64.random(in: 60_000...Self.day / 2, using: &generator)
    case 6..<9: return UInt64.random(in: Self.day / 2...4 * Self.day, using: &generator)
    default: return UInt64.random(in: Self.day...total / 12, using: &generator)
    }
  }

  /// Everything that fails is over: the edge gets power, room, the right time and its link.
  private mutating func settleDown() {
    guard failure == nil else { return }
    var drainEnd: UInt64?
    var lastRefused = 0
    isEnding = true
    noteUse()
    let begin = now
    disk.capacityBytes = 1 << 40
    if node == nil { powerOn() }
    send(Array(senders.indices))
    for index in twins.indices { sendPatch(index) }
    if !isLinkUp { linkUp() }
    pump()
    while failure == nil, isPumping || isTwinBusy,
      let event = scheduler.next(only: { $0.isExchange })
    {
      handle(event)
      guard !isPumping else { continue }
      if drainEnd == nil { drainEnd = now }
      // What a full store has refused is taken now that there is room.
      let refused = senders.reduce(0) { $0 + $1.outbox.count }
      if refused > 0, refused != lastRefused { send(Array(senders.indices)) }
      lastRefused = refused
    }
    report.drainMilliseconds = (drainEnd ?? now) - begin
    if senders.contains(where: { !$0.outbox.isEmpty }) {
      hub.fail("it takes no messages at the end")
    }
    if let difference = twins.lazy.compactMap(\.difference).first { hub.fail(difference) }
  }
}

extension EdgeSimulation.Event {
  /// Whether it is a step in an exchange that is under way.
  fileprivate var isExchange: Bool {
    switch self {
    case .pump, .twinTick, .twinAnswer: true
    default: false
    }
  }
}

extension SimScheduler {
  /// The next event for which `isWanted` is true; the others are forgotten.
  fileprivate mutating func next(only isWanted: (Event) -> Bool) -> Event? {
    while let event = next() { if isWanted(event) { return event } }
    return nil
  }
}

import ByteIO
import HubContract
import HubEngine

/// A hub, its devices and its back end in one process, with everything that can go wrong.
///
/// One seed decides all: when messages arrive, which connections break, which commits fail and
/// whether such a commit reached the disk, when the power is cut. Devices and back end try again as
/// real ones do. After some time the faults stop, and the copies must agree.
///
/// Checked after every commit and restart: what was acknowledged (identities, their updates, twin
/// changes both ways, cloud-to-device messages) is durable; no device knows a version that is not;
/// versions never go back; messages come in order. In the end the log has an event of each creation,
/// each version of each twin and each connection, in order. Messages are plain values: the MQTT machines have
/// scenarios of their own.
public struct HubSimulation {
  /// How one run ended.
  public struct Report: Equatable, Sendable {
    /// The rule that was broken, with the time in milliseconds; nil if all held.
    public var failure: String?
    /// Requests that the back end was told are done.
    public var acknowledgedCount = 0
    /// Commits that succeeded.
    public var commitCount = 0
    /// Commits that failed, writes that failed and power cuts.
    public var faultCount = 0
    /// Connections that broke.
    public var breakCount = 0
    /// Messages that devices got, repeated ones included.
    public var deliveryCount = 0

    /// Creates the report of a run that has not begun.
    public init() {}
  }

  private static let faultyMilliseconds: UInt64 = 10_000
  private static let quietMilliseconds: UInt64 = 20_000

  private var random: SeededGenerator
  private var agenda = HubSimAgenda()
  private var now: UInt64 = 0
  private var driver: HubSimDriver
  private var devices: [HubSimDevice]
  private var checker = HubSimChecker()
  private var report = Report()

  /// The hub's start, which names the commits of a run that a power cut makes void; nil while off.
  private var start: UInt64? = 1
  private var startCount: UInt64 = 1
  private var isCommitPlanned = false
  private var connectionCount: UInt64 = 0
  private var requestCount: Int64 = 0
  private var requestTime: UInt64 = 0
  /// The connections over which messages still travel, with the time of the last of each way.
  private var open: [HubSimConnection: (up: UInt64, down: UInt64)] = [:]

  /// Prepares a run.
  ///
  /// - Parameters:
  ///   - seed: decides all.
  ///   - deviceCount: how many devices there are.
  ///   - mistake: a fault in the hub's driver, to see it found.
  public init(seed: UInt64, deviceCount: Int = 4, mistake: HubSimMistake? = nil) {
    random = SeededGenerator(seed: seed)
    var rules = CloudToDeviceRules()
    // Messages must outlive any number of broken connections here.
    rules.maximumDeliveryCount = .max
    let entropy = HubSimEntropy(seed: seed)
    let routes = HubSimDriver.routes()
    driver = HubSimDriver(
      mistake: mistake,
      engine: HubEngine(
        storage: SimHubStorage(),
        cloudToDeviceRules: rules,
        routes: { [routes] in routes },
        entropy: entropy.bytes
      )
    )
    devices = (0..<deviceCount).map(HubSimDevice.init)
  }

  /// Runs to the end or to the first broken rule.
  public mutating func run() -> Report {
    for index in devices.indices { agenda.add(.deviceTurn(index), at: pause(500)) }
    agenda.add(.operatorTurn, at: 0)
    agenda.add(.moveEvents, at: 0)
    agenda.add(.fault, at: pause(1000))
    let end = Self.faultyMilliseconds + Self.quietMilliseconds
    while report.failure == nil, let (time, event) = agenda.next(), time < end {
      now = time
      handle(event)
    }
    if report.failure == nil {
      fail(checker.diverged(driver.engine.storage.durable, devices))
      fail(checker.missingEvent(driver.engine.storage.durable, driver.log))
    }
    report.acknowledgedCount = checker.acknowledgedCount
    report.commitCount = driver.engine.storage.commitCount
    return report
  }

  private var isFaulty: Bool { now < Self.faultyMilliseconds }

  private var civil: Timestamp {
    Timestamp(seconds: 1_800_000_000).adding(milliseconds: Int64(now))
  }

  private mutating func pause(_ most: UInt64) -> UInt64 {
    now + UInt64.random(in: 1...most, using: &random)
  }

  private mutating func happens(in times: Int) -> Bool {
    Int.random(in: 0..<times, using: &random) == 0
  }

  private mutating func fail(_ rule: String?) {
    if let rule, report.failure == nil { report.failure = "\(rule) (at \(now) ms)" }
  }

  private mutating func check() {
    fail(checker.broken(driver.engine.storage.durable, devices))
  }

  private mutating func handle(_ event: HubSimEvent) {
    switch event {
    case .atHub(let connection, let message): arrived(message, on: connection)
    case .atDevice(let connection, let message): arrived(message, on: connection)
    case .hubLost(let connection):
      guard start != nil, driver.connections[connection.device] == connection else { return }
      lost(connection)
    case .deviceLost(let connection):
      if devices[connection.device].connection == connection {
        devices[connection.device].lost()
      }
    case .request(let request):
      guard start != nil else { return }
      driver.pending.append(.request(request))
      planCommit()
    case .answer(let request, let isDone):
      if isDone { checker.acknowledged(request) }
      check()
    case .commit(let start):
      guard self.start == start else { return }
      commit()
    case .moveEvents:
      agenda.add(.moveEvents, at: pause(100))
      // The log may take nothing for a while.
      guard start != nil, !isFaulty || !happens(in: 4) else { return }
      driver.moveEvents()
      planCommit()
    case .deviceTurn(let index): deviceTurn(index)
    case .operatorTurn: operatorTurn()
    case .fault: fault()
    case .restart: restart()
    }
  }
}

// The hub.
extension HubSimulation {
  private mutating func planCommit() {
    guard !isCommitPlanned, let start, !driver.pending.isEmpty else { return }
    isCommitPlanned = true
    agenda.add(.commit(start: start), at: pause(20))
  }

  private mutating func commit() {
    isCommitPlanned = false
    if isFaulty, happens(in: 12) {
      report.faultCount += 1
      switch Int.random(in: 0..<3, using: &random) {
      case 0: driver.engine.storage.nextCommitFailure = .lost
      case 1: driver.engine.storage.nextCommitFailure = .unconfirmed
      default:
        driver.engine.storage.accessesUntilFault = Int.random(in: 0..<20, using: &random)
      }
    }
    let outputs = driver.commit(now: civil)
    driver.engine.storage.accessesUntilFault = nil
    driver.engine.storage.nextCommitFailure = nil
    for output in outputs {
      switch output {
      case .answer(let request, let isDone):
        // Answers get lost as requests do: the back end then does not know.
        if !isFaulty || !happens(in: 10) {
          agenda.add(.answer(request, isDone), at: pause(50))
        }
      case .send(let connection, let message): send(message, on: connection)
      }
    }
    check()
    planCommit()
  }

  private mutating func send(_ message: HubSimDownlink, on connection: HubSimConnection) {
    let isCurrent = driver.connections[connection.device] == connection
    if case .message = message {
      guard isCurrent else { return }
      driver.held[connection, default: 0] += 1
    }
    if case .connected = message, isCurrent {
      driver.pending.append(.pump(device: connection.device))
    }
    guard var times = open[connection] else { return }
    times.down = max(times.down, pause(40))
    open[connection] = times
    agenda.add(.atDevice(connection, message), at: times.down)
  }

  private mutating func arrived(_ message: HubSimUplink, on connection: HubSimConnection) {
    guard start != nil, open[connection] != nil else { return }
    switch message {
    case .connect:
      if let old = driver.connections[connection.device] { lost(old) }
      driver.accepted(connection)
    case .complete:
      let count = driver.held[connection] ?? 0
      driver.held[connection] = max(count - 1, 0)
      driver.pending.append(.uplink(connection, message))
      driver.pending.append(.pump(device: connection.device))
      return planCommit()
    case .getTwin, .patchReported: break
    }
    driver.pending.append(.uplink(connection, message))
    planCommit()
  }

  private mutating func lost(_ connection: HubSimConnection) {
    driver.lost(connection)
    planCommit()
  }

  private mutating func powerCut() {
    start = nil
    isCommitPlanned = false
    driver.cutPower()
    for connection in open.keys.sorted(by: { $0.id < $1.id }) {
      agenda.add(.deviceLost(connection), at: pause(3000))
    }
    open = [:]
    check()
    agenda.add(.restart, at: pause(2000))
  }

  private mutating func restart() {
    startCount += 1
    start = startCount
    if driver.mistake != .keepsHoldsAtRestart {
      driver.engine.storage.begin()
      do {
        try driver.engine.releaseAllCloudToDevice(now: civil)
        try driver.engine.storage.commit()
        _ = driver.engine.takeEffects()
      } catch {
        fail("the hub did not start: \(error)")
      }
    }
    check()
  }
}

// Devices, back end, network.
extension HubSimulation {
  private mutating func send(_ message: HubSimUplink, on connection: HubSimConnection) {
    guard var times = open[connection] else { return }
    times.up = max(times.up, pause(40))
    open[connection] = times
    agenda.add(.atHub(connection, message), at: times.up)
  }

  private mutating func arrived(_ message: HubSimDownlink, on connection: HubSimConnection) {
    guard open[connection] != nil, devices[connection.device].connection == connection else {
      return
    }
    if case .message = message { report.deliveryCount += 1 }
    let (reply, broken) = devices[connection.device].receive(message)
    fail(broken)
    guard let reply else { return }
    if case .getTwin = reply { devices[connection.device].twinAwaitedSince = now }
    send(reply, on: connection)
  }

  private mutating func deviceTurn(_ index: Int) {
    agenda.add(.deviceTurn(index), at: pause(400))
    if let since = devices[index].oldestWait, now - since > 2000 {
      if let connection = devices[index].connection { cut(connection) }
      devices[index].lost()
    }
    guard let connection = devices[index].connection else {
      connectionCount += 1
      let connection = HubSimConnection(device: index, id: connectionCount)
      // While the hub is off, nothing listens.
      if start != nil { open[connection] = (now, now) }
      devices[index].connection = connection
      devices[index].waitingSince = now
      send(.connect, on: connection)
      return
    }
    guard devices[index].isConnected, devices[index].waitingSince == nil else { return }
    if isFaulty, happens(in: 3) { devices[index].reported += 1 }
    if devices[index].reported > devices[index].reportedAcknowledged {
      devices[index].waitingSince = now
      send(.patchReported(devices[index].reported), on: connection)
    }
  }

  private mutating func operatorTurn() {
    guard isFaulty else {
      // Whatever failed, every device exists in the end; then the back end is silent.
      let missing = devices.indices.filter { !checker.created.contains($0) }
      for device in missing { agenda.add(.request(.create(device: device)), at: now) }
      if !missing.isEmpty { agenda.add(.operatorTurn, at: pause(1000)) }
      return
    }
    requestCount += 1
    let device = Int.random(in: devices.indices, using: &random)
    let request: HubSimRequest =
      switch Int.random(in: 0..<10, using: &random) {
      case 0: .create(device: device)
      case 1: .update(device: device, requestCount)
      case 2...5: .patchDesired(device: device, requestCount)
      default: .enqueue(device: device, requestCount)
      }
    // One connection brings them in order.
    requestTime = max(requestTime, pause(50))
    agenda.add(.request(request), at: requestTime)
    agenda.add(.operatorTurn, at: pause(100))
  }

  private mutating func cut(_ connection: HubSimConnection) {
    guard open.removeValue(forKey: connection) != nil else { return }
    report.breakCount += 1
    agenda.add(.hubLost(connection), at: pause(1000))
    agenda.add(.deviceLost(connection), at: pause(1000))
  }

  private mutating func fault() {
    guard isFaulty else { return }
    agenda.add(.fault, at: pause(1500))
    let connections = open.keys.sorted { $0.id < $1.id }
    if happens(in: 6), start != nil {
      report.faultCount += 1
      powerCut()
    } else if let connection = connections.randomElement(using: &random) {
      cut(connection)
    }
  }
}

/// Repeatable bytes in the place of entropy.
final class HubSimEntropy {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: ~seed) }

  func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}

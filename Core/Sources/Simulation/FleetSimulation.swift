import ByteIO
import HubContract
import HubEngine
import JSONTree

/// Configurations and jobs of a hub whose commits fail and whose power is cut.
///
/// One seed decides all: what operators ask, which commits fail and whether such a commit reached the
/// disk, when the power goes, how devices answer methods. After some time the faults stop, the hub
/// does what is left, and the outcome is compared with what was asked.
public struct FleetSimulation {
  /// A mistake in the hub's driver, to see it found.
  public enum Mistake: Sendable, CaseIterable {
    /// Configurations do not follow the twins before a commit.
    case doesNotSettle
    /// The walk after a changed configuration ends with the power.
    case forgetsSweep
    /// A method is invoked before the transaction is durable, and not again.
    case losesInvocations
  }

  /// How one run ended.
  public struct Report: Equatable, Sendable {
    /// The rule that was broken; nil if all held.
    public var failure: String?
    /// Commits that succeeded.
    public var commitCount = 0
    /// Commits that failed, writes that failed and power cuts.
    public var faultCount = 0
    /// Methods that devices saw, repeated ones included.
    public var invocationCount = 0
    /// Jobs that ended.
    public var endedJobCount = 0

    /// Creates the report of a run that has not begun.
    public init() {}
  }

  private static let sites = ["n", "s", "w"]

  private var random: SeededGenerator
  private let mistake: Mistake?
  private var engine: HubEngine<SimHubStorage>
  private let deviceCount: Int
  private var clock = Timestamp(seconds: 1_800_000_000)
  private var report = Report()

  /// The methods on their way to devices, which a power cut forgets.
  private var underWay: [JobInvocation] = []
  /// The methods that each device has seen.
  private var seen: Set<DeviceJobKey> = []
  /// What operators were told is done: jobs, and the devices that were targets when they began.
  private var methodJobs: Set<String> = []
  private var updateJobs: Set<String> = []
  private var jobCount = 0

  /// Prepares a run.
  ///
  /// - Parameters:
  ///   - seed: decides all.
  ///   - deviceCount: how many devices there are.
  ///   - mistake: a mistake in the driver.
  public init(seed: UInt64, deviceCount: Int = 7, mistake: Mistake? = nil) {
    random = SeededGenerator(seed: seed)
    self.mistake = mistake
    self.deviceCount = deviceCount
    let entropy = HubSimEntropy(seed: seed)
    engine = HubEngine(storage: SimHubStorage(), entropy: entropy.bytes)
    engine.jobRules.stepDevices = 2
    engine.jobRules.invocationsPerJob = 2
  }

  /// Runs to the end or to the first broken rule.
  public mutating func run() -> Report {
    for index in 0..<deviceCount {
      let request = DeviceIdentityRequest(deviceID: Self.id(index))
      transaction { engine, now throws(HubError) in
        _ = try engine.putDevice(request, ifMatch: .absent, now: now)
      }
    }
    for _ in 0..<250 where report.failure == nil {
      clock = clock.adding(milliseconds: 100)
      if happens(in: 6) { breakSomething() }
      turn()
    }
    engine.storage.nextCommitFailure = nil
    engine.storage.accessesUntilFault = nil
    var left = 500
    while left > 0, isBusy {
      left -= 1
      clock = clock.adding(milliseconds: 100)
      work()
      answer(most: .max)
    }
    if report.failure == nil { report.failure = isBusy ? "it never comes to rest" : outcome() }
    report.commitCount = engine.storage.commitCount
    return report
  }

  private static func id(_ index: Int) -> String { "device-\(index)" }

  private mutating func happens(in times: Int) -> Bool {
    Int.random(in: 0..<times, using: &random) == 0
  }

  private mutating func breakSomething() {
    report.faultCount += 1
    switch Int.random(in: 0..<3, using: &random) {
    case 0:
      engine.storage.nextCommitFailure = happens(in: 2) ? .lost : .unconfirmed
    case 1:
      engine.storage.accessesUntilFault = Int.random(in: 0..<12, using: &random)
    default:
      engine.storage.cutPower()
      if mistake == .forgetsSweep { forgetSweep() }
      // A new process: nothing of the old one's memory is left.
      var rules = HubEngine(storage: engine.storage, entropy: HubSimEntropy(seed: 1).bytes)
      rules.jobRules = engine.jobRules
      engine = rules
      underWay = []
    }
  }

  private mutating func forgetSweep() {
    engine.storage.begin()
    try? engine.storage.setConfigurationSweep(nil)
    try? engine.storage.commit()
  }

  /// Runs commands in one transaction.
  ///
  /// - Returns: whether it is durable.
  @discardableResult
  private mutating func transaction(
    _ commands: (inout HubEngine<SimHubStorage>, Timestamp) throws(HubError) -> Void
  ) -> Bool {
    engine.storage.begin()
    do throws(HubError) {
      try commands(&engine, clock)
      if mistake != .doesNotSettle {
        try engine.settleConfigurations(facts: { _ in ConnectionFacts() }, now: clock)
      }
    } catch {
      if engine.fault == nil, report.failure == nil { report.failure = "refused: \(error.message)" }
    }
    return engine.commit() != nil
  }

  /// Somebody does something.
  private mutating func turn() {
    switch Int.random(in: 0..<10, using: &random) {
    case 0: configure()
    case 1: createJob()
    case 2, 3: moveDevice()
    case 4, 5: answer(most: 1)
    default: work()
    }
  }

  private mutating func configure() {
    let index = Int.random(in: 0..<3, using: &random)
    let id = "c\(index)"
    let site = Self.sites[Int.random(in: 0..<3, using: &random)]
    let content: JSONValue = [
      "deviceContent": [
        "properties.desired.shared": .int(Int64(index)), "properties.desired.\(id)": true,
      ]
    ]
    let exists = (try? engine.view.configuration(id)) != nil
    guard
      let request = try? ConfigurationRequest(
        id: id,
        body: [
          "content": content,
          "targetCondition": .string(site == "w" ? "*" : "tags.site = '\(site)'"),
          "priority": .int(Int64.random(in: 0..<3, using: &random)),
        ]
      )
    else { return }
    transaction { engine, now throws(HubError) in
      _ = try engine.putConfiguration(request, ifMatch: exists ? .any : .absent, now: now)
    }
  }

  private mutating func createJob() {
    let active = (try? engine.storage.unfinishedJobs())?.count ?? 0
    guard active < 5 else { return }
    jobCount += 1
    let id = "job-\(jobCount)"
    let isMethod = happens(in: 2)
    let task: JobTask =
      isMethod
      ? .invokeMethod(DirectMethodRequest(methodName: "go"))
      : .updateTwin(["tags": [id: true]])
    let request = ScheduledJobRequest(
      id: id,
      task: task,
      queryCondition: "*",
      startTime: happens(in: 2) ? clock.adding(seconds: 1) : nil
    )
    let isDone = transaction { engine, now throws(HubError) in
      _ = try engine.createJob(request, now: now)
    }
    guard isDone else { return }
    if isMethod { methodJobs.insert(id) } else { updateJobs.insert(id) }
  }

  private mutating func moveDevice() {
    let key = IdentityKey(deviceID: Self.id(Int.random(in: 0..<deviceCount, using: &random)))
    let site = Self.sites[Int.random(in: 0..<3, using: &random)]
    transaction { engine, now throws(HubError) in
      _ = try engine.updateTwin(
        key,
        TwinUpdate(tags: .set(["site": .string(site)])),
        replacing: false,
        ifMatch: .any,
        now: now
      )
    }
  }

  /// What the hub does by itself.
  private mutating func work() {
    var step = JobStep()
    let isDone = transaction { engine, now throws(HubError) in
      let facts = { (_: IdentityKey) in ConnectionFacts() }
      _ = try engine.sweepConfigurations(limit: 2, facts: facts, now: now)
      step = try engine.advanceJobs(facts: facts, now: now)
    }
    if isDone, mistake != .losesInvocations || report.faultCount % 2 == 0 {
      underWay += step.invocations
    }
  }

  /// Devices answer methods.
  private mutating func answer(most: Int) {
    for _ in 0..<min(most, underWay.count) {
      let invocation = underWay.removeFirst()
      seen.insert(invocation.part)
      report.invocationCount += 1
      let isOnline = !happens(in: 4)
      transaction { engine, now throws(HubError) in
        try engine.finishInvocation(
          invocation.part,
          isOnline
            ? .answered(DirectMethodResponse(status: 200, payload: .null))
            : .failed(HubError(.deviceNotOnline, "away")),
          now: now
        )
      }
    }
  }

  private var isBusy: Bool {
    engine.storage.durable.configurationSweep != nil
      || engine.storage.durable.jobs.values.contains { !$0.status.isFinal }
  }

  /// Compares the end with what was asked.
  private mutating func outcome() -> String? {
    let tables = engine.storage.durable
    for id in methodJobs.union(updateJobs) {
      guard let job = tables.jobs[id] else { return "\(id) was acknowledged and is gone" }
      guard job.status == .completed else { return "\(id) is \(job.status)" }
      report.endedJobCount += 1
      let parts = tables.deviceJobs.values.filter { $0.jobID == id }
      let counts = job.statistics
      guard counts.deviceCount == parts.count,
        counts.succeededCount == parts.count(where: { $0.status == .completed }),
        counts.failedCount == parts.count(where: { $0.status == .failed }),
        counts.succeededCount + counts.failedCount == counts.deviceCount
      else { return "\(id) counts \(counts), but has \(parts.count) parts" }
      guard counts.deviceCount == tables.devices.count else {
        return "\(id) reached \(counts.deviceCount) of \(tables.devices.count) devices"
      }
    }
    for device in tables.devices.values {
      guard let twin = tables.twins[device.key],
        let tags = (try? JSON.parse(twin.tags))?.objectValue,
        let desired = try? JSON.parse(twin.desired.properties)
      else { return "\(device.deviceID) has no twin" }
      for id in methodJobs {
        let part = DeviceJobKey(deviceID: device.deviceID, jobID: id)
        guard seen.contains(part) else { return "\(device.deviceID) never saw the method of \(id)" }
      }
      for id in updateJobs where tags[id] != true {
        return "\(device.deviceID) was not updated by \(id)"
      }
      let wanted = Self.wanted(tables, site: tags["site"]?.stringValue)
      guard desired == wanted else {
        return "\(device.deviceID) has \(JSON.text(desired)), not \(JSON.text(wanted))"
      }
    }
    return nil
  }

  /// What the configurations ask of a device at `site`, worked out from the beginning.
  private static func wanted(_ tables: HubTables, site: String?) -> JSONValue {
    let targeting = tables.configurations.values.filter {
      $0.targetCondition == "*" || site.map { "tags.site = '\($0)'" } == $0.targetCondition
    }
    var wanted = JSONObject()
    for configuration in targeting { wanted[configuration.id] = true }
    let winner = targeting.max {
      ($0.priority, $0.createdTime) < ($1.priority, $1.createdTime)
    }
    if let winner, let number = winner.id.dropFirst().wholeNumber {
      wanted["shared"] = .int(number)
    }
    return .object(wanted)
  }
}

extension Substring {
  fileprivate var wholeNumber: Int64? { Int64(self) }
}

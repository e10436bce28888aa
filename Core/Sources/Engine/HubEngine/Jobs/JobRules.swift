public import HubContract

/// How scheduled jobs are run.
public struct JobRules: Equatable, Sendable {
  /// How far ahead a job may be scheduled, in seconds (contract §7.9); over: 400004.
  public var horizonSeconds: Int64 = 168 * 3600
  /// Jobs that have not ended; over: 429004.
  public var unfinishedJobs = 1000
  /// Devices that one step looks at, and device parts that one step writes.
  public var stepDevices = 200
  /// Methods of one job under way at once; the others wait.
  public var invocationsPerJob = 100
  /// How long a job that has ended is kept, in seconds: 30 days; then it is deleted.
  public var historySeconds: Int64 = 30 * 86_400

  /// The defaults.
  public init() {}
}

/// A method of a job that the driver has to invoke once the transaction is durable.
public struct JobInvocation: Equatable, Sendable {
  /// Which device's part in which job it is.
  public var part: DeviceJobKey
  /// What to invoke.
  public var method: DirectMethodRequest

  /// Creates an invocation.
  public init(part: DeviceJobKey, method: DirectMethodRequest) {
    self.part = part
    self.method = method
  }
}

/// How the invocation of a job's method ended.
public enum JobInvocationOutcome: Equatable, Sendable {
  /// The device answered, with whatever status.
  case answered(DirectMethodResponse)
  /// It did not.
  case failed(HubError)
}

/// What a step of the jobs asks of the driver.
public struct JobStep: Equatable, Sendable {
  /// Methods to invoke once the transaction is durable; each ends by `finishInvocation`.
  public var invocations: [JobInvocation]
  /// Whether another step has something to do at once.
  public var hasMore: Bool
  /// When another step has something to do at the latest, nil if nothing is planned.
  public var nextTime: Timestamp?

  /// Creates a step; without arguments one that asks for nothing.
  public init(
    invocations: [JobInvocation] = [],
    hasMore: Bool = false,
    nextTime: Timestamp? = nil
  ) {
    self.invocations = invocations
    self.hasMore = hasMore
    self.nextTime = nextTime
  }
}

/// The methods of jobs that are under way.
///
/// Not durable: after a restart nothing is under way, and every part that has not ended is begun
/// again. So a method is invoked at least once.
struct JobInvocations {
  private var known: [String: Set<DeviceJobKey>] = [:]
  /// Those of the transaction that is open, which are void if it is undone.
  private var begun: [DeviceJobKey] = []

  func count(of jobID: String) -> Int { known[jobID]?.count ?? 0 }

  func contains(_ part: DeviceJobKey) -> Bool { known[part.jobID]?.contains(part) ?? false }

  mutating func begin(_ part: DeviceJobKey) {
    known[part.jobID, default: []].insert(part)
    begun.append(part)
  }

  mutating func end(_ part: DeviceJobKey) {
    remove(part)
  }

  mutating func committed() { begun = [] }

  /// The answers of an undone transaction are lost; their parts are begun again, at least once being
  /// the rule.
  mutating func undone() {
    for part in begun { remove(part) }
    committed()
  }

  private mutating func remove(_ part: DeviceJobKey) {
    known[part.jobID]?.remove(part)
    if known[part.jobID]?.isEmpty == true { known[part.jobID] = nil }
  }
}

public import HubContract

/// The agent: makes the machine look as the deployment says (edge contract sections 3.3 to 3.5).
///
/// ```
/// every pass:   plan(machine, now) ──▶ steps ──▶ ended(step, …) for each
/// meanwhile:    pullEnded(image, …), networkReturned(), deploy(configuration)
/// ```
///
/// Every pass compares the machine with what is wanted anew, so a step that was lost or undone is
/// simply planned again. Images are fetched beside the passes: a module waits for its image, and what
/// runs is restarted meanwhile (DIFF 6). Nothing is ever given up (DIFF 7, DIFF 9).
///
/// Not its business: identities and where the configuration comes from; and the machine itself, which
/// the driver reads before each pass.
public struct Agent: Sendable {
  /// When running modules may be touched while images are fetched.
  public enum UpdateMode: String, Equatable, Sendable {
    /// Each module is changed once its own image is there.
    case nonBlocking = "NonBlocking"
    /// Nothing is changed before all images are there.
    case waitForAllPulls = "WaitForAllPulls"
  }

  /// When modules are started again.
  public var restartRule: RestartRule
  /// When running modules may be touched.
  public var updateMode: UpdateMode
  /// The parent's host name in nested set-ups, which `$upstream` in images stands for.
  public var parentHostName: String?
  /// Names of modules that are a part of the runtime itself, and need no image.
  public var builtIns: Set<String> = []
  /// What is wanted, nil until something was deployed.
  public private(set) var configuration: AgentConfiguration?
  /// What is kept of each module; the driver stores it after every pass.
  public internal(set) var records: [String: ModuleRecord]
  /// When this agent began.
  let start: Timestamp
  var pulls: [String: Pull] = [:]
  var failures: [String: Failure] = [:]
  /// Why modules have no identity, by name.
  var identityFaults: [String: String] = [:]

  /// How far an image is.
  enum Pull: Equatable {
    case underway
    case done
  }

  /// Something that did not work, and when it is tried again.
  struct Failure: Equatable {
    var count: UInt32
    var notBefore: Timestamp
    var text: String
  }

  /// Creates the agent that begins at `start` with what was kept.
  public init(
    start: Timestamp,
    records: [String: ModuleRecord] = [:],
    restartRule: RestartRule = RestartRule(),
    updateMode: UpdateMode = .nonBlocking,
    parentHostName: String? = nil
  ) {
    self.start = start
    self.records = records
    self.restartRule = restartRule
    self.updateMode = updateMode
    self.parentHostName = parentHostName
  }

  /// Takes what was kept of modules, before the first pass.
  public mutating func restore(_ records: [String: ModuleRecord]) { self.records = records }

  /// Takes another deployment; what did not work in the one before is tried afresh.
  public mutating func deploy(_ configuration: AgentConfiguration) {
    guard configuration != self.configuration else { return }
    self.configuration = configuration
    failures = [:]
    // What is being fetched goes on; what was fetched is asked for anew, since a tag may have moved.
    pulls = pulls.filter { $0.value == .underway }
  }

  /// The network is back: what waits because it failed is tried at once.
  public mutating func networkReturned() {
    for key in failures.keys { failures[key]?.notBefore = .never }
  }

  /// A step is over; `failure` says in words for a person what went wrong, nil that nothing did.
  public mutating func ended(_ step: AgentStep, failure: String?, now: Timestamp) {
    if let failure {
      if case .create(let module) = step { pulls[module.pinnedImage] = nil }
      if case .replace(let module) = step { pulls[module.pinnedImage] = nil }
      return note(step, failure, now)
    }
    failures[step.summary] = nil
    switch step {
    case .pull, .updateAgent: break
    case .create(let module), .replace(let module): records[module.name] = ModuleRecord(module)
    case .remove(let name): records[name] = nil
    case .stop(let name): records[name]?.configuration.status = .stopped
    case .start(let name): records[name]?.configuration.status = .running
    case .restart(let name):
      let count = records[name]?.restartCount ?? 0
      records[name]?.restartCount = count == .max ? .max : count + 1
      records[name]?.lastRestart = now
    }
  }

  /// An image is there, or could not be fetched.
  ///
  /// - Parameters:
  ///   - image: as the step named it.
  ///   - failure: what went wrong and how far it got; nil if nothing did.
  ///   - isPresent: whether an image of that name is there all the same. Then it is used, and the
  ///     failure is the driver's to log as a warning (DIFF 1).
  ///   - now: the time.
  public mutating func pullEnded(
    image: String,
    failure: String?,
    isPresent: Bool,
    now: Timestamp
  ) {
    guard let failure, !isPresent else {
      pulls[image] = .done
      failures[AgentStep.pull(image: image).summary] = nil
      return
    }
    pulls[image] = nil
    note(.pull(image: image), failure, now)
  }

  /// Seconds that the wait after a failure is counted in.
  private static let retrySeconds: Int64 = 10

  private mutating func note(_ step: AgentStep, _ text: String, _ now: Timestamp) {
    let before = failures[step.summary]?.count ?? 0
    let count = before == .max ? before : before + 1
    let wait = Backoff.seconds(Self.retrySeconds, doubled: count)
    failures[step.summary] = Failure(
      count: count,
      notBefore: now.adding(seconds: wait),
      text: text
    )
  }

  /// What has become of the deployment, nil while images are being fetched and nothing has failed:
  /// until then the report stays with the one before.
  public var status: DesiredStatus? {
    let faults =
      failures.sorted { $0.key < $1.key }.map { "\($0.key) failed: \($0.value.text)" }
      + identityFaults.sorted { $0.key < $1.key }.map { "\($0.key) has no identity: \($0.value)" }
    if !faults.isEmpty { return DesiredStatus(.failed, faults.joined(separator: " ")) }
    return pulls.values.contains(.underway) ? nil : .ok
  }
}

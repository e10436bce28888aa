public import HubContract

/// When a module that does not run is started again (edge contract section 3.5).
public struct RestartRule: Equatable, Sendable {
  /// What to do with a module.
  public enum Decision: Equatable, Sendable {
    /// Nothing: it runs, or is to stay as it is.
    case leave
    /// Start it; that is no restart.
    case start
    /// Stop and start it, and count.
    case restart
    /// Restart it then.
    case wait(until: Timestamp)
    /// It was restarted as often as is allowed.
    case exhausted
  }

  /// Seconds before the first restart; each further one waits twice as long.
  public var coolOffSeconds: Int64 = 10
  /// The longest wait, in seconds.
  public static let longestWaitSeconds: Int64 = 300
  /// Seconds of running after which the count is cleared.
  public var intensiveCareSeconds: Int64 = 600
  /// The most restarts, nil for no limit (edge contract section 16, DIFF 9).
  public var maxRestartCount: UInt32?

  /// Creates the rule with its defaults.
  public init() {}

  /// What to do with a module that is wanted running.
  ///
  /// - Parameters:
  ///   - module: as it is.
  ///   - record: what was deployed, and its restarts.
  ///   - agentStart: what ended before was stopped by the end of the machine or of the agent, and is
  ///     started again unless its policy is `never`; what ends later has ended by itself.
  ///   - now: the time.
  /// - Returns: what to do.
  public func decide(
    _ module: ModuleObservation,
    _ record: ModuleRecord,
    agentStart: Timestamp,
    now: Timestamp
  ) -> Decision {
    let policy = record.configuration.restartPolicy
    switch module.state {
    case .running, .dead, .unknown: return .leave
    case .created: return .start
    case .exited(0):
      guard policy > .never else { return .leave }
      if let lastExit = module.lastExit, lastExit < agentStart { return .start }
      return policy == .always ? restart(module, record, now) : .leave
    case .exited, .unhealthy: return policy > .never ? restart(module, record, now) : .leave
    }
  }

  /// Whether a module has run well long enough for its restarts to be forgotten.
  func isWell(_ module: ModuleObservation, now: Timestamp) -> Bool {
    guard module.state == .running, let start = module.lastStart else { return false }
    return start.adding(seconds: intensiveCareSeconds) <= now
  }

  private func restart(
    _ module: ModuleObservation,
    _ record: ModuleRecord,
    _ now: Timestamp
  ) -> Decision {
    if let maxRestartCount, record.restartCount >= maxRestartCount { return .exhausted }
    // One that is unhealthy has not ended; its wait begins with its start.
    let ended = module.state == .unhealthy ? module.lastStart : module.lastExit
    let wait = Backoff.seconds(coolOffSeconds, doubled: record.restartCount)
    // An end in the future means that the clock went back: then at once.
    guard let ended, ended <= now else { return .restart }
    let due = ended.adding(seconds: wait)
    return due <= now ? .restart : .wait(until: due)
  }
}

/// Waiting times that double.
enum Backoff {
  /// `seconds` doubled so many times, at most the longest wait.
  static func seconds(_ seconds: Int64, doubled count: UInt32) -> Int64 {
    var wait = seconds
    for _ in 0..<min(count, 16) where wait < RestartRule.longestWaitSeconds { wait *= 2 }
    return min(wait, RestartRule.longestWaitSeconds)
  }
}

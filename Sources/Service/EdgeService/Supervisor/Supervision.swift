package import ByteIO

/// What the supervisor does with the processes of the edge: starts each, starts it again when it ended,
/// and stops them in order.
///
/// It holds no rule about what they do, and never gives one up. Clock, processes and signals come in as
/// arguments; what is to be done comes out. A process is *due* at a time, *runs* with a process ID, or
/// is *over* while everything stops.
package struct Supervision {
  /// What the driver is to do.
  package enum Action: Equatable, Sendable {
    /// Start the process of the role, then say `started` or `failed`.
    case start(EdgeRole)
    /// Ask the process to stop (SIGTERM).
    case stop(Int32)
    /// End the process (SIGKILL).
    case kill(Int32)
    /// Tell it: one line for people.
    case tell(Event)
  }

  /// Something that a person may want to know.
  package enum Event: Equatable, Sendable, CustomStringConvertible {
    case started(EdgeRole, Int32)
    case failed(EdgeRole, reason: String, retrySeconds: Int)
    case ended(EdgeRole, Ending, retrySeconds: Int)
    case stopped(EdgeRole, Ending)
    case reprovisioned
    case stopping
    case killed(EdgeRole)

    package var description: String {
      switch self {
      case .started(let role, let id): "\(role.rawValue) runs as process \(id)"
      case .failed(let role, let reason, let seconds):
        "\(role.rawValue) cannot be started: \(reason); again in \(seconds) s"
      case .ended(let role, let ending, let seconds):
        "\(role.rawValue) \(ending); again in \(seconds) s"
      case .stopped(let role, let ending): "\(role.rawValue) has stopped: it \(ending)"
      case .reprovisioned: "the device is another one: everything starts again"
      case .stopping: "stopping"
      case .killed(let role): "\(role.rawValue) does not stop: it is killed"
      }
    }
  }

  /// How a process ended.
  package enum Ending: Equatable, Sendable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    package var description: String {
      switch self {
      case .exit(let status): "ended with status \(status)"
      case .signal(let number): "was ended by signal \(number)"
      }
    }
  }

  private enum State: Equatable {
    case due(Instant)
    case running(Int32, since: Instant)
    case over
  }

  private struct Process {
    var state: State
    /// How long the next start is put off, if it ends young again.
    var delaySeconds = 1
    /// Whether it was told to stop to be started again.
    var isRestarting = false
    /// Whether it was told to stop for good.
    var isTold = false
    /// When it is killed, once it was told to stop and if it has not been killed.
    var killTime: Instant?
    /// How often it was started.
    var startCount = 0
    var lastEnding: Ending?
  }

  /// Seconds below which a process that ends is one that cannot live.
  package static let youngSeconds: UInt64 = 10
  /// The longest delay; reached after five young deaths.
  package static let longestDelaySeconds = 30
  /// Exit status of a role that has become another device (contract §4.1).
  package static let reprovisionedStatus: Int32 = 154

  /// The order of stopping, and when each may be killed, in seconds from the beginning: the agent stops
  /// modules, which need the hub until then, and both need the keys.
  private static let stops: [(role: EdgeRole, latestSeconds: UInt64)] = [
    (.agent, 40), (.hub, 55), (.keys, 60),
  ]

  private var processes: [EdgeRole: Process]
  /// Since when everything stops.
  private var stopping: Instant?

  /// All of `roles`, due at once.
  package init(roles: [EdgeRole], now: Instant) {
    processes = Dictionary(uniqueKeysWithValues: roles.map { ($0, Process(state: .due(now))) })
  }

  /// Whether there is nothing left to wait for.
  package var isOver: Bool {
    stopping != nil && processes.values.allSatisfy { $0.state == .over }
  }

  /// When `wake` is to be called at the latest, nil for never.
  package var nextDeadline: Instant? {
    var times: [Instant] = []
    for process in processes.values {
      switch process.state {
      case .due(let time): times.append(time)
      case .running: if let time = process.killTime { times.append(time) }
      case .over: break
      }
    }
    return times.min()
  }

  /// Does what is due.
  package mutating func wake(now: Instant) -> [Action] {
    guard stopping == nil else { return advanceStop(now: now) }
    return EdgeRole.allCases.flatMap { role -> [Action] in
      guard case .due(let time) = processes[role]?.state else { return killIfLate(role, now) }
      return time <= now ? [.start(role)] : []
    }
  }

  /// The process of a role runs.
  package mutating func started(_ role: EdgeRole, _ id: Int32, now: Instant) -> [Action] {
    processes[role]?.state = .running(id, since: now)
    processes[role]?.isRestarting = false
    processes[role]?.killTime = nil
    processes[role]?.startCount += 1
    return [.tell(.started(role, id))]
  }

  /// The process of a role could not be started.
  package mutating func failed(_ role: EdgeRole, _ reason: String, now: Instant) -> [Action] {
    let seconds = putOff(role, now: now, livedSeconds: 0)
    return [.tell(.failed(role, reason: reason, retrySeconds: seconds))]
  }

  /// A process ended; one that is none of ours is ignored.
  package mutating func ended(_ id: Int32, _ ending: Ending, now: Instant) -> [Action] {
    for (role, process) in processes {
      guard case .running(id, let since) = process.state else { continue }
      processes[role]?.lastEnding = ending
      if stopping != nil {
        processes[role]?.state = .over
        return [.tell(.stopped(role, ending))] + advanceStop(now: now)
      }
      if ending == .exit(Self.reprovisionedStatus) {
        processes[role]?.state = .due(now)
        return [.tell(.reprovisioned)] + restart(but: role, now: now)
      }
      if process.isRestarting {
        processes[role]?.state = .due(now)
        return [.tell(.stopped(role, ending))]
      }
      let lived = now.milliseconds(since: since) / 1_000
      let seconds = putOff(role, now: now, livedSeconds: lived)
      return [.tell(.ended(role, ending, retrySeconds: seconds))]
    }
    return []
  }

  /// Stops everything; a second call changes nothing.
  package mutating func stop(now: Instant) -> [Action] {
    guard stopping == nil else { return [] }
    stopping = now
    for (role, process) in processes {
      if case .due = process.state { processes[role]?.state = .over }
    }
    return [.tell(.stopping)] + advanceStop(now: now)
  }

  private mutating func restart(but ended: EdgeRole, now: Instant) -> [Action] {
    restart(EdgeRole.allCases.filter { $0 != ended }, now: now)
  }

  /// Stops the processes of `roles`, and starts each again when it has ended.
  ///
  /// What waits for its start is due now. While everything stops it changes nothing.
  package mutating func restart(_ roles: [EdgeRole], now: Instant) -> [Action] {
    guard stopping == nil else { return [] }
    return roles.compactMap { role in
      switch processes[role]?.state {
      case .running(let id, _):
        guard processes[role]?.isRestarting == false else { return nil }
        processes[role]?.isRestarting = true
        processes[role]?.killTime = Self.latest(.keys, now)
        return .stop(id)
      case .due:
        processes[role]?.state = .due(now)
        return nil
      case .over, nil: return nil
      }
    }
  }

  /// The processes that run.
  package var running: [Int32] {
    processes.values.compactMap { if case .running(let id, _) = $0.state { id } else { nil } }
  }

  /// How a process is, for people.
  package struct Status: Equatable, Sendable {
    package let role: EdgeRole
    /// Nil while it does not run.
    package let processID: Int32?
    /// Seconds since its start, or, while it does not run, until it is tried again.
    package let seconds: UInt64
    /// Starts after the first.
    package let restarts: Int
    /// How it ended the last time, nil if it never has.
    package let lastEnding: Ending?
    /// Whether it was told to stop.
    package let isStopping: Bool
  }

  /// How all of them are.
  package func status(now: Instant) -> [Status] {
    EdgeRole.allCases.compactMap { role in
      guard let process = processes[role] else { return nil }
      let id: Int32?
      let seconds: UInt64
      switch process.state {
      case .running(let number, let since):
        (id, seconds) = (number, now.milliseconds(since: since) / 1_000)
      case .due(let time): (id, seconds) = (nil, time.milliseconds(since: now) / 1_000)
      case .over: (id, seconds) = (nil, 0)
      }
      return Status(
        role: role,
        processID: id,
        seconds: seconds,
        restarts: max(process.startCount - 1, 0),
        lastEnding: process.lastEnding,
        isStopping: process.isTold || process.isRestarting
      )
    }
  }

  private mutating func killIfLate(_ role: EdgeRole, _ now: Instant) -> [Action] {
    guard case .running(let id, _) = processes[role]?.state,
      let time = processes[role]?.killTime, time <= now
    else { return [] }
    processes[role]?.killTime = nil
    return [.tell(.killed(role)), .kill(id)]
  }

  /// Puts the next start off, longer each time that it dies young; returns by how many seconds.
  private mutating func putOff(_ role: EdgeRole, now: Instant, livedSeconds: UInt64) -> Int {
    guard var process = processes[role] else { return 0 }
    let isYoung = livedSeconds < Self.youngSeconds
    let seconds = isYoung ? process.delaySeconds : 1
    process.delaySeconds = min(seconds * 2, Self.longestDelaySeconds)
    process.state = .due(now.adding(milliseconds: UInt64(seconds) * 1_000))
    processes[role] = process
    return seconds
  }

  /// Tells the next one to stop when those before it are over or late, and kills who is late.
  private mutating func advanceStop(now: Instant) -> [Action] {
    guard let stopping else { return [] }
    var actions: [Action] = []
    for (role, _) in Self.stops {
      guard case .running(let id, _) = processes[role]?.state else { continue }
      let latest = Self.latest(role, stopping)
      if processes[role]?.isTold == false {
        processes[role]?.isTold = true
        processes[role]?.killTime = latest
        actions.append(.stop(id))
      }
      actions += killIfLate(role, now)
      // The next one waits for this one.
      guard latest <= now else { break }
    }
    return actions
  }

  private static func latest(_ role: EdgeRole, _ stopping: Instant) -> Instant {
    let seconds = stops.first { $0.role == role }?.latestSeconds ?? 0
    return stopping.adding(milliseconds: seconds * 1_000)
  }
}

/// Why a rollout stands still.
public enum RolloutStop: Equatable, Sendable {
  /// Too many devices of the ring failed.
  case failures(ring: Int, count: Int)
  /// A person stopped it.
  case person
}

/// Where a rollout is.
public enum RolloutState: Equatable, Sendable {
  /// Nothing is offered yet.
  case planned
  /// The ring's devices are on their way.
  case running(ring: Int)
  /// Enough of the ring run the target; the next one begins at this time unless something happens.
  case soaking(ring: Int, until: Int64)
  /// It goes no further by itself.
  case stopped(ring: Int, RolloutStop)
  /// The last ring has passed.
  case finished
}

/// What the service has to do.
public enum RolloutAction: Equatable, Sendable {
  /// Assign the target to these devices.
  case offer(ring: Int, devices: [String])
  /// Take the assignment back from those that have not begun, raise an alarm, and tell these devices
  /// to go back to what they ran before.
  case stop(RolloutStop, goBack: [String])
  /// Every ring has passed.
  case finish
}

/// Why a device counts as failed.
public enum RolloutFailure: String, Equatable, Sendable, CaseIterable {
  /// It said so.
  case reported
  /// It was attested running something else after it had begun, or had run the target.
  case wentBack = "went-back"
  /// It began, and was not attested in time.
  case lost
}

/// A target on its way through rings of devices.
///
/// ```
/// planned ─▶ running ring 0 ─▶ soaking ─▶ running ring 1 ─▶ … ─▶ finished
///               ▲   │   ▲─────────┘ a success was lost
///        resume │   ▼ too many failures, also while soaking
///              stopped
/// ```
///
/// A ring passes on attested running measurements alone: what a device says of its success counts for
/// nothing, what it says of its failure counts. One that began and is not heard of again has failed,
/// too: a device that the target killed cannot say so.
///
/// All times are seconds since 1970 and come in. The service stores the value after each event, or
/// makes it anew from stored events, and then does the actions; each may be done twice.
public struct Rollout: Sendable {
  /// What is known of a device.
  enum Phase: Equatable, Sendable {
    /// Not offered yet.
    case waiting
    /// Offered, and nothing else is known.
    case offered
    /// It began to start the target.
    case trying(since: Int64)
    /// Attested running the target.
    case running
    case failed(RolloutFailure)
    /// No device of the plan any more.
    case removed
  }

  private struct Device {
    let ring: Int
    var phase = Phase.waiting
  }

  private struct Tally {
    /// Devices that are not removed.
    var devices = 0
    var offered = 0
    var trying = 0
    var running = 0
    var failed = 0

    /// Devices that have the offer and have not come to an end.
    var onTheWay: Int { offered + trying }
  }

  /// The plan.
  public let plan: RolloutPlan
  /// Where it is.
  public private(set) var state = RolloutState.planned
  private var devices: [String: Device] = [:]
  /// Those that are trying, with the time since when: they are the ones that may be lost.
  private var trying: [String: Int64] = [:]
  private var tallies: [Tally]
  /// In each ring, how many of its list were looked at for an offer.
  private var next: [Int]

  /// Prepares a rollout.
  public init(_ plan: RolloutPlan) {
    self.plan = plan
    tallies = plan.rings.map { ring in
      var tally = Tally()
      tally.devices = ring.devices.count
      return tally
    }
    next = plan.rings.map { _ in 0 }
    for (index, ring) in plan.rings.enumerated() {
      for device in ring.devices { devices[device] = Device(ring: index) }
    }
  }

  // MARK: - Questions

  /// How many devices of a ring were attested running the target.
  public func runningCount(ring: Int) -> Int { tallies[ring].running }

  /// How many devices of a ring failed.
  public func failedCount(ring: Int) -> Int { tallies[ring].failed }

  /// The ring of a device; nil if it is not in the plan.
  public func ring(of device: String) -> Int? { devices[device]?.ring }

  /// Why a device failed; nil if it did not.
  public func failure(of device: String) -> RolloutFailure? {
    if case .failed(let failure)? = devices[device]?.phase { failure } else { nil }
  }

  /// Whether a device was offered the target.
  public func isOffered(_ device: String) -> Bool {
    switch devices[device]?.phase {
    case .offered, .trying, .running, .failed: true
    case .waiting, .removed, nil: false
    }
  }

  /// When `timeout` wants to be called; nil if nothing waits for a time.
  public var nextDeadline: Int64? {
    var deadline: Int64?
    if case .soaking(_, let until) = state { deadline = until }
    for (name, since) in trying {
      guard let device = devices[name] else { continue }
      let lost = since + plan.rings[device.ring].lostSeconds
      deadline = min(deadline ?? lost, lost)
    }
    return deadline
  }

  // MARK: - Events

  /// Begins with the first ring; nothing happens if it began before.
  public mutating func start(now: Int64) -> [RolloutAction] {
    guard case .planned = state else { return [] }
    state = .running(ring: 0)
    return judge(now)
  }

  /// Takes an attestation result: what a device was measured to run.
  ///
  /// - Parameters:
  ///   - device: the device.
  ///   - digest: of the manifest of the set that runs.
  ///   - evidence: when the evidence was made; too old, or not yet, it counts for nothing.
  ///   - now: the time.
  /// - Returns: what to do.
  public mutating func attested(
    _ device: String,
    running digest: [UInt8],
    evidence: Int64,
    now: Int64
  ) -> [RolloutAction] {
    guard let phase = devices[device]?.phase, evidence <= now,
      now - evidence <= plan.evidenceSeconds
    else { return [] }
    let isTarget = digest == plan.target
    switch phase {
    case .removed: return []
    case .waiting, .offered, .failed:
      guard isTarget else { return [] }
      set(device, .running)
    case .trying(let since):
      // Evidence from before it began says nothing of how it went.
      guard isTarget || evidence > since else { return [] }
      set(device, isTarget ? .running : .failed(.wentBack))
    case .running:
      guard !isTarget else { return [] }
      set(device, .failed(.wentBack))
    }
    return judge(now)
  }

  /// Takes a device's word that it begins to start the target.
  public mutating func began(_ device: String, now: Int64) -> [RolloutAction] {
    guard devices[device]?.phase == .offered else { return [] }
    set(device, .trying(since: now))
    return []
  }

  /// Takes a device's word that the target failed there.
  public mutating func failed(_ device: String, now: Int64) -> [RolloutAction] {
    switch devices[device]?.phase {
    case .offered, .trying, .running:
      set(device, .failed(.reported))
      return judge(now)
    case .waiting, .failed, .removed, nil: return []
    }
  }

  /// Forgets a device: it is retired, quarantined for another reason, or moved.
  public mutating func remove(_ device: String, now: Int64) -> [RolloutAction] {
    guard let phase = devices[device]?.phase, phase != .removed else { return [] }
    set(device, .removed)
    return judge(now)
  }

  /// Stops by a person's wish; what was installed stays.
  public mutating func stop() -> [RolloutAction] {
    guard let ring = currentRing else { return [] }
    state = .stopped(ring: ring, .person)
    return [.stop(.person, goBack: [])]
  }

  /// Goes on where it stopped.
  ///
  /// - Parameters:
  ///   - forgets: whether failures so far are forgotten, and their devices offered the target again;
  ///     if not, too many of them stop it at once.
  ///   - now: the time.
  /// - Returns: what to do.
  public mutating func resume(forgettingFailures forgets: Bool, now: Int64) -> [RolloutAction] {
    guard case .stopped(let ring, _) = state else { return [] }
    if forgets {
      for (name, device) in devices where device.ring <= ring {
        if case .failed = device.phase { set(name, .waiting) }
      }
      for index in 0...ring { next[index] = 0 }
    }
    state = .running(ring: ring)
    return judge(now)
  }

  /// Looks at the time: devices that are lost, and a ring that has waited long enough.
  public mutating func timeout(now: Int64) -> [RolloutAction] {
    for (name, since) in trying {
      guard let device = devices[name], now - since >= plan.rings[device.ring].lostSeconds else {
        continue
      }
      set(name, .failed(.lost))
    }
    return judge(now)
  }

  // MARK: - Rules

  /// The ring up to which the target is offered; nil while it is offered to nobody.
  private var currentRing: Int? {
    switch state {
    case .running(let ring), .soaking(let ring, _): ring
    // What is left of the rings goes on, and may still stop it all.
    case .finished: plan.rings.count - 1
    case .planned, .stopped: nil
    }
  }

  private mutating func set(_ name: String, _ phase: Phase) {
    guard let device = devices[name] else { return }
    count(device.phase, -1, device.ring)
    count(phase, 1, device.ring)
    if phase == .removed { tallies[device.ring].devices -= 1 }
    devices[name]?.phase = phase
    if case .trying(let since) = phase { trying[name] = since } else { trying[name] = nil }
  }

  private mutating func count(_ phase: Phase, _ change: Int, _ ring: Int) {
    switch phase {
    case .waiting, .removed: break
    case .offered: tallies[ring].offered += change
    case .trying: tallies[ring].trying += change
    case .running: tallies[ring].running += change
    case .failed: tallies[ring].failed += change
    }
  }

  /// Decides anew after a change: stop before advance, advance before offer.
  private mutating func judge(_ now: Int64) -> [RolloutAction] {
    var actions: [RolloutAction] = []
    while let ring = currentRing {
      // A ring that has passed can still fail: its devices run the target first.
      if let bad = (0...ring).first(where: hasTooManyFailures) {
        let stop = RolloutStop.failures(ring: bad, count: tallies[bad].failed)
        state = .stopped(ring: ring, stop)
        return actions + [.stop(stop, goBack: plan.goesBack ? devicesWithTarget : [])]
      }
      if case .finished = state { break }
      guard hasEnoughSuccesses(ring) else {
        state = .running(ring: ring)
        break
      }
      if case .running = state {
        state = .soaking(ring: ring, until: now + plan.rings[ring].soakSeconds)
      }
      guard case .soaking(_, let until) = state, now >= until else { break }
      guard ring + 1 < plan.rings.count else {
        state = .finished
        actions.append(.finish)
        break
      }
      state = .running(ring: ring + 1)
    }
    // What is left of a ring goes on beside the next one.
    if let ring = currentRing { for index in 0...ring { actions += offers(index) } }
    return actions
  }

  private func hasTooManyFailures(_ ring: Int) -> Bool {
    let (rule, tally) = (plan.rings[ring], tallies[ring])
    if tally.failed > rule.failureLimit { return true }
    let ended = tally.running + tally.failed
    return ended >= rule.failureSample && tally.failed * 1000 > rule.failurePerMille * ended
  }

  private func hasEnoughSuccesses(_ ring: Int) -> Bool {
    let tally = tallies[ring]
    return tally.running * 1000 >= plan.rings[ring].successPerMille * tally.devices
  }

  /// Devices to go back, sorted.
  private var devicesWithTarget: [String] {
    devices.compactMap { name, device in
      switch device.phase {
      case .running, .trying: name
      case .waiting, .offered, .failed, .removed: nil
      }
    }.sorted()
  }

  /// Offers the target to as many of a ring as may be on their way.
  private mutating func offers(_ ring: Int) -> [RolloutAction] {
    let rule = plan.rings[ring]
    var offered: [String] = []
    while next[ring] < rule.devices.count, tallies[ring].onTheWay < rule.parallelLimit {
      let name = rule.devices[next[ring]]
      next[ring] += 1
      guard devices[name]?.phase == .waiting else { continue }
      set(name, .offered)
      offered.append(name)
    }
    return offered.isEmpty ? [] : [.offer(ring: ring, devices: offered)]
  }
}

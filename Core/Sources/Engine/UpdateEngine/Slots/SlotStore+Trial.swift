public import ByteIO

/// What starts.
public enum SlotBoot: Equatable, Sendable {
  /// The confirmed set in this slot.
  case active(SlotName, SetIdentity)
  /// A set on trial, which may be started so many times more.
  case trial(SlotName, SetIdentity, triesLeft: UInt8)
  /// Neither slot holds a set that may run: only a set at or above the floor may be brought in.
  case recovery(floor: UInt64)
}

extension SlotStore {
  /// Puts the set in the other slot on trial: it starts next, so and so many times, until it is confirmed.
  ///
  /// A set that was active before counts as one that can be tried: this is how an owner goes back.
  ///
  /// - Throws: `nothingToTry`, `trialUnderWay`, `belowFloor` or `disk`.
  public mutating func startTrial() throws(SlotFault) {
    switch record[spare] {
    case .ready(let identity), .good(let identity):
      guard identity.release >= trust.floor else {
        throw .belowFloor(release: identity.release, floor: trust.floor)
      }
      try take(.trial(identity, triesLeft: max(configuration.trialTries, 1)), in: spare)
    case .trial: throw .trialUnderWay
    case .empty, .writing, .failed: throw .nothingToTry
    }
  }

  /// Decides what starts, and counts the try before it does.
  ///
  /// What it answers was read in full and is not below the floor. Called once a start, by what starts
  /// the set. A disk that cannot be written to does not keep the active set from starting.
  public mutating func boot() -> SlotBoot {
    download = nil
    let choice = bootTrial() ?? bootConfirmed() ?? bootUntried()
    switch choice {
    case .active(let slot, _)?, .trial(let slot, _, _)?: running = slot
    case .recovery?, nil: running = nil
    }
    return choice ?? .recovery(floor: trust.floor)
  }

  /// The set on trial, if there is one that has tries left and is whole.
  private mutating func bootTrial() -> SlotBoot? {
    let slot = spare
    guard case .trial(let identity, let triesLeft) = record[slot] else { return nil }
    guard identity.release >= trust.floor else { return fail(slot, identity, .belowFloor) }
    guard triesLeft > 0 else { return fail(slot, identity, .triesExhausted) }
    // Before anything of the set is looked at: also a set that stops its own start uses up its tries.
    do throws(SlotFault) {
      try take(.trial(identity, triesLeft: triesLeft - 1), in: slot)
    } catch {
      return nil
    }
    switch judge(slot, identity) {
    case .whole: return .trial(slot, identity, triesLeft: triesLeft - 1)
    case .damaged: return fail(slot, identity, .damaged)
    case .unreadable: return nil
    }
  }

  /// Notes that a set is not tried again; if even that fails, the next start comes here again.
  private mutating func fail(
    _ slot: SlotName,
    _ identity: SetIdentity,
    _ failure: SlotFailure
  ) -> SlotBoot? {
    try? take(.failed(identity, failure), in: slot)
    return nil
  }

  /// The active set, or the one that was active before it.
  private mutating func bootConfirmed() -> SlotBoot? {
    for slot in [record.active, record.active.other] {
      guard case .good(let identity) = record[slot], identity.release >= trust.floor else {
        continue
      }
      switch judge(slot, identity) {
      case .whole:
        if slot != record.active { makeActive(slot) }
        // Owed if power was lost between a confirmation and this. A counter that fails now is asked
        // again at the next start.
        if slot == record.active, identity.floor > trust.floor {
          try? trust.raiseFloor(to: identity.floor)
        }
        return .active(slot, identity)
      case .damaged, .unreadable: continue
      }
    }
    return nil
  }

  /// Gives up the active slot, whose set cannot start, for the other one.
  private mutating func makeActive(_ slot: SlotName) {
    var next = record
    if let identity = next[next.active].identity {
      next[next.active] = .failed(identity, .damaged)
    }
    next.active = slot
    try? take(next)
  }

  /// With no confirmed set left, one that is whole and was never tried is better than none.
  private mutating func bootUntried() -> SlotBoot? {
    for slot in [record.active.other, record.active] {
      guard case .ready(let identity) = record[slot], identity.release >= trust.floor,
        judge(slot, identity) == .whole
      else { continue }
      let tries = max(configuration.trialTries, 1)
      var next = record
      next.active = slot.other
      next[slot] = .trial(identity, triesLeft: tries - 1)
      try? take(next)
      return .trial(slot, identity, triesLeft: tries - 1)
    }
    return nil
  }

  // MARK: - Of the set that runs

  /// Tells which slot was started, for the program that updates is not the one that starts sets.
  ///
  /// A trial's time begins.
  public mutating func started(_ slot: SlotName, now: Instant) {
    running = slot
    trialDeadline =
      trialIdentity == nil
      ? nil : now.adding(milliseconds: configuration.trialMilliseconds)
  }

  /// The set that runs on trial; nil if what runs is confirmed.
  public var trialIdentity: SetIdentity? {
    guard let running, running != record.active, case .trial(let identity, _) = record[running]
    else { return nil }
    return identity
  }

  /// When `timeout` wants to be called.
  public var nextDeadline: Instant? { trialDeadline }

  /// Gives up a trial whose time is over; answers whether the machine has to start again.
  ///
  /// - Throws: `disk`; the machine has to start again all the same.
  public mutating func timeout(now: Instant) throws(SlotFault) -> Bool {
    guard let deadline = trialDeadline, now >= deadline else { return false }
    try giveUp(.notConfirmed)
    return true
  }

  /// Ends the trial that runs: the next start takes the active set.
  ///
  /// - Throws: `notOnTrial` or `disk`.
  public mutating func giveUp(_ failure: SlotFailure) throws(SlotFault) {
    guard let running, let identity = trialIdentity else { throw .notOnTrial }
    trialDeadline = nil
    try take(.failed(identity, failure), in: running)
  }

  /// Keeps the set on trial for good, and then raises the floor to what it asks for.
  ///
  /// - Parameter attested: the manifest's digest as the attestation result names it: what the service
  ///   has seen running, which is the only reason to keep it.
  /// - Throws: `notOnTrial`; `disk`, after which it is still on trial; `floor`, after which it is kept
  ///   and the next start raises the floor.
  public mutating func confirm(attested: [UInt8]) throws(SlotFault) {
    guard let running, let identity = trialIdentity, identity.digest == attested else {
      throw .notOnTrial
    }
    var next = record
    next.active = running
    next[running] = .good(identity)
    try take(next)
    trialDeadline = nil
    guard identity.floor > trust.floor else { return }
    do throws(FloorFault) {
      try trust.raiseFloor(to: identity.floor)
    } catch {
      throw .floor
    }
  }
}

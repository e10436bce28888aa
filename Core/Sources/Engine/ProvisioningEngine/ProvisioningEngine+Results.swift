public import HubContract
internal import HubEngine
internal import JSONTree

extension ProvisioningEngine {
  /// Takes the result of a step and goes on to the next.
  ///
  /// A result of a step that is no longer the current one changes nothing.
  ///
  /// - Parameters:
  ///   - result: what came of it.
  ///   - operationID: the operation.
  ///   - attempt: the step's number, as its action named it.
  ///   - now: the time.
  /// - Returns: whether it was the current step.
  /// - Throws: only what the storage's faults become.
  public mutating func record(
    _ result: ProvisioningResult,
    for operationID: String,
    attempt: UInt64,
    now: Timestamp
  ) throws(HubError) -> Bool {
    let found = try stored { storage throws(StorageFault) in try storage.operation(operationID) }
    guard let operation = found, case .running(var run) = operation.state,
      run.attempt == attempt
    else { return false }
    let id = operation.registrationID
    guard
      let state = try stored({ storage throws(StorageFault) in try storage.registration(id) })
    else { return false }
    if case .unavailable = result {
      run.tries += 1
      // Giving up a withdrawal could leave the device at two hubs.
      guard run.tries >= rules.stepTries, run.phase != .withdrawing else {
        try write(operation.at(.running(run)))
        return true
      }
    }
    try keep(try apply(result, operation, run, state, now), state, now)
    return true
  }

  /// Stores where an operation now stands, past an inspection that needs no asking.
  @discardableResult
  mutating func keep(
    _ operation: OperationRecord,
    _ state: RegistrationState,
    _ now: Timestamp
  ) throws(HubError) -> OperationRecord {
    guard case .running(let run) = operation.state, run.phase == .inspecting,
      let hub = run.targetHub,
      let result = inspectNow(hub, run.enrollment.deviceID ?? operation.registrationID)
    else { return try write(operation) }
    return try write(try apply(result, operation, run, state, now))
  }

  private mutating func apply(
    _ result: ProvisioningResult,
    _ operation: OperationRecord,
    _ current: RunningOperation,
    _ state: RegistrationState,
    _ now: Timestamp
  ) throws(HubError) -> OperationRecord {
    var run = current
    run.attempt &+= 1
    run.tries = 0
    switch (run.phase, result) {
    case (.allocating, .allocated(let hub, let twin, let payload)):
      let candidates = Allocation.candidates(run.enrollment, rules)
      run.targetHub = hub.flatMap { name in candidates.first { $0.isCalled(name) } }?.host
      run.twin = twin ?? run.twin
      run.answerPayload = payload
      if let fault = twin?.fault(rules.quotas) {
        run.failure = HubError(.customAllocationFailed, "The custom allocation answered \(fault)")
      } else if run.targetHub == nil {
        run.failure = HubError(
          .customAllocationHubNotSpecified,
          "The custom allocation named no linked hub of the enrollment."
        )
      }
      return try advance(operation, run, known: state, now: now)
    case (.issuing, .issued(let certificate)):
      run.issued = certificate
      return try advance(operation, run, known: state, now: now)
    case (.inspecting, .inspected(let prior)):
      run.prior = prior
      run.isInspected = true
      run.phase = run.previousHub == nil ? .installing : .detaching
      return operation.at(.running(run))
    case (.detaching, .detached(let identity)):
      // A step that is taken again finds nothing where the one before already went on to delete.
      run.detached = identity ?? run.detached
      if run.enrollment.reprovisionPolicy.migratesData { run.twin = identity?.twin ?? run.twin }
      run.phase = .installing
      return operation.at(.running(run))
    case (.installing, .done):
      guard run.previousHub != nil else { return try finish(operation, run, state, now) }
      run.phase = .removing
      run.hasMoved = true
      return operation.at(.running(run))
    case (.removing, _):
      // Disabled it is in any case, and that is what counts.
      return try finish(operation, run, state, now)
    case (.reattaching, _): return try finish(operation, run, state, now)
    case (.withdrawing, _):
      guard run.previousHub != nil else { return try finish(operation, run, state, now) }
      run.phase = .reattaching
      return operation.at(.running(run))
    case (_, .refused(let error)): run.failure = error
    case (.allocating, _):
      run.failure = HubError(.customAllocationFailed, "The custom allocation failed.")
    case (_, .unavailable):
      run.failure = HubError(.serviceUnavailable, "A hub or authority could not be reached.")
    case (.issuing, _), (.inspecting, _), (.detaching, _), (.installing, _):
      run.failure = HubError(.serverError, "A step answered what it cannot.")
    }
    switch run.phase {
    case .issuing where run.hasMoved, .installing where run.hasMoved:
      // The old hub may have nothing any more that the device could be given back to.
      run.phase = .removing
    case .installing where run.isInspected:
      // It may have been installed all the same, if only the answer was lost.
      run.phase = .withdrawing
    case .detaching: run.phase = .reattaching
    case .allocating, .issuing, .inspecting, .installing, .removing, .withdrawing, .reattaching:
      return try finish(operation, run, state, now)
    }
    return operation.at(.running(run))
  }

  /// Goes on once the hub is known: a certificate first, then the move or the installation.
  mutating func advance(
    _ operation: OperationRecord,
    _ current: RunningOperation,
    known state: RegistrationState,
    now: Timestamp
  ) throws(HubError) -> OperationRecord {
    var run = current
    guard run.failure == nil, let target = run.targetHub else {
      return try finish(operation, run, state, now)
    }
    if run.signingRequest != nil, run.issued == nil {
      guard let authority = run.enrollment.issuingAuthority, rules.issuers.contains(authority)
      else {
        run.failure = HubError(
          .argumentInvalid,
          "The enrollment names no authority that issues certificates here."
        )
        return try finish(operation, run, state, now)
      }
      run.phase = .issuing
      return operation.at(.running(run))
    }
    run.phase = .installing
    let deviceID = run.enrollment.deviceID ?? operation.registrationID
    if state.assignedHub != target || state.deviceID != deviceID {
      if let old = state.assignedHub, rules.hub(old) != nil {
        run.previousHub = old
        run.previousDeviceID = state.deviceID
      }
      run.phase = !run.isInspected ? .inspecting : run.previousHub == nil ? .installing : .detaching
    }
    return operation.at(.running(run))
  }

  /// Stores the registration's state and makes it the operation's answer.
  private mutating func finish(
    _ operation: OperationRecord,
    _ run: RunningOperation,
    _ known: RegistrationState,
    _ now: Timestamp
  ) throws(HubError) -> OperationRecord {
    var state = known
    state.enrollment = run.enrollment.key
    state.updatedTime = now
    state.etagCounter = try nextETag()
    state.payload = run.answerPayload
    if let failure = run.failure {
      state.status = .failed
      state.failure = failure
      if run.hasMoved {
        state.assignedHub = run.targetHub
        state.deviceID = run.enrollment.deviceID ?? operation.registrationID
      }
    } else {
      let moved = known.assignedHub != nil && known.assignedHub != run.targetHub
      state.status = .assigned
      state.failure = nil
      state.assignedHub = run.targetHub
      state.deviceID = run.enrollment.deviceID ?? operation.registrationID
      state.proof = run.judgement.proof
      state.issued = run.issued
      if moved {
        let migrated = run.previousHub != nil && run.enrollment.reprovisionPolicy.migratesData
        state.substatus = migrated ? .deviceDataMigrated : .deviceDataReset
      } else if known.assignedHub == nil {
        state.substatus = .initialAssignment
      }
    }
    let answer = state
    try stored { storage throws(StorageFault) in try storage.put(answer) }
    return operation.at(.finished(answer))
  }
}

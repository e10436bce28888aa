public import HubContract
internal import HubEngine
internal import JSONTree

extension ProvisioningEngine {
  /// Begins a registration, or joins the one of the same device that still goes on.
  ///
  /// - Parameters:
  ///   - presentedID: the registration ID as the device wrote it.
  ///   - request: the body.
  ///   - credential: what the device presents.
  ///   - circumstances: the time and the cryptography.
  ///   - tpm: encrypts keys to chips; nil refuses them.
  /// - Returns: the operation, and whether its steps are now to be taken by the caller.
  /// - Throws: 401002 for what is wrong with the credential, 400202 for another ID in the body.
  public mutating func register(
    _ presentedID: String,
    _ request: RegistrationRequest,
    _ credential: PresentedCredential,
    _ circumstances: ProvisioningView<Storage>.Circumstances,
    tpm: (any TPMCredentialMaker)? = nil
  ) throws(HubError) -> (operation: OperationRecord, isNew: Bool) {
    let view = view
    let (enrollment, proved) = try view.judge(presentedID, credential, circumstances)
    guard let id = RegistrationID.normalized(presentedID) else {
      throw HubError(.invalidRegistrationID, "The registration ID is none.")
    }
    if let other = request.registrationID, RegistrationID.normalized(other) != id {
      throw HubError(.invalidRegistrationID, "The body names another registration ID.")
    }
    var judgement = proved
    if case .tpm = enrollment.attestation {
      judgement = try chip(try ChipKeys(enrollment, request), tpm)
    }
    let running = try stored { storage throws(StorageFault) in
      try storage.runningOperation(of: id)
    }
    if let running { return (try join(running, judgement, request), false) }
    return (try begin(id, enrollment, judgement, request, circumstances.now), true)
  }

  /// The step that an operation waits for; nil if it is finished or unknown.
  public func nextAction(_ operationID: String) throws(HubError) -> ProvisioningAction? {
    try view.nextAction(operationID)
  }

  /// Forgets finished operations that nobody may ask for any more; false if some may remain.
  public mutating func sweepOperations(now: Timestamp) throws(HubError) -> Bool {
    let time = now.adding(seconds: -rules.operationSeconds)
    let old = try stored { storage throws(StorageFault) in
      try storage.finishedOperations(before: time, limit: 100)
    }
    try stored { storage throws(StorageFault) in
      for id in old { try storage.deleteOperation(id) }
    }
    return old.count < 100
  }

  /// The hub key of a device with a chip: fresh, and only the chip can read it.
  private func chip(
    _ keys: ChipKeys,
    _ tpm: (any TPMCredentialMaker)?
  ) throws(HubError) -> Judgement {
    let key = try mintHubKey()
    guard let tpm,
      let blob = tpm.wrap(
        key.bytes,
        endorsementKey: keys.endorsementKey,
        storageRootKey: keys.storageRootKey
      )
    else { throw HubError(.invalidEndorsementKey, "The chip's keys cannot be encrypted to.") }
    return Judgement(
      authentication: .sas(primary: key, secondary: key),
      proof: .tpm(authenticationKey: blob)
    )
  }

  private func mintHubKey() throws(HubError) -> SymmetricKey {
    guard let key = SymmetricKey(bytes: random(32)) else {
      throw HubError(.serverError, "The source of randomness did not answer 32 bytes.")
    }
    return key
  }

  /// The same device again: it waits for the same answer, which opens with what it showed last.
  private mutating func join(
    _ operation: OperationRecord,
    _ judgement: Judgement,
    _ request: RegistrationRequest
  ) throws(HubError) -> OperationRecord {
    guard case .running(var run) = operation.state else { return operation }
    // A chip's key is made anew for every request; the first one stands.
    if case .tpm = judgement.proof { return operation }
    let csr = request.certificateSigningRequest
    let isNewRequest = csr != nil && csr != run.signingRequest
    guard run.judgement != judgement || isNewRequest, run.phase != .reattaching,
      run.phase != .withdrawing
    else { return operation }
    run.judgement = judgement
    run.attempt &+= 1
    if run.phase == .removing { run.phase = .installing }
    if isNewRequest {
      // The device may have the key of its last request alone.
      run.signingRequest = csr
      run.issued = nil
      if run.phase != .allocating { run.phase = .issuing }
    }
    return try write(operation.at(.running(run)))
  }

  private mutating func begin(
    _ id: String,
    _ enrollment: Enrollment,
    _ judgement: Judgement,
    _ request: RegistrationRequest,
    _ now: Timestamp
  ) throws(HubError) -> OperationRecord {
    let known = try stored { storage throws(StorageFault) in try storage.registration(id) }
    var state =
      known
      ?? RegistrationState(
        registrationID: id,
        enrollment: enrollment.key,
        proof: judgement.proof,
        now: now
      )
    state.status = .assigning
    state.failure = nil
    state.updatedTime = now
    state.etagCounter = try nextETag()
    let written = state
    try stored { storage throws(StorageFault) in try storage.put(written) }

    var run = RunningOperation(
      phase: .installing,
      enrollment: enrollment,
      judgement: judgement
    )
    run.payload = request.payload
    run.signingRequest = request.certificateSigningRequest
    run.twin = enrollment.initialTwin
    let policy = enrollment.allocationPolicy ?? rules.defaultAllocation
    let kept = state.assignedHub.flatMap { rules.hub($0) }
    if let kept, !enrollment.reprovisionPolicy.updatesAssignment {
      run.targetHub = kept.host
    } else if policy == .custom {
      run.phase = .allocating
    } else {
      let candidates = Allocation.candidates(enrollment, rules)
      run.targetHub = Allocation.choose(id, policy, among: candidates)?.host
      if run.targetHub == nil {
        run.failure = HubError(.argumentInvalid, "No linked hub may be used.")
      }
    }
    // 120 bits, so that no one guesses another's.
    let operation = OperationRecord(
      id: "4.\(Self.name(random(15)))",
      registrationID: id,
      createdTime: now,
      state: .running(run)
    )
    guard run.phase != .allocating else { return try write(operation) }
    return try keep(try advance(operation, run, known: state, now: now), state, now)
  }

  private static func name(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
      as: UTF8.self
    )
  }

  /// Stores the operation.
  @discardableResult
  mutating func write(_ operation: OperationRecord) throws(HubError) -> OperationRecord {
    try stored { storage throws(StorageFault) in try storage.put(operation) }
    return operation
  }
}

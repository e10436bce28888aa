public import HubContract
internal import JSONTree
internal import QueryLanguage

/// A job goes from *scheduled* to *queued* at its time, to *running* when one of few places is free,
/// and ends *completed*, *failed* when its time is up, or *cancelled*. Running, it walks through all
/// devices in the order of their IDs. A twin is updated in the transaction that moves the walk on, so
/// once. A method's part is written first, handed to the driver when that is durable, and ended by its
/// answer, so it is invoked at least once. All that is needed to go on after a crash is in the job and
/// its parts.
extension HubEngine where Storage: FleetStorage {
  /// Takes all jobs one step further.
  ///
  /// - Parameters:
  ///   - facts: what the driver knows of each identity's connection.
  ///   - now: the time.
  /// - Returns: what the driver has to do.
  /// - Throws: only what the storage's faults become.
  public mutating func advanceJobs(
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) -> JobStep {
    var step = JobStep()
    let jobs = try stored { storage throws(StorageFault) in try storage.unfinishedJobs() }
    var free = quotas.runningJobs - jobs.count { $0.status == .running }
    for before in jobs {
      var job = before
      guard job.startTime <= now else {
        step.note(job.startTime)
        continue
      }
      if job.status == .scheduled { job.status = .queued }
      if job.status == .queued, free > 0 {
        free -= 1
        job.status = .running
        job.runningSince = now
      }
      if job.status == .running { try advance(&job, &step, facts: facts, now: now) }
      // A place that is free again is taken by the next step.
      if job.status.isFinal { step.hasMore = true }
      let after = job
      if after != before {
        try stored { storage throws(StorageFault) in try storage.put(after) }
      }
    }
    return step
  }

  /// Notes how the invocation of a job's method ended.
  ///
  /// An answer that comes after the job has ended, or a second time, changes nothing.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func finishInvocation(
    _ key: DeviceJobKey,
    _ outcome: JobInvocationOutcome,
    now: Timestamp
  ) throws(HubError) {
    jobInvocations.end(key)
    let found = try stored { storage throws(StorageFault) in
      (try storage.job(key.jobID), try storage.deviceJob(key))
    }
    guard var job = found.0, var part = found.1, job.status == .running, part.status == .running
    else { return }
    switch outcome {
    case .answered(let response):
      part.end(.completed, now: now)
      part.response = response
      job.statistics.succeededCount += 1
    case .failed(let error):
      part.end(.failed, now: now)
      part.failure = error
      job.statistics.failedCount += 1
    }
    job.statistics.runningCount -= 1
    if job.isDone { job.end(.completed, now: now) }
    let written = (job, part)
    try stored { storage throws(StorageFault) in
      try storage.put(written.1)
      try storage.put(written.0)
    }
  }

  private mutating func advance(
    _ job: inout ScheduledJob,
    _ step: inout JobStep,
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) {
    if let deadline = job.deadline, deadline <= now {
      job.failureReason = "The job took longer than its maxExecutionTimeInSeconds."
      job.end(.failed, now: now)
      return
    }
    if !job.isSearched { try search(&job, facts: facts, now: now) }
    if case .invokeMethod(let method) = job.task {
      try begin(method, of: &job, &step, now: now)
    }
    if job.isDone {
      job.end(.completed, now: now)
    } else {
      if !job.isSearched { step.hasMore = true }
      if let deadline = job.deadline { step.note(deadline) }
    }
  }

  /// Looks at the next devices: updates the twins of those that match, or has their methods wait.
  private mutating func search(
    _ job: inout ScheduledJob,
    facts: (IdentityKey) -> ConnectionFacts,
    now: Timestamp
  ) throws(HubError) {
    let query = try TwinQuery(jobCondition: job.queryCondition)
    let limit = jobRules.stepDevices
    let last = job.searchedUpTo
    let rows = try stored { storage throws(StorageFault) in
      try storage.deviceRows(after: last, limit: limit)
    }
    for row in rows {
      let key = row.identity.key
      guard query.matches(TwinQueryRow(row, facts: facts(key))) else { continue }
      var part = DeviceJob(deviceID: key.deviceID, jobID: job.id, now: now)
      job.statistics.deviceCount += 1
      switch job.task {
      case .updateTwin(let patch):
        part.startTime = now
        do throws(HubError) {
          _ = try updateTwin(
            key,
            TwinUpdate(body: .object(patch)),
            replacing: false,
            ifMatch: ETagCondition(ifMatch: patch["etag"]?.stringValue),
            now: now
          )
          part.end(.completed, now: now)
          job.statistics.succeededCount += 1
        } catch {
          if fault != nil { throw error }
          part.end(.failed, now: now)
          part.failure = error
          job.statistics.failedCount += 1
        }
      case .invokeMethod:
        job.statistics.pendingCount += 1
      }
      let found = part
      try stored { storage throws(StorageFault) in try storage.put(found) }
    }
    job.searchedUpTo = rows.last?.identity.deviceID ?? last
    job.isSearched = rows.count < limit
  }

  /// Hands waiting methods to the driver, as many as may be under way.
  private mutating func begin(
    _ method: DirectMethodRequest,
    of job: inout ScheduledJob,
    _ step: inout JobStep,
    now: Timestamp
  ) throws(HubError) {
    let underWay = jobInvocations.count(of: job.id)
    var room = jobRules.invocationsPerJob - underWay
    guard room > 0, job.statistics.pendingCount + job.statistics.runningCount > underWay else {
      return
    }
    // Those under way may all come first; behind them are enough to fill the room.
    let id = job.id
    let limit = jobRules.invocationsPerJob
    let open = try stored { storage throws(StorageFault) in
      try storage.deviceJobs(of: id, openOnly: true, after: nil, limit: limit)
    }
    for var part in open where room > 0 && !jobInvocations.contains(part.key) {
      room -= 1
      if part.status == .pending {
        job.statistics.pendingCount -= 1
        job.statistics.runningCount += 1
      }
      // One that runs already was begun before a crash; nobody knows whether the device saw it.
      part.status = .running
      part.startTime = now
      part.lastUpdatedTime = now
      let begun = part
      try stored { storage throws(StorageFault) in try storage.put(begun) }
      jobInvocations.begin(part.key)
      step.invocations.append(JobInvocation(part: part.key, method: method))
    }
  }
}

extension JobStep {
  /// Remembers the earliest time.
  fileprivate mutating func note(_ time: Timestamp) { nextTime = min(nextTime ?? time, time) }
}

extension ScheduledJob {
  /// Whether nothing is left to do.
  fileprivate var isDone: Bool {
    isSearched && statistics.pendingCount == 0 && statistics.runningCount == 0
  }
}

extension DeviceJob {
  fileprivate mutating func end(_ status: JobStatus, now: Timestamp) {
    self.status = status
    endTime = now
    lastUpdatedTime = now
  }
}

public import HubContract

extension HubEngine where Storage: FleetStorage {
  /// Creates a job (contract §7.9).
  ///
  /// It is carried out by `advanceJobs`, in steps.
  ///
  /// - Parameters:
  ///   - request: what the job shall do, and when.
  ///   - now: the time.
  /// - Returns: the job as it now is.
  /// - Throws: 409104, 400004 for a condition that does not compile, a start too far ahead or a patch
  ///   that no twin can hold, 429004 if as many jobs run or wait as may.
  public mutating func createJob(
    _ request: ScheduledJobRequest,
    now: Timestamp
  ) throws(HubError) -> ScheduledJob {
    let id = request.id
    guard try stored({ storage throws(StorageFault) in try storage.job(id) }) == nil else {
      throw HubError(.jobAlreadyExists, "Job \(id) exists.")
    }
    try request.check(quotas)
    let start = request.startTime ?? now
    guard start <= now.adding(seconds: jobRules.horizonSeconds) else {
      throw HubError(
        .argumentInvalid,
        "startTime is more than \(jobRules.horizonSeconds / 3600) hours ahead."
      )
    }
    let unfinished = try stored { storage throws(StorageFault) in try storage.unfinishedJobs() }
    let isDue = start <= now
    guard unfinished.count < jobRules.unfinishedJobs,
      !isDue || unfinished.count(where: { $0.startTime <= now }) < quotas.runningJobs
    else {
      throw HubError(
        .throttlingMaxActiveJobCountExceeded,
        "As many jobs run or wait as may; try again when one has ended."
      )
    }
    let job = ScheduledJob(
      request,
      createdTime: now,
      startTime: start,
      status: isDue ? .queued : .scheduled
    )
    try stored { storage throws(StorageFault) in try storage.put(job) }
    return job
  }

  /// Ends a job; what it has done stays, and devices that were not asked yet never are.
  ///
  /// - Returns: the job as it now is.
  /// - Throws: 404002, 405102 for one that has ended.
  public mutating func cancelJob(_ id: String, now: Timestamp) throws(HubError) -> ScheduledJob {
    guard var job = try stored({ storage throws(StorageFault) in try storage.job(id) }) else {
      throw HubError(.jobNotFound, "There is no job \(id).")
    }
    guard !job.status.isFinal else {
      throw HubError(
        .operationNotAllowedInCurrentState,
        "Job \(id) is \(job.status.rawValue) and can't be cancelled."
      )
    }
    job.end(.cancelled, now: now)
    let ended = job
    try stored { storage throws(StorageFault) in try storage.put(ended) }
    return job
  }

  /// Deletes jobs that ended long ago, some at a time.
  ///
  /// - Returns: whether there is more to delete.
  /// - Throws: only what the storage's faults become.
  public mutating func deleteOldJobs(now: Timestamp) throws(HubError) -> Bool {
    let limit = jobRules.stepDevices
    let time = now.adding(seconds: -jobRules.historySeconds)
    return try stored { storage throws(StorageFault) in
      guard let job = try storage.jobs(endedBefore: time, limit: 1).first else { return false }
      let parts = try storage.deviceJobs(of: job.id, openOnly: false, after: nil, limit: limit)
      for part in parts { try storage.deleteDeviceJob(part.key) }
      if parts.count < limit { try storage.deleteJob(job.id) }
      return true
    }
  }
}

extension ScheduledJob {
  /// Ends the job; parts that have not ended end with it.
  mutating func end(_ status: JobStatus, now: Timestamp) {
    self.status = status
    endTime = now
    if status == .failed {
      statistics.failedCount += statistics.runningCount + statistics.pendingCount
    }
    statistics.runningCount = 0
    statistics.pendingCount = 0
  }
}

extension DeviceJob {
  /// Names the part.
  public var key: DeviceJobKey { DeviceJobKey(deviceID: deviceID, jobID: jobID) }
}

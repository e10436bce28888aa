public import HubContract

// Exports and imports over blobs: one at a time (contract §7.2, 403003). What they do is the driver's;
// here is what is known of them.
extension HubEngine where Storage: FileStorage {
  /// Ended jobs that are remembered.
  private static var rememberedTransfers: Int { 100 }

  /// Adds a job that waits.
  ///
  /// - Throws: 403003 while another one has not ended.
  public mutating func createTransfer(_ job: TransferJob) throws(HubError) {
    let jobs = try stored { storage throws(StorageFault) in try storage.transfers() }
    if let other = jobs.first(where: { !$0.status.isFinal }) {
      throw HubError(
        .jobQuotaExceeded,
        "The job \(other.id) has not ended; one import or export runs at a time."
      )
    }
    let oldest = jobs.sorted { $0.createdTime < $1.createdTime }
      .prefix(max(0, jobs.count + 1 - Self.rememberedTransfers))
    try stored { storage throws(StorageFault) in
      for job in oldest { try storage.deleteTransfer(job.id) }
      try storage.put(job)
    }
  }

  /// The job to work on: one that waits, which now runs, or that ran when the hub stopped.
  ///
  /// An import that was interrupted fails: what it has done stays done, and doing it again would
  /// refuse what it created.
  public mutating func nextTransfer(now: Timestamp) throws(HubError) -> TransferJob? {
    let jobs = try stored { storage throws(StorageFault) in try storage.transfers() }
    guard var job = jobs.first(where: { !$0.status.isFinal }) else { return nil }
    if job.status == .running, job.kind == .import {
      try endTransfer(
        job.id,
        failure: "The hub stopped at \(job.progress) %; what was imported stays. Import again.",
        now: now
      )
      return nil
    }
    job.status = .running
    job.progress = 0
    job.startTime = now
    let next = job
    try stored { storage throws(StorageFault) in try storage.put(next) }
    return job
  }

  /// Notes how far a job has come; false if it goes on no more.
  public mutating func advanceTransfer(_ id: String, to progress: Int) throws(HubError) -> Bool {
    guard var job = try transfer(id), !job.status.isFinal else { return false }
    guard job.progress != progress else { return true }
    job.progress = progress
    let next = job
    try stored { storage throws(StorageFault) in try storage.put(next) }
    return true
  }

  /// Ends a job, with why it failed if it did; one that has ended stays as it is.
  public mutating func endTransfer(
    _ id: String,
    failure: String?,
    now: Timestamp
  ) throws(HubError) {
    guard var job = try transfer(id), !job.status.isFinal else { return }
    job.status = failure == nil ? .completed : .failed
    job.progress = failure == nil ? 100 : job.progress
    job.failureReason = failure
    job.endTime = now
    let next = job
    try stored { storage throws(StorageFault) in try storage.put(next) }
  }

  /// Ends a job by its owner's wish.
  ///
  /// - Throws: 404002, 405102 for one that has ended.
  public mutating func cancelTransfer(
    _ id: String,
    now: Timestamp
  ) throws(HubError) -> TransferJob {
    guard var job = try transfer(id) else {
      throw HubError(.jobNotFound, "There is no import or export job \(id).")
    }
    guard !job.status.isFinal else {
      throw HubError(
        .operationNotAllowedInCurrentState,
        "The job has ended already: it is \(job.status.rawValue)."
      )
    }
    job.status = .cancelled
    job.endTime = now
    let next = job
    try stored { storage throws(StorageFault) in try storage.put(next) }
    return job
  }

  /// Gives up the blocks that wait for a blob.
  public mutating func discardBlocks(of key: BlobKey) throws(HubError) {
    try stored { storage throws(StorageFault) in try storage.discard(waitingFor: key) }
    emit(.filesDiscarded)
  }

  private mutating func transfer(_ id: String) throws(HubError) -> TransferJob? {
    try stored { storage throws(StorageFault) in try storage.transfers() }
      .first { $0.id == id }
  }
}

extension HubView where Storage: FileStorageReader {
  /// All exports and imports that are remembered, the newest first.
  public func transfers() throws(HubError) -> [TransferJob] {
    try stored { storage throws(StorageFault) in try storage.transfers() }
      .sorted { $0.createdTime > $1.createdTime }
  }
}

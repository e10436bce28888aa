public import HubContract
internal import JSONTree
internal import QueryLanguage

extension HubView where Storage: FleetStorageReader {
  /// The job called `id`, nil if there is none: its answer then is `ScheduledJob.unknown`.
  public func job(_ id: String) throws(HubError) -> ScheduledJob? {
    try stored { storage throws(StorageFault) in try storage.job(id) }
  }

  /// A page of jobs, in the order of their IDs.
  ///
  /// - Parameters:
  ///   - kind: only jobs of this type, nil for all.
  ///   - status: only jobs of this status, nil for all.
  ///   - pageSize: the most jobs, above 0.
  ///   - continuation: what the page before answered, nil to begin.
  /// - Returns: the jobs and, if there may be more, where the next page begins.
  /// - Throws: 400004 for a continuation that is none of this list.
  public func jobs(
    kind: JobTask.Kind?,
    status: JobStatus?,
    pageSize: Int,
    continuation: String?
  ) throws(HubError) -> (jobs: [ScheduledJob], continuation: String?) {
    let list = "jobs \(kind?.rawValue ?? "") \(status?.rawValue ?? "")"
    var last: String?
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: list),
        case .after(let key) = read.position
      else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this list.")
      }
      last = key.deviceID
    }
    var found: [ScheduledJob] = []
    while true {
      let jobs = try stored { storage throws(StorageFault) in
        try storage.jobs(after: last, limit: pageSize)
      }
      for job in jobs
      where kind ?? job.task.kind == job.task.kind && status ?? job.status == job.status {
        if found.count >= pageSize, let end = found.last {
          let key = IdentityKey(deviceID: end.id)
          let next = QueryContinuation(.after(key), rowsLeft: .max).text(query: list)
          return (found, next)
        }
        found.append(job)
      }
      guard jobs.count == pageSize, let end = jobs.last else { return (found, nil) }
      last = end.id
    }
  }
}

/// Reads the rows of `devices.jobs`, each part together with its job.
struct DeviceJobRows {
  /// Parts that one look reads.
  static let batch = 256
  private var jobs: [String: ScheduledJob] = [:]

  /// The next parts, in the order of devices, then of jobs.
  ///
  /// - Returns: the rows by what names them, and where the next look begins, nil at the end.
  mutating func next(
    _ storage: borrowing some FleetStorageReader,
    jobID: String?,
    after last: DeviceJobKey?
  ) throws(StorageFault) -> (rows: [(key: DeviceJobKey, row: JSONObject)], end: DeviceJobKey?) {
    let parts: [DeviceJob]
    if let jobID {
      // Of one job there is one part a device, so the order is the same.
      parts = try storage.deviceJobs(
        of: jobID,
        openOnly: false,
        after: last?.deviceID,
        limit: Self.batch
      )
    } else {
      parts = try storage.deviceJobs(after: last, limit: Self.batch)
    }
    var rows: [(key: DeviceJobKey, row: JSONObject)] = []
    for part in parts {
      if jobs[part.jobID] == nil { jobs[part.jobID] = try storage.job(part.jobID) }
      guard let job = jobs[part.jobID] else { continue }
      rows.append((part.key, part.json(of: job)))
    }
    return (rows, parts.count < Self.batch ? nil : parts.last?.key)
  }
}

extension TwinQuery {
  /// The one job that WHERE names, nil if it names none.
  var jobID: String? {
    equalities.first { $0.path == [.member("jobId")] }?.value.stringValue
  }
}

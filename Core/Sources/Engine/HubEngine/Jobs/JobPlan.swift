public import HubContract
public import JSONTree
internal import QueryLanguage

/// What a job would do to the devices: a page of it.
public struct JobPlan: Equatable, Sendable {
  /// What would happen to one device.
  public struct Change: Equatable, Sendable {
    /// The device.
    public var deviceID: String
    /// Whether it is connected now; a method waits for one that is not for its connect time-out.
    public var isConnected: Bool
    /// The patch of the tags; empty if they stay.
    public var tags = JSONObject()
    /// The patch of the desired properties; empty if they stay.
    public var desired = JSONObject()
    /// Why the device would fail.
    public var refusal: String?
  }

  /// The job.
  public var jobID: String
  /// The devices of this page, in the order of their IDs.
  public var changes: [Change] = []
  /// Where the next page begins, nil at the end.
  public var continuation: String?

  /// The object of answers.
  public var json: JSONValue {
    [
      "jobId": .string(jobID),
      "changes": .array(
        changes.map { change in
          var object: JSONObject = [
            "deviceId": .string(change.deviceID),
            "connectionState": change.isConnected ? "Connected" : "Disconnected",
          ]
          if !change.tags.isEmpty { object["tags"] = .object(change.tags) }
          if !change.desired.isEmpty { object["desired"] = .object(change.desired) }
          object["refusal"] = change.refusal.map { .string($0) }
          return .object(object)
        }
      ),
    ]
  }
}

extension HubView where Storage: FleetStorageReader {
  /// Devices that one look into the storage takes at most.
  private static var batch: Int { 512 }

  /// Tells which devices a job would reach now, and what it would do to them, without creating it.
  ///
  /// - Parameters:
  ///   - request: what the job shall do.
  ///   - pageSize: the most devices.
  ///   - continuation: what the page before answered, nil to begin.
  ///   - facts: what the driver knows of each identity's connection.
  /// - Returns: a page, which may be short or empty although more follow.
  /// - Throws: 400004 for a condition that does not compile, a patch that no twin can hold, or a
  ///   continuation of something else.
  public func plan(
    _ request: ScheduledJobRequest,
    pageSize: Int,
    continuation: String?,
    facts: (IdentityKey) -> ConnectionFacts
  ) throws(HubError) -> JobPlan {
    try request.check(quotas)
    let query = try TwinQuery(jobCondition: request.queryCondition)
    let name = "plan job \(request.queryCondition)"
    var last: IdentityKey?
    if let continuation {
      guard let read = QueryContinuation(text: continuation, query: name),
        case .after(let key) = read.position
      else {
        throw HubError(.argumentInvalid, "The continuation token is not one of this plan.")
      }
      last = key
    }
    var plan = JobPlan(jobID: request.id)
    func end(after key: IdentityKey?) -> JobPlan {
      plan.continuation = key.map {
        QueryContinuation(.after($0), rowsLeft: .max).text(query: name)
      }
      return plan
    }
    let lookup = PropertyLookup(query)
    var cost = 0
    while true {
      let found = try candidates(query, lookup, after: last, limit: Self.batch, facts: facts)
      for row in found.rows where query.matches(row) {
        if plan.changes.count >= pageSize { return end(after: last) }
        let key = row.key
        last = key
        let twin = try stored { storage throws(StorageFault) in try storage.twin(key) }
        guard let twin else { continue }
        plan.changes.append(
          try change(request.task, twin, isConnected: facts(key).isConnected)
        )
        cost += SearchCost.whole
      }
      guard let next = found.end else { return plan }
      last = next
      cost += found.cost + found.rows.count * SearchCost.row
      if cost > 240_000_000 { return end(after: next) }
    }
  }

  private func change(
    _ task: JobTask,
    _ twin: TwinRecord,
    isConnected: Bool
  ) throws(HubError) -> JobPlan.Change {
    var change = JobPlan.Change(deviceID: twin.key.deviceID, isConnected: isConnected)
    guard case .updateTwin(let patch) = task else { return change }
    do throws(HubError) {
      let current = ETags.twin(twin.etagCounter)
      try ETagCondition(ifMatch: patch["etag"]?.stringValue).check(current, of: "twin")
      let update = try TwinUpdate(body: .object(patch))
      change.tags = try difference(update.tags, twin.tags, .tags)
      change.desired = try difference(update.desired, twin.desired.properties, .desired)
    } catch {
      change.refusal = error.message
    }
    return change
  }

  /// The patch that a section really undergoes.
  private func difference(
    _ change: TwinUpdate.Change,
    _ text: [UInt8],
    _ section: TwinSectionName
  ) throws(HubError) -> JSONObject {
    let present = try TwinSection.object(text)
    var wanted = present
    switch change {
    case .absent: return JSONObject()
    case .clear: wanted = JSONObject()
    case .replace(let object): wanted = object.withoutNulls()
    case .set(let object): wanted.merge(patch: object)
    }
    try TwinLimits(quotas: quotas, section: section).checkSize(of: wanted)
    return present.patch(to: wanted)
  }
}

extension ScheduledJobRequest {
  /// Checks what can be checked without the devices.
  ///
  /// - Throws: 400004.
  func check(_ quotas: Quotas) throws(HubError) {
    _ = try TwinQuery(jobCondition: queryCondition)
    guard case .updateTwin(let patch) = task else { return }
    let update = try TwinUpdate(body: .object(patch))
    for (change, section) in [
      (update.tags, TwinSectionName.tags), (update.desired, .desired),
    ] {
      guard case .set(let object) = change else { continue }
      try TwinLimits(quotas: quotas, section: section).check(object)
    }
    guard patch["etag"].map({ $0.isNull || $0.stringValue != nil }) ?? true else {
      throw HubError(.argumentInvalid, "updateTwin.etag must be a string.")
    }
  }
}

extension TwinQuery {
  /// Compiles a job's condition.
  ///
  /// - Throws: 400004.
  init(jobCondition condition: String) throws(HubError) {
    do throws(QueryFault) {
      try self.init(targetCondition: condition)
    } catch {
      throw HubError(.argumentInvalid, error.message)
    }
    guard source == .devices else {
      throw HubError(.argumentInvalid, "A job is for devices: leave FROM devices.modules out.")
    }
  }
}

import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Scheduled jobs (contract §7.9)")
struct JobTests {
  private static let update = #"""
    {"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":
    {"etag":"*","tags":{"old":null,"site":"n"},"properties":{"desired":{"a":1}}}}
    """#
  private static let method = #"""
    {"type":"scheduleDeviceMethod","queryCondition":"tags.m = 1","maxExecutionTimeInSeconds":60,
    "cloudToDeviceMethod":{"methodName":"go","payload":{"x":1},"responseTimeoutInSeconds":10}}
    """#

  private func hub(devices: Int = 5) throws -> TestHub {
    var hub = TestHub()
    hub.engine.jobRules.stepDevices = 2
    hub.engine.jobRules.invocationsPerJob = 2
    for index in 0..<devices {
      _ = try hub.device("d\(index)")
      try hub.patch(IdentityKey(deviceID: "d\(index)"), #"{"tags":{"old":1,"m":\#(index % 2)}}"#)
    }
    return hub
  }

  @discardableResult
  private func create(
    _ hub: inout TestHub,
    _ id: String,
    _ body: String,
    start: Timestamp? = nil
  ) throws -> ScheduledJob {
    var request = try ScheduledJobRequest(id: id, body: json(body))
    request.startTime = start
    let job = try hub.engine.createJob(request, now: hub.now)
    try hub.commit()
    return job
  }

  private func run(_ hub: inout TestHub) throws {
    while try hub.step().hasMore {}
  }

  @Test("a twin update reaches every device once, in steps, and ends completed")
  func updates() throws {
    var hub = try hub()
    #expect(try create(&hub, "j", Self.update).status == .queued)
    #expect(try hub.step().hasMore)
    #expect(try hub.engine.view.job("j")?.statistics.succeededCount == 2)
    try run(&hub)
    for index in 0..<5 {
      #expect(try hub.desired("d\(index)") == json(#"{"a":1}"#))
      let twin = try hub.twin(IdentityKey(deviceID: "d\(index)"))
      #expect(try twin["tags"] == json(#"{"m":\#(index % 2),"site":"n"}"#))
      #expect(twin["properties"]?["desired"]?["$version"] == 2)
    }
    let job = try #require(try hub.engine.view.job("j"))
    #expect(job.status == .completed)
    #expect(job.endTime == hub.now)
    #expect(
      try job.json["deviceJobStatistics"]
        == json(
          #"{"deviceCount":5,"failedCount":0,"succeededCount":5,"runningCount":0,"pendingCount":0}"#
        )
    )
  }

  @Test("a stale ETag fails that device, not the job")
  func staleETag() throws {
    var hub = try hub(devices: 2)
    try hub.patch(IdentityKey(deviceID: "d1"), #"{"tags":{"x":1}}"#)
    let etag = ETags.twin(2)
    let body = #"""
      {"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{"etag":"\#(etag)","tags":{"a":1}}}
      """#
    try create(&hub, "j", body)
    try run(&hub)
    let rows = try hub.rows("SELECT * FROM devices.jobs WHERE jobId = 'j'")
    #expect(rows.map { $0["status"] } == ["completed", "failed"])
    #expect(rows.last?["error"]?["code"] == "412001")
    #expect(try hub.engine.view.job("j")?.status == .completed)
  }

  @Test("methods are handed out few at a time; each ends by its answer")
  func methods() throws {
    var hub = try hub(devices: 8)
    try create(&hub, "j", Self.method)
    var asked: [String] = []
    var waiting: [JobInvocation] = []
    for _ in 0..<20 {
      let step = try hub.step()
      waiting += step.invocations
      #expect(waiting.count <= 2)
      asked += step.invocations.map(\.part.deviceID)
      guard let first = waiting.first else { continue }
      #expect(first.method.methodName == "go")
      waiting.removeFirst()
      let outcome: JobInvocationOutcome =
        first.part.deviceID == "d3"
        ? .failed(HubError(.deviceNotOnline, "away"))
        : .answered(DirectMethodResponse(status: 500, payload: ["ok": false]))
      try hub.engine.finishInvocation(first.part, outcome, now: hub.now)
      // A second answer is nothing.
      try hub.engine.finishInvocation(first.part, outcome, now: hub.now)
      try hub.commit()
    }
    #expect(asked == ["d1", "d3", "d5", "d7"])
    let job = try #require(try hub.engine.view.job("j"))
    #expect(job.status == .completed)
    #expect(job.statistics.succeededCount == 3)
    #expect(job.statistics.failedCount == 1)
    let row = try #require(try hub.rows("SELECT * FROM devices.jobs WHERE deviceId = 'd1'").first)
    #expect(
      try row
        == json(
          """
          {"deviceId":"d1","jobId":"j","jobType":"scheduleDeviceMethod","status":"completed",
          "startTimeUtc":"\(hub.now.iso8601)","endTimeUtc":"\(hub.now.iso8601)",
          "createdDateTimeUtc":"\(hub.now.iso8601)","lastUpdatedDateTimeUtc":"\(hub.now.iso8601)",
          "outcome":{"deviceMethodResponse":{"status":500,"payload":{"ok":false}}}}
          """
        )
    )
  }

  @Test("after a restart, what was under way is begun again and the rest goes on")
  func restart() throws {
    var hub = try hub(devices: 4)
    try create(&hub, "j", Self.method)
    while try hub.step().hasMore {}
    #expect(try hub.engine.view.job("j")?.statistics.runningCount == 2)
    // The driver knows them to be under way; another engine over the same storage does not.
    #expect(try hub.step().invocations.isEmpty)
    var other = TestHub()
    other.engine.storage = hub.engine.storage
    let step = try other.step()
    #expect(step.invocations.map(\.part.deviceID) == ["d1", "d3"])
    for invocation in step.invocations {
      let answer = DirectMethodResponse(status: 200, payload: .null)
      try other.engine.finishInvocation(invocation.part, .answered(answer), now: other.now)
    }
    #expect(try other.engine.view.job("j")?.status == .completed)
    #expect(try other.engine.view.job("j")?.statistics.succeededCount == 2)
  }

  @Test("an undone transaction's methods are handed out again")
  func undone() throws {
    var hub = try hub(devices: 2)
    try create(&hub, "j", Self.method)
    try hub.engine.storage.commit()
    let first = try hub.engine.advanceJobs(facts: { _ in ConnectionFacts() }, now: hub.now)
    #expect(first.invocations.count == 1)
    hub.engine.storage.rollback()
    hub.engine.transactionUndone()
    #expect(try hub.step().invocations == first.invocations)
  }

  @Test("it waits for its time, and for a place among the running ones")
  func scheduling() throws {
    var quotas = Quotas()
    quotas.runningJobs = 1
    var hub = TestHub(quotas: quotas)
    _ = try hub.device("d0")
    try hub.patch(IdentityKey(deviceID: "d0"), #"{"tags":{"m":1}}"#)
    let later = hub.now.adding(seconds: 10)
    #expect(try create(&hub, "later", Self.update, start: later).status == .scheduled)
    #expect(try hub.step() == JobStep(nextTime: later))
    try create(&hub, "now", Self.method)
    #expect(
      code { () throws(HubError) in
        guard let body = try? json(Self.update) else { return }
        _ = try hub.engine.createJob(ScheduledJobRequest(id: "more", body: body), now: hub.now)
      } == .throttlingMaxActiveJobCountExceeded
    )
    let step = try hub.step()
    #expect(step.invocations.count == 1)
    hub.now = later
    _ = try hub.step()
    #expect(try hub.engine.view.job("later")?.status == .queued)
    try hub.engine.finishInvocation(
      DeviceJobKey(deviceID: "d0", jobID: "now"),
      .failed(HubError(.deviceNotOnline, "")),
      now: hub.now
    )
    _ = try hub.step()
    #expect(try hub.engine.view.job("later")?.status == .completed)
  }

  @Test("its time is up: what did not end fails with it")
  func deadline() throws {
    var hub = try hub(devices: 4)
    try create(&hub, "j", Self.method)
    while try hub.step().hasMore {}
    hub.now = hub.now.adding(seconds: 60)
    let step = try hub.step()
    #expect(step.hasMore)
    let job = try #require(try hub.engine.view.job("j"))
    #expect(job.status == .failed)
    #expect(job.failureReason != nil)
    #expect(job.statistics.failedCount == 2)
    let rows = try hub.rows("SELECT * FROM devices.jobs WHERE jobId = 'j'")
    #expect(rows.map { $0["status"] } == ["failed", "failed"])
    // An answer that comes now changes nothing.
    let part = DeviceJobKey(deviceID: "d1", jobID: "j")
    let before = hub.engine.storage.tables
    let answer = DirectMethodResponse(status: 200, payload: .null)
    try hub.engine.finishInvocation(part, .answered(answer), now: hub.now)
    #expect(hub.engine.storage.tables == before)
  }

  @Test("cancelling ends it for the devices that wait")
  func cancel() throws {
    var hub = try hub(devices: 4)
    try create(&hub, "j", Self.method)
    _ = try hub.step()
    #expect(try hub.engine.cancelJob("j", now: hub.now).status == .cancelled)
    #expect(try hub.step() == JobStep())
    let rows = try hub.rows("SELECT * FROM devices.jobs")
    #expect(rows.map { $0["status"] } == ["cancelled"])
    for (id, expected) in [
      ("j", HubErrorCode.operationNotAllowedInCurrentState), ("none", .jobNotFound),
    ] {
      #expect(
        code { () throws(HubError) in _ = try hub.engine.cancelJob(id, now: hub.now) } == expected
      )
    }
  }

  @Test("what can't be run is refused")
  func refusals() throws {
    var hub = try hub()
    try create(&hub, "j", Self.update)
    let now = hub.now
    for (id, condition, patch, start, expected) in [
      ("j", "*", "{}", now, HubErrorCode.jobAlreadyExists),
      ("k", "tags.a = = 1", "{}", now, .argumentInvalid),
      ("k", "FROM devices.modules WHERE moduleId = 'm'", "{}", now, .argumentInvalid),
      ("k", "*", #"{"tags":{"a.b":1}}"#, now, .argumentInvalid),
      ("k", "*", #"{"tags":1}"#, now, .argumentInvalid),
      ("k", "*", #"{"etag":1}"#, now, .argumentInvalid),
      ("k", "*", "{}", now.adding(seconds: 168 * 3600 + 1), .argumentInvalid),
    ] {
      let patch = try #require(try json(patch).objectValue)
      let request = ScheduledJobRequest(
        id: id,
        task: .updateTwin(patch),
        queryCondition: condition,
        startTime: start
      )
      #expect(
        code { () throws(HubError) in _ = try hub.engine.createJob(request, now: now) } == expected,
        "\(condition) \(patch)"
      )
    }
  }

  @Test("lists are paged and filtered; unknown jobs have their own answer")
  func lists() throws {
    var hub = try hub(devices: 1)
    for id in ["a", "b", "c"] { try create(&hub, id, Self.update) }
    try create(&hub, "m", Self.method)
    while try hub.step().hasMore {}
    func list(_ kind: JobTask.Kind?, _ status: JobStatus?) throws -> [String] {
      var ids: [String] = []
      var continuation: String?
      repeat {
        let page = try hub.engine.view.jobs(
          kind: kind,
          status: status,
          pageSize: 2,
          continuation: continuation
        )
        ids += page.jobs.map(\.id)
        continuation = page.continuation
      } while continuation != nil
      return ids
    }
    #expect(try list(nil, nil) == ["a", "b", "c", "m"])
    #expect(try list(.scheduleDeviceMethod, nil) == ["m"])
    #expect(try list(.scheduleUpdateTwin, .completed) == ["a", "b", "c"])
    #expect(try list(nil, .cancelled) == [])
    let view = hub.engine.view
    #expect(
      code { () throws(HubError) in
        _ = try view.jobs(kind: nil, status: nil, pageSize: 2, continuation: "x")
      } == .argumentInvalid
    )
    #expect(try hub.engine.view.job("none") == nil)
    #expect(ScheduledJob.unknown("none")["status"] == "unknown")
  }

  @Test(
    "devices.jobs in the order of devices, in pages, with conditions and TOP",
    arguments: [1, 2, 7]
  )
  func query(pageSize: Int) throws {
    var hub = try hub(devices: 3)
    for id in ["a", "b"] { try create(&hub, id, Self.update) }
    try run(&hub)
    let all = try hub.rows("SELECT * FROM devices.jobs", pageSize: pageSize)
    #expect(
      all.map { "\($0["deviceId"]?.stringValue ?? "")\($0["jobId"]?.stringValue ?? "")" }
        == ["d0a", "d0b", "d1a", "d1b", "d2a", "d2b"]
    )
    for (condition, count) in [
      ("jobId = 'b'", 3), ("devices.jobs.deviceId = 'd1'", 2), ("jobId = 'x'", 0),
      ("status = 'completed' AND jobType = 'scheduleUpdateTwin'", 6), ("status = 'failed'", 0),
    ] {
      let rows = try hub.rows("SELECT * FROM devices.jobs WHERE \(condition)", pageSize: pageSize)
      #expect(rows.count == count, "\(condition)")
    }
    #expect(try hub.rows("SELECT TOP 4 * FROM devices.jobs", pageSize: pageSize).count == 4)
    let page = try hub.engine.view.query(
      "SELECT * FROM devices.jobs",
      pageSize: 1,
      continuation: nil,
      facts: { _ in ConnectionFacts() }
    )
    #expect(page.itemType == .deviceJob)
  }

  @Test("a search that finds little ends its pages early, and leads on")
  func longSearch() throws {
    var hub = try hub(devices: 1)
    try create(&hub, "j", Self.update)
    for index in 0..<2100 {
      var part = DeviceJob(deviceID: "x\(index)", jobID: "j", now: hub.now)
      part.status = .completed
      try hub.engine.storage.put(part)
    }
    var last = DeviceJob(deviceID: "y", jobID: "j", now: hub.now)
    last.status = .failed
    try hub.engine.storage.put(last)
    func page(_ continuation: String?) throws -> QueryPage {
      try hub.engine.view.query(
        "SELECT * FROM devices.jobs WHERE status = 'failed'",
        pageSize: 100,
        continuation: continuation,
        facts: { _ in ConnectionFacts() }
      )
    }
    let first = try page(nil)
    #expect(first.count == 0 && first.continuation != nil)
    let second = try page(first.continuation)
    #expect(second.count == 1)
    #expect(second.continuation == nil)
  }

  @Test("jobs that ended long ago are deleted with their parts")
  func history() throws {
    var hub = try hub()
    try create(&hub, "old", Self.update)
    try run(&hub)
    hub.now = hub.now.adding(seconds: 30 * 86_400)
    #expect(try hub.engine.deleteOldJobs(now: hub.now) == false)
    hub.now = hub.now.adding(seconds: 1)
    try create(&hub, "new", Self.update)
    while try hub.engine.deleteOldJobs(now: hub.now) {}
    #expect(hub.engine.storage.tables.jobs.keys.sorted() == ["new"])
    #expect(hub.engine.storage.tables.deviceJobs.isEmpty)
  }
}

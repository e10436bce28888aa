import HubContract
import JSONTree
import Testing

@Suite("Bodies of scheduled jobs (contract §7.9)")
struct ScheduledJobBodyTests {
  @Test(
    "what breaks a rule is refused by its code",
    arguments: [
      (#"{"type":"scheduleUpdateTwin","updateTwin":{}}"#, 400_005),
      (#"{"queryCondition":"*","updateTwin":{}}"#, 400_005),
      (#"{"type":"export","queryCondition":"*"}"#, 400_004),
      (#"{"type":"scheduleUpdateTwin","queryCondition":"*"}"#, 400_005),
      (#"{"type":"scheduleDeviceMethod","queryCondition":"*"}"#, 400_005),
      (#"{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":1}"#, 400_012),
      (#"{"jobId":"k","type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{}}"#, 400_004),
      (
        #"{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{},"startTime":"soon"}"#,
        400_004
      ),
      (
        #"{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{},"maxExecutionTimeInSeconds":0}"#,
        400_004
      ),
      (
        #"{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":""}}"#,
        400_004
      ),
    ]
  )
  func refusals(body: String, code: Int) throws {
    let json = try JSON.parse(body)
    let refusal = #expect(throws: HubError.self) { try ScheduledJobRequest(id: "j", body: json) }
    #expect(refusal?.code.rawValue == code, "\(refusal?.message ?? "")")
  }

  @Test("an ID has lower-case letters, digits, - and '", arguments: ["", "A", "a_b"])
  func ids(id: String) {
    let refusal = #expect(throws: HubError.self) { try ScheduledJobRequest(id: id, body: [:]) }
    #expect(refusal?.code == .argumentInvalid)
  }

  @Test(
    "a job is stored and read as it was",
    arguments: [
      #"{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{"etag":"*","tags":{"a":null}}}"#,
      #"{"type":"scheduleDeviceMethod","queryCondition":"a = 1","cloudToDeviceMethod":{"methodName":"m","payload":null,"responseTimeoutInSeconds":9}}"#,
    ]
  )
  func documents(body: String) throws {
    let request = try ScheduledJobRequest(id: "j", body: JSON.parse(body))
    let now = Timestamp(seconds: 1_800_000_000)
    var job = ScheduledJob(request, createdTime: now, startTime: now, status: .queued)
    #expect(ScheduledJob(document: job.document) == job)
    job.runningSince = now
    job.endTime = now.adding(seconds: 1)
    job.status = .failed
    job.failureReason = "x"
    job.statistics.deviceCount = 2
    job.searchedUpTo = "d"
    job.isSearched = true
    #expect(ScheduledJob(document: job.document) == job)
    #expect(ScheduledJob(document: []) == nil)
  }

  @Test("a device's part is stored and read as it was")
  func parts() throws {
    let now = Timestamp(seconds: 1_800_000_000)
    var part = DeviceJob(deviceID: "d", jobID: "j", now: now)
    func stored() -> DeviceJob? {
      DeviceJob(deviceID: "d", jobID: "j", status: part.status, document: part.document)
    }
    #expect(stored() == part)
    part.status = .completed
    part.startTime = now
    part.endTime = now.adding(seconds: 1)
    part.response = DirectMethodResponse(status: 200, payload: ["a": 1])
    #expect(stored() == part)
    part.status = .failed
    part.response = nil
    part.failure = HubError(.deviceNotOnline, "away")
    #expect(stored() == part)
    #expect(DeviceJob(deviceID: "d", jobID: "j", status: .failed, document: []) == nil)
  }

  /// What a device or a client may send at most: arrays around each other.
  private func nested(_ depth: Int) throws -> JSONValue {
    let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    return try JSON.parse(text)
  }

  @Test("an answer or a patch that is nested as deep as may be can be read back")
  func deep() throws {
    let now = Timestamp(seconds: 1_800_000_000)
    let deepest = JSONLimits.default.maxDepth
    var part = DeviceJob(deviceID: "d", jobID: "j", now: now)
    part.response = DirectMethodResponse(status: 200, payload: try nested(deepest))
    #expect(
      DeviceJob(deviceID: "d", jobID: "j", status: .pending, document: part.document) == part
    )
    let request = ScheduledJobRequest(
      id: "j",
      task: .invokeMethod(DirectMethodRequest(methodName: "m", payload: try nested(deepest))),
      queryCondition: "*"
    )
    let job = ScheduledJob(request, createdTime: now, startTime: now, status: .queued)
    #expect(ScheduledJob(document: job.document) == job)
  }
}

public import JSONTree

/// One device's part in one job, a row of `devices.jobs` (contract §7.7).
public struct DeviceJob: Equatable, Sendable {
  /// The device.
  public var deviceID: String
  /// The job.
  public var jobID: String
  /// How far it has come.
  public var status: JobStatus
  /// When the job found the device.
  public var createdTime: Timestamp
  /// When the device's turn came.
  public var startTime: Timestamp?
  /// When it ended.
  public var endTime: Timestamp?
  /// When the record was last written.
  public var lastUpdatedTime: Timestamp
  /// What the device answered to a method.
  public var response: DirectMethodResponse?
  /// Why it failed.
  public var failure: HubError?

  /// Creates the part of a device that waits for its turn.
  public init(deviceID: String, jobID: String, now: Timestamp) {
    self.deviceID = deviceID
    self.jobID = jobID
    status = .pending
    createdTime = now
    lastUpdatedTime = now
  }

  /// The row of a query.
  ///
  /// - Parameter job: the job; one that has ended has ended for this device as well.
  /// - Returns: the members that have a value.
  public func json(of job: ScheduledJob) -> JSONObject {
    let shown = job.status.isFinal && !status.isFinal ? job.status : status
    var object: JSONObject = [
      "deviceId": .string(deviceID),
      "jobId": .string(jobID),
      "jobType": .string(job.task.kind.rawValue),
      "status": .string(shown.rawValue),
    ]
    object["startTimeUtc"] = startTime.map { .string($0.iso8601) }
    object["endTimeUtc"] = (endTime ?? (shown.isFinal ? job.endTime : nil)).map {
      .string($0.iso8601)
    }
    object["createdDateTimeUtc"] = .string(createdTime.iso8601)
    object["lastUpdatedDateTimeUtc"] = .string(lastUpdatedTime.iso8601)
    if let response { object["outcome"] = ["deviceMethodResponse": response.json] }
    if let failure {
      object["error"] = [
        "code": .string(String(failure.code.rawValue)), "description": .string(failure.message),
      ]
    }
    return object
  }

  /// The text to keep it as, less the two IDs and the status: compact JSON.
  public var document: [UInt8] {
    var object: JSONObject = [
      "created": .string(createdTime.iso8601), "updated": .string(lastUpdatedTime.iso8601),
    ]
    object["start"] = startTime.map { .string($0.iso8601) }
    object["end"] = endTime.map { .string($0.iso8601) }
    object["response"] = response?.json
    object["failure"] = failure.map {
      ["code": .int(Int64($0.code.rawValue)), "message": .string($0.message)]
    }
    return JSON.bytes(.object(object))
  }

  /// Reads what `document` wrote; nil if it is something else.
  public init?(deviceID: String, jobID: String, status: JobStatus, document: [UInt8]) {
    func time(_ value: JSONValue?) -> Timestamp? {
      value?.stringValue.flatMap { Timestamp(iso8601: $0) }
    }
    guard let json = try? JSON.parse(document, limits: .stored),
      let created = time(json["created"]),
      let updated = time(json["updated"])
    else { return nil }
    self.init(deviceID: deviceID, jobID: jobID, now: created)
    self.status = status
    lastUpdatedTime = updated
    startTime = time(json["start"])
    endTime = time(json["end"])
    if let answer = json["response"] {
      guard let status = answer["status"]?.int64Value, let payload = answer["payload"] else {
        return nil
      }
      response = DirectMethodResponse(status: Int(clamping: status), payload: payload)
    }
    if let refusal = json["failure"] {
      guard let code = refusal["code"]?.int64Value, let message = refusal["message"]?.stringValue
      else { return nil }
      failure = HubError(HubErrorCode(rawValue: Int(clamping: code)), message)
    }
  }
}

public import JSONTree

extension ScheduledJobRequest {
  /// Reads the body of `PUT /jobs/v2/<id>`.
  ///
  /// - Throws: 400004 for an illegal ID, one that is not that of the path, an unknown type, a start
  ///   that is no time, or a duration below 1 s; 400005 without the condition or the task; 400012
  ///   for a member of another type; what `DirectMethodRequest` refuses.
  public init(id: String, body: JSONValue) throws(HubError) {
    guard JobID.isValid(id) else {
      throw HubError(
        .argumentInvalid,
        "A job ID has 1 to 64 lower-case letters, digits or characters of - '"
      )
    }
    let fields = try BodyFields(body)
    if let named = try fields.nonEmptyString("jobId"), named != id {
      throw fields.invalid("jobId", "is not the ID in the path.")
    }
    guard let kind = JobTask.Kind(rawValue: try fields.requiredString("type")) else {
      throw fields.invalid("type", "must be scheduleUpdateTwin or scheduleDeviceMethod.")
    }
    let task: JobTask
    switch kind {
    case .scheduleUpdateTwin:
      guard let update = try fields.object("updateTwin") else {
        throw HubError(.argumentNull, "updateTwin is missing; send a twin's part.")
      }
      task = .updateTwin(update)
    case .scheduleDeviceMethod:
      guard let method = fields.value("cloudToDeviceMethod") else {
        throw HubError(.argumentNull, "cloudToDeviceMethod is missing; send a method.")
      }
      task = .invokeMethod(try DirectMethodRequest(json: method))
    }
    var start: Timestamp?
    if let text = try fields.nonEmptyString("startTime") {
      guard let time = Timestamp(iso8601: text) else {
        throw fields.invalid("startTime", "must be an ISO 8601 date and time.")
      }
      start = time
    }
    let seconds = try fields.integer("maxExecutionTimeInSeconds") ?? Self.defaultExecutionSeconds
    guard seconds >= 1 else {
      throw fields.invalid("maxExecutionTimeInSeconds", "must be at least 1.")
    }
    self.init(
      id: id,
      task: task,
      queryCondition: try fields.requiredString("queryCondition"),
      startTime: start,
      maxExecutionSeconds: seconds
    )
  }
}

extension ScheduledJob {
  /// The object of answers: a JobResponse.
  public var json: JSONObject {
    var object: JSONObject = [
      "jobId": .string(id),
      "queryCondition": .string(queryCondition),
      "createdTime": .string(createdTime.iso8601),
      "startTime": .string(startTime.iso8601),
      "maxExecutionTimeInSeconds": .int(maxExecutionSeconds),
      "type": .string(task.kind.rawValue),
      "status": .string(status.rawValue),
    ]
    object["endTime"] = endTime.map { .string($0.iso8601) }
    switch task {
    case .updateTwin(let update): object["updateTwin"] = .object(update)
    case .invokeMethod(let method): object["cloudToDeviceMethod"] = method.json
    }
    object["failureReason"] = failureReason.map { .string($0) }
    object["deviceJobStatistics"] = statistics.json
    return object
  }

  /// The answer for a job that does not exist (contract §7.9).
  public static func unknown(_ id: String) -> JSONObject {
    ["jobId": .string(id), "type": "unknown", "status": "unknown"]
  }

  /// The text to keep it as: compact JSON.
  public var document: [UInt8] {
    var object = json
    object["runningSince"] = runningSince.map { .string($0.iso8601) }
    object["searchedUpTo"] = searchedUpTo.map { .string($0) }
    object["isSearched"] = .bool(isSearched)
    return JSON.bytes(.object(object))
  }

  /// Reads what `document` wrote; nil if it is something else.
  public init?(document: [UInt8]) {
    func time(_ value: JSONValue?) -> Timestamp? {
      value?.stringValue.flatMap { Timestamp(iso8601: $0) }
    }
    guard let json = try? JSON.parse(document, limits: .stored),
      let id = json["jobId"]?.stringValue,
      let request = try? ScheduledJobRequest(id: id, body: json),
      let created = time(json["createdTime"]), let start = time(json["startTime"]),
      let status = json["status"]?.stringValue.flatMap(JobStatus.init),
      let statistics = json["deviceJobStatistics"].flatMap(JobStatistics.init),
      let isSearched = json["isSearched"]?.boolValue
    else { return nil }
    self.init(request, createdTime: created, startTime: start, status: status)
    runningSince = time(json["runningSince"])
    endTime = time(json["endTime"])
    failureReason = json["failureReason"]?.stringValue
    self.statistics = statistics
    searchedUpTo = json["searchedUpTo"]?.stringValue
    self.isSearched = isSearched
  }
}

extension JobStatistics {
  fileprivate var json: JSONValue {
    [
      "deviceCount": .int(Int64(clamping: deviceCount)),
      "failedCount": .int(Int64(clamping: failedCount)),
      "succeededCount": .int(Int64(clamping: succeededCount)),
      "runningCount": .int(Int64(clamping: runningCount)),
      "pendingCount": .int(Int64(clamping: pendingCount)),
    ]
  }

  fileprivate init?(json: JSONValue) {
    func count(_ name: String) -> Int? { json[name]?.int64Value.map { Int(clamping: $0) } }
    guard let devices = count("deviceCount"), let failed = count("failedCount"),
      let succeeded = count("succeededCount"), let running = count("runningCount"),
      let pending = count("pendingCount")
    else { return nil }
    deviceCount = devices
    failedCount = failed
    succeededCount = succeeded
    runningCount = running
    pendingCount = pending
  }
}

extension DirectMethodRequest {
  /// The object that `init(json:)` reads.
  public var json: JSONValue {
    var object: JSONObject = ["methodName": .string(methodName)]
    object["payload"] = payload
    object["responseTimeoutInSeconds"] = .int(Int64(responseTimeoutSeconds))
    object["connectTimeoutInSeconds"] = .int(Int64(connectTimeoutSeconds))
    return .object(object)
  }
}

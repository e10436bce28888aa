public import JSONTree

/// How far a job, or a device's part in one, has come (contract §7.9).
public enum JobStatus: String, Sendable, CaseIterable {
  /// A device's part that has not begun.
  case pending
  /// Its time has not come.
  case scheduled
  /// Its time has come, but as many jobs run as may.
  case queued
  /// Under way.
  case running
  /// Over; some devices may have failed.
  case completed
  /// Over before all devices had their turn.
  case failed
  /// Ended by its owner.
  case cancelled

  /// Whether nothing follows.
  public var isFinal: Bool {
    switch self {
    case .completed, .failed, .cancelled: true
    case .pending, .scheduled, .queued, .running: false
    }
  }
}

/// What a scheduled job does to each device.
public enum JobTask: Equatable, Sendable {
  /// Patches tags and desired properties: the object as it was sent, which may name an ETag.
  case updateTwin(JSONObject)
  /// Invokes a direct method.
  case invokeMethod(DirectMethodRequest)

  /// The kinds by their names in JSON.
  public enum Kind: String, Sendable, CaseIterable {
    /// `updateTwin`.
    case scheduleUpdateTwin
    /// `cloudToDeviceMethod`.
    case scheduleDeviceMethod
  }

  /// Which of the two it is.
  public var kind: Kind {
    switch self {
    case .updateTwin: .scheduleUpdateTwin
    case .invokeMethod: .scheduleDeviceMethod
    }
  }
}

/// The devices of a job by how far they have come.
public struct JobStatistics: Equatable, Sendable {
  /// All that were found so far.
  public var deviceCount = 0
  /// Those that failed.
  public var failedCount = 0
  /// Those that are done.
  public var succeededCount = 0
  /// Those that are being asked.
  public var runningCount = 0
  /// Those that wait.
  public var pendingCount = 0

  /// Creates empty statistics.
  public init() {}
}

/// A wish to run a job, as a REST body states it.
public struct ScheduledJobRequest: Equatable, Sendable {
  /// Its ID, from the path.
  public var id: String
  /// What it does to each device.
  public var task: JobTask
  /// Which devices: `*` or a condition.
  public var queryCondition: String
  /// When it starts, nil for now.
  public var startTime: Timestamp?
  /// How long it may run, in seconds.
  public var maxExecutionSeconds: Int64

  /// The time that a job may run if none is given.
  public static let defaultExecutionSeconds: Int64 = 3600

  /// Creates a wish; nothing is checked.
  public init(
    id: String,
    task: JobTask,
    queryCondition: String,
    startTime: Timestamp? = nil,
    maxExecutionSeconds: Int64 = defaultExecutionSeconds
  ) {
    self.id = id
    self.task = task
    self.queryCondition = queryCondition
    self.startTime = startTime
    self.maxExecutionSeconds = maxExecutionSeconds
  }
}

/// A scheduled job, as the hub keeps it.
public struct ScheduledJob: Equatable, Sendable {
  /// Its ID.
  public var id: String
  /// What it does to each device.
  public var task: JobTask
  /// Which devices.
  public var queryCondition: String
  /// How long it may run, in seconds.
  public var maxExecutionSeconds: Int64
  /// When it was created.
  public var createdTime: Timestamp
  /// When it is to start.
  public var startTime: Timestamp
  /// When it began to run.
  public var runningSince: Timestamp?
  /// When it ended.
  public var endTime: Timestamp?
  /// How far it has come.
  public var status: JobStatus
  /// Why it failed.
  public var failureReason: String?
  /// The devices by how far they have come.
  public var statistics = JobStatistics()
  /// The last device that was looked at; what comes after it has yet to be.
  public var searchedUpTo: String?
  /// Whether all devices have been looked at.
  public var isSearched = false

  /// Creates a job that has not begun.
  public init(
    _ request: ScheduledJobRequest,
    createdTime: Timestamp,
    startTime: Timestamp,
    status: JobStatus
  ) {
    id = request.id
    task = request.task
    queryCondition = request.queryCondition
    maxExecutionSeconds = request.maxExecutionSeconds
    self.createdTime = createdTime
    self.startTime = startTime
    self.status = status
  }

  /// When it has to be over, nil before it runs.
  public var deadline: Timestamp? { runningSince?.adding(seconds: maxExecutionSeconds) }
}

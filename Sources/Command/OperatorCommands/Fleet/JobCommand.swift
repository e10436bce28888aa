import ArgumentParser
import HubContract
import JSONTree

/// `orrery job`: scheduled jobs.
struct JobCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "job",
    abstract: "Update twins or call methods of many devices, now or later.",
    discussion: """
      A job goes through all devices that a condition selects, once. What it shall keep true \
      afterwards is a matter of 'orrery configuration'.
      """,
    subcommands: [JobCreate.self, JobPlan.self, JobList.self, JobShow.self, JobCancel.self]
  )
}

/// The argument that names a job.
struct JobArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The job's ID.", valueName: "job"))
  var id: String

  /// Where it is.
  var path: [String] { ["jobs", "v2", id] }

  /// What messages call it.
  var subject: String { "job '\(id)'" }

  func validate() throws {
    guard JobID.isValid(id) else {
      throw ValidationError("a job ID has 1 to 64 lower-case letters, digits, - or '")
    }
  }
}

struct JobList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List jobs of the last 30 days, and those to come.",
    discussion: """
        orrery job list
        orrery job list --status running
        orrery job list --type twin -o json | jq -r '.[].jobId'
      """
  )

  @Option(help: "Only jobs of this type: twin or method.") var type: Kind?
  @Option(
    help:
      "Only jobs of this status: scheduled, queued, running, completed, failed or cancelled."
  )
  var status: String?
  @OptionGroup var hub: HubOptions

  /// The types of jobs as options.
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case twin
    case method

    var name: String {
      switch self {
      case .twin: JobTask.Kind.scheduleUpdateTwin.rawValue
      case .method: JobTask.Kind.scheduleDeviceMethod.rawValue
      }
    }
  }

  func validate() throws {
    guard let status else { return }
    guard JobStatus(rawValue: status) != nil else {
      throw ValidationError(
        "--status: one of \(JobStatus.allCases.map(\.rawValue).joined(separator: ", "))"
      )
    }
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let request = HubRequest(.get, ["jobs", "v2", "query"])
        .query("jobType", type?.name)
        .query("jobStatus", status)
      let jobs = try await Pages(client, request, subject: "the list of jobs", limit: nil)
        .all(progress: Progress("jobs")).rows
      printer.show(.array(jobs)) { $0.table(JobSheet.table(jobs), none: "There are no such jobs.") }
    }
  }
}

struct JobShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a job, and how far each device has come.",
    discussion: """
        orrery job show reboot-north
        orrery job show reboot-north --devices
        orrery job show reboot-north --devices --failed -o json
      """
  )

  @OptionGroup var target: JobArgument
  @Flag(help: "List the devices with their answers instead.") var devices = false
  @Flag(help: "Of the devices, only those that failed.") var failed = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let job = try await client.get(target.path, target.subject)
      guard job["status"] != "unknown" else {
        throw CommandFailure(
          .notFound,
          "there is no \(target.subject)",
          remedy: "'orrery job list' shows the jobs there are."
        )
      }
      guard devices || failed else {
        printer.show(job) { $0.facts(JobSheet.facts(job)) }
        return
      }
      let condition = failed ? " AND status = 'failed'" : ""
      // A quote in an ID is doubled in a text of the query language.
      let id = target.id.replacing("'", with: "''")
      let query = "SELECT * FROM devices.jobs WHERE jobId = '\(id)'\(condition)"
      let rows = try await Pages(client, query: query, limit: nil)
        .all(progress: Progress("devices")).rows
      printer.show(.array(rows)) {
        $0.table(JobSheet.devices(rows), none: "There are no such devices.")
      }
    }
  }
}

struct JobCancel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel",
    abstract: "End a job; what it has done stays done.",
    discussion: "  orrery job cancel reboot-north"
  )

  @OptionGroup var target: JobArgument
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      try Confirmation.ask("Cancel \(target.subject)?", isSure: yes)
      let request = HubRequest(.post, target.path + ["cancel"])
      let job = try await client.perform(request, target.subject).json()
      printer.show(job) { $0.line("Cancelled \(target.subject).") }
    }
  }
}

/// Shows jobs to people.
enum JobSheet {
  /// A list of jobs.
  static func table(_ jobs: [JSONValue]) -> Table {
    var table = Table(["JOB", "TYPE", "STATUS", "START", "DEVICES", "FAILED", "CONDITION"])
    for job in jobs {
      let counts = job["deviceJobStatistics"]
      table.append([
        Cell(job["jobId"]?.shown ?? "-", .strong), Cell(kind(job), .plain),
        Cell(job["status"]?.shown ?? "-"), Cell(ShownTime.text(job["startTime"]?.stringValue)),
        Cell(counts?["deviceCount"]?.shown ?? "-", .plain),
        Cell(counts?["failedCount"]?.shown ?? "-", .plain),
        Cell(job["queryCondition"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }

  /// All facts about one.
  static func facts(_ job: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("job", job["jobId"]?.stringValue)
    sheet.append("type", kind(job))
    sheet.append("status", job["status"]?.stringValue)
    sheet.append("failure", job["failureReason"]?.stringValue)
    sheet.append("condition", job["queryCondition"]?.stringValue)
    sheet.append("start", ShownTime.text(job["startTime"]?.stringValue))
    if let end = job["endTime"]?.stringValue { sheet.append("end", ShownTime.text(end)) }
    sheet.append("may take", job["maxExecutionTimeInSeconds"].map { "\($0.shown)s" })
    for (name, value) in job["updateTwin"]?.leaves() ?? [] {
      sheet.append(name, JSON.text(value), .plain)
    }
    if let method = job["cloudToDeviceMethod"] {
      sheet.append("method", method["methodName"]?.shown)
      sheet.append("payload", method["payload"].map { JSON.text($0) }, .plain)
    }
    let counts = job["deviceJobStatistics"]
    for (name, key) in [
      ("devices", "deviceCount"), ("succeeded", "succeededCount"), ("failed", "failedCount"),
      ("running", "runningCount"), ("pending", "pendingCount"),
    ] {
      sheet.append(name, counts?[key]?.shown)
    }
    return sheet
  }

  /// The devices of a job.
  static func devices(_ rows: [JSONValue]) -> Table {
    var table = Table(["DEVICE", "STATUS", "END", "OUTCOME"])
    for row in rows {
      let answer = row[path: ["outcome", "deviceMethodResponse"]]
      let outcome =
        answer.map { "\($0["status"]?.shown ?? "-") \(JSON.text($0["payload"] ?? .null))" }
        ?? row[path: ["error", "description"]]?.stringValue ?? "-"
      table.append([
        Cell(row["deviceId"]?.shown ?? "-", .strong), Cell(row["status"]?.shown ?? "-"),
        Cell(row["endTimeUtc"].map { ShownTime.text($0.stringValue) } ?? "-"),
        Cell(outcome, .plain),
      ])
    }
    return table
  }

  private static func kind(_ job: JSONValue) -> String {
    switch job["type"]?.stringValue {
    case JobTask.Kind.scheduleUpdateTwin.rawValue: "twin"
    case JobTask.Kind.scheduleDeviceMethod.rawValue: "method"
    case let other: other ?? "-"
    }
  }
}

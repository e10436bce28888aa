import ArgumentParser
import HubContract
import JSONTree

/// What a job shall do, as options.
struct JobOptions: ParsableArguments {
  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Which devices: * or a condition, as in queries.", valueName: "condition")
  )
  var condition: String

  @Option(help: ArgumentHelp("Tags to merge: JSON, @FILE or -.", valueName: "json"))
  var tags: String?

  @Option(help: ArgumentHelp("Desired properties to merge: JSON, @FILE or -.", valueName: "json"))
  var desired: String?

  @Option(help: ArgumentHelp("A direct method to call instead.", valueName: "name"))
  var method: String?

  @Option(help: ArgumentHelp("What the method gets: JSON, @FILE or -.", valueName: "json"))
  var payload: String?

  @Option(help: "How long each device may take to answer, 5s to 300s.")
  var responseTimeout = TimeSpan(seconds: 30)

  @Option(help: "How long to wait for each device that is not connected.")
  var connectTimeout = TimeSpan(seconds: 0)

  @Option(
    help: ArgumentHelp(
      "When: in so long (10m) or at a time (2026-01-02T03:04:05Z), at most 7 days ahead.",
      valueName: "time"
    )
  )
  var start: String?

  @Option(help: "How long the whole job may take; what is left then fails.")
  var maxTime = TimeSpan(seconds: 3600)

  func validate() throws {
    let isUpdate = tags != nil || desired != nil
    guard isUpdate != (method != nil) else {
      throw ValidationError("give either --tags and --desired, or --method")
    }
    guard payload == nil || method != nil else {
      throw ValidationError("--payload belongs to --method")
    }
    guard (5...300).contains(responseTimeout.seconds) else {
      throw ValidationError("--response-timeout must be 5s to 300s")
    }
    guard connectTimeout.seconds <= responseTimeout.seconds else {
      throw ValidationError(
        "--connect-timeout is a part of --response-timeout, which must be as long at least"
      )
    }
    guard maxTime.seconds >= 1 else { throw ValidationError("--max-time must be 1s at least") }
    if let start, TimeSpan(argument: start) == nil, Timestamp(iso8601: start) == nil {
      throw ValidationError("--start: neither a length of time such as 10m nor a time")
    }
  }

  /// The body of the request.
  func body(now: Timestamp) throws -> JSONValue {
    var body: JSONObject = [
      "queryCondition": .string(condition), "maxExecutionTimeInSeconds": .int(maxTime.seconds),
    ]
    if let method {
      var call: JSONObject = [
        "methodName": .string(method),
        "responseTimeoutInSeconds": .int(responseTimeout.seconds),
        "connectTimeoutInSeconds": .int(connectTimeout.seconds),
      ]
      if let payload { call["payload"] = try InputText.json(payload, option: "--payload") }
      body["type"] = .string(JobTask.Kind.scheduleDeviceMethod.rawValue)
      body["cloudToDeviceMethod"] = .object(call)
    } else {
      var twin: JSONObject = ["etag": "*"]
      if let tags { twin["tags"] = try InputText.object(tags, option: "--tags") }
      if let desired {
        twin["properties"] = ["desired": try InputText.object(desired, option: "--desired")]
      }
      body["type"] = .string(JobTask.Kind.scheduleUpdateTwin.rawValue)
      body["updateTwin"] = .object(twin)
    }
    if let start {
      let time =
        TimeSpan(argument: start).map { now.adding(milliseconds: $0.milliseconds) }
        ?? Timestamp(iso8601: start)
      body["startTime"] = time.map { .string($0.iso8601) }
    }
    return .object(body)
  }
}

struct JobCreate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Create a job; shows what it would do before it asks.",
    discussion: """
      A twin update happens once to each device. A method is called at least once; a device that is \
      not there in time fails, and the job goes on.

        orrery job create faster --where 'tags.line = 7' --desired '{"interval":5}'
        orrery job create reboot --where '*' --method reboot --connect-timeout 30s
        orrery job create tonight --where '*' --tags '{"wave":2}' --start 6h --yes
      """
  )

  @OptionGroup var target: JobArgument
  @OptionGroup var options: JobOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not show a plan, and do not ask.")
  var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let body = try options.body(now: Console.current.now())
    try await hub.withHub { client, printer in
      if !yes {
        let plan = try await JobPlan.plan(client, target, body)
        printer.preview(JobPlan.summary(plan, body), plan)
        try Confirmation.ask("Create \(target.subject)?", isSure: false)
      }
      let request = HubRequest(.put, target.path).body(body)
      let job = try await client.perform(request, target.subject).json()
      printer.show(job) { printer in
        printer.line(
          "Created \(target.subject), which is \(job["status"]?.shown ?? "-"); "
            + "'orrery job show \(target.id)' tells how far it is."
        )
      }
    }
  }
}

struct JobPlan: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "List the devices that a job would reach now, and what it would change.",
    discussion: """
      Takes the options of 'orrery job create' and changes nothing.

        orrery job plan faster --where 'tags.line = 7' --desired '{"interval":5}'
      """
  )

  @OptionGroup var target: JobArgument
  @OptionGroup var options: JobOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let body = try options.body(now: Console.current.now())
    try await hub.withHub { client, printer in
      let plan = try await Self.plan(client, target, body)
      printer.show(plan) { printer in
        printer.line(Self.summary(plan, body))
        printer.table(PlanSheet.table(plan), none: "Nothing would change.")
      }
    }
  }

  /// Asks for the whole plan.
  static func plan(
    _ client: HubClient,
    _ target: JobArgument,
    _ body: JSONValue
  ) async throws -> JSONValue {
    let request = HubRequest(.post, target.path + ["plan"]).body(body)
    return try await PlanPages.all(client, request, "the plan of \(target.subject)")
  }

  /// What the plan says in one sentence.
  static func summary(_ plan: JSONValue, _ body: JSONValue) -> String {
    let changes = plan["changes"]?.arrayValue ?? []
    let count = PlanSheet.counted(Int64(changes.count), "device")
    if let method = body[path: ["cloudToDeviceMethod", "methodName"]]?.stringValue {
      let connected = changes.count { $0["connectionState"] == "Connected" }
      return "It would call '\(method)' on \(count), of which \(connected) are connected now."
    }
    let same = changes.count {
      $0["tags"] == nil && $0["desired"] == nil && $0["refusal"] == nil
    }
    return "It would update \(count); \(same) of them have these values already."
  }
}

import ArgumentParser
import HubContract
import JSONTree

/// What a configuration shall be, as an argument and options.
struct ConfigurationOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "JSON, @FILE or -: a whole configuration, or its content alone. Without it, the existing one.",
      valueName: "json"
    )
  )
  var definition: String?

  @Option(
    help: ArgumentHelp(
      "For which devices: * for all, '' for none, or a condition; FROM devices.modules WHERE … for modules.",
      valueName: "condition"
    )
  )
  var target: String?

  @Option(
    help: ArgumentHelp("Where several set a property, the highest wins.", valueName: "number")
  )
  var priority: Int?

  @Option(
    help: ArgumentHelp("A metric to count: NAME=QUERY; again for more.", valueName: "name=query")
  )
  var metric: [NamedValue] = []

  @Option(help: ArgumentHelp("A label: NAME=VALUE; again for more.", valueName: "name=value"))
  var label: [NamedValue] = []

  func validate() throws {
    if let priority, !(0...Int(Int32.max)).contains(priority) {
      throw ValidationError("--priority must be 0 to \(Int32.max)")
    }
  }

  /// The body of the request; what neither argument nor options say is as in `existing`.
  func body(id: String, existing: JSONValue?) throws -> JSONValue {
    var body: JSONObject = existing?.objectValue ?? [:]
    if let definition {
      let given = try InputText.object(definition, option: "the configuration").objectValue ?? [:]
      let isContent = ConfigurationContent.Kind.allCases.contains { given.contains($0.rawValue) }
      if isContent {
        body["content"] = .object(given)
      } else {
        for (name, value) in given { body[name] = value }
      }
    }
    guard body.contains("content") else {
      throw CommandFailure(
        .usage,
        "there is no configuration '\(id)' yet, so its content must be given",
        remedy: "Such as '{\"deviceContent\":{\"properties.desired.interval\":5}}', or @FILE."
      )
    }
    body["id"] = .string(id)
    if let target { body["targetCondition"] = .string(target) }
    if let priority { body["priority"] = .int(Int64(priority)) }
    if !metric.isEmpty {
      var queries = body["metrics"]?["queries"]?.objectValue ?? [:]
      for metric in metric { queries[metric.name] = .string(metric.value) }
      body["metrics"] = ["queries": .object(queries)]
    }
    if !label.isEmpty {
      var labels = body["labels"]?.objectValue ?? [:]
      for label in label { labels[label.name] = .string(label.value) }
      body["labels"] = .object(labels)
    }
    return .object(body)
  }
}

struct ConfigurationApply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Create a configuration or change it; shows what would change before it asks.",
    discussion: """
      The content of a configuration never changes: to change values, make a new one of a higher \
      priority, and delete the old one when the new one is applied.

        orrery configuration apply intervals --target 'tags.line = 7' --priority 10 \\
          '{"deviceContent":{"properties.desired.interval":5}}'
        orrery configuration apply intervals --target '*'
        orrery configuration apply line-7 @deployment.json --target 'tags.line = 7'
      """
  )

  @OptionGroup var target: ConfigurationArgument
  @OptionGroup var options: ConfigurationOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not show a plan, and do not ask.")
  var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let existing = try await target.read(client)
      let body = try options.body(id: target.id, existing: existing)
      if !yes {
        let plan = try await target.plan(client, body)
        printer.preview(PlanSheet.summary(plan), plan)
        try Confirmation.ask(
          existing == nil ? "Create \(target.subject)?" : "Change \(target.subject)?",
          isSure: false
        )
      }
      // What was shown is what is changed: not what somebody else has made of it meanwhile.
      let request = HubRequest(.put, target.path).body(body)
        .ifMatch(existing?["etag"]?.stringValue)
      let response = try await client.perform(request, target.subject)
      let configuration = try response.json()
      if response.header("x-orrery-warning") != nil {
        printer.console.remark(
          "The content of \(target.subject) stays as it was: content never changes. Make a new "
            + "configuration of a higher priority."
        )
      }
      printer.show(configuration) { printer in
        printer.line("\(existing == nil ? "Created" : "Changed") \(target.subject).")
      }
    }
  }
}

/// A configuration and what would be made of it, as arguments and options.
struct ConfigurationChange: ParsableArguments {
  @OptionGroup var target: ConfigurationArgument
  @OptionGroup var options: ConfigurationOptions
  @Flag(help: "Take its deletion for the change.") var delete = false

  /// What it would be; nil for its deletion.
  func body(_ client: HubClient) async throws -> JSONValue? {
    guard !delete else { return nil }
    let existing = try await target.read(client)
    return try options.body(id: target.id, existing: existing)
  }
}

struct ConfigurationPlan: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "List the twins that a configuration would change, and how.",
    discussion: """
      Takes what 'orrery configuration apply' takes and changes nothing.

        orrery configuration plan intervals --target '*'
        orrery configuration plan intervals --delete
        orrery configuration plan line-7 @deployment.json -o json | jq .changes
      """
  )

  @OptionGroup var change: ConfigurationChange
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let body = try await change.body(client)
      let plan = try await change.target.plan(client, body)
      printer.show(plan) { printer in
        printer.line(PlanSheet.summary(plan))
        printer.table(PlanSheet.table(plan), none: "Nothing would change.")
      }
    }
  }
}

import ArgumentParser
import HubContract
import JSONTree

/// `orrery configuration`: configurations and edge deployments.
struct ConfigurationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "configuration",
    abstract: "Keep desired properties of many twins as you say, and deploy to edge devices.",
    discussion: """
      A configuration names values and the devices or modules that shall have them. The hub applies \
      it wherever its condition holds, also to devices that come later, and takes it back where it \
      holds no longer. Where several set the same property, the highest priority wins.
      """,
    subcommands: [
      ConfigurationApply.self, ConfigurationPlan.self, ConfigurationList.self,
      ConfigurationShow.self, ConfigurationDelete.self,
    ]
  )
}

/// The argument that names a configuration.
struct ConfigurationArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The configuration's ID.", valueName: "configuration"))
  var id: String

  /// Where it is.
  var path: [String] { ["configurations", id] }

  /// What messages call it.
  var subject: String { "configuration '\(id)'" }

  func validate() throws {
    guard ConfigurationID.isValid(id) else {
      throw ValidationError(
        "a configuration ID has 1 to 128 lower-case letters, digits or characters of - + % _ * ! '"
      )
    }
  }

  /// The configuration, nil if there is none.
  func read(_ client: HubClient) async throws -> JSONValue? {
    let response = try await client.send(HubRequest(.get, path))
    if response.status == 404 { return nil }
    guard response.isSuccess else { throw HubRefusal.failure(response, subject: subject) }
    return try response.json()
  }

  /// Asks for the whole plan of a change, or of the deletion where there is no body.
  func plan(_ client: HubClient, _ body: JSONValue?) async throws -> JSONValue {
    var request = HubRequest(.post, path + ["plan"])
    request = body.map { request.body($0) } ?? request.query("operation", "delete")
    return try await PlanPages.all(client, request, "the plan of \(subject)")
  }
}

struct ConfigurationList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List configurations, and to how many twins they are applied.",
    discussion: """
        orrery configuration list
        orrery configuration list -o json | jq -r '.[] | select(.priority > 5) | .id'
      """
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let all =
        try await client.get(["configurations"], "the list of configurations").arrayValue ?? []
      printer.show(.array(all)) { printer in
        var table = Table(["CONFIGURATION", "FOR", "PRIORITY", "TARGETED", "APPLIED", "CONDITION"])
        for configuration in all {
          let results = configuration[path: ["systemMetrics", "results"]]
          table.append([
            Cell(configuration["id"]?.shown ?? "-", .strong),
            Cell(ConfigurationSheet.kind(configuration), .plain),
            Cell(configuration["priority"]?.shown ?? "-", .plain),
            Cell(results?["targetedCount"]?.shown ?? "-", .plain),
            Cell(results?["appliedCount"]?.shown ?? "-", .plain),
            Cell(configuration["targetCondition"]?.shown ?? "-", .plain),
          ])
        }
        printer.table(
          table,
          none: "There are no configurations; 'orrery configuration apply' makes one."
        )
      }
    }
  }
}

struct ConfigurationShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a configuration with its metrics.",
    discussion: """
      As JSON it can be saved, changed and given to 'orrery configuration apply' again.

        orrery configuration show intervals
        orrery configuration show intervals -o json > intervals.json
      """
  )

  @OptionGroup var target: ConfigurationArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let configuration = try await client.get(target.path, target.subject)
      printer.show(configuration) { $0.facts(ConfigurationSheet.facts(configuration)) }
    }
  }
}

struct ConfigurationDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete a configuration; the values that it has set stay.",
    discussion: """
      To take its values back first, give it an empty condition: \
      orrery configuration apply ID --target ''. Others that set the same properties apply then.

        orrery configuration delete intervals
      """
  )

  @OptionGroup var target: ConfigurationArgument
  @Flag(name: [.long, .customShort("y")], help: "Do not show a plan, and do not ask.")
  var yes = false
  @Option(help: ArgumentHelp("Only if it still has this ETag.", valueName: "etag"))
  var etag: String?
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      if !yes {
        let plan = try await target.plan(client, nil)
        printer.preview(PlanSheet.summary(plan), plan)
        try Confirmation.ask("Delete \(target.subject)?", isSure: false)
      }
      let request = HubRequest(.delete, target.path).ifMatch(etag ?? "*")
      try await client.perform(request, target.subject)
      printer.done("Deleted \(target.subject).")
    }
  }
}

/// Shows configurations to people.
enum ConfigurationSheet {
  /// All facts about one.
  static func facts(_ configuration: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("configuration", configuration["id"]?.stringValue)
    sheet.append("for", kind(configuration))
    sheet.append("condition", configuration["targetCondition"]?.stringValue)
    sheet.append("priority", configuration["priority"]?.shown)
    sheet.append("created", ShownTime.text(configuration["createdTimeUtc"]?.stringValue))
    sheet.append("changed", ShownTime.text(configuration["lastUpdatedTimeUtc"]?.stringValue))
    sheet.append("etag", configuration["etag"]?.stringValue)
    for (name, label) in configuration["labels"]?.objectValue ?? [:] {
      sheet.append("label \(name)", label.shown, .plain)
    }
    for (_, content) in configuration["content"]?.objectValue ?? [:] {
      for (path, value) in content.objectValue ?? [:] {
        sheet.append(path, JSON.text(value), .plain)
      }
    }
    for section in ["systemMetrics", "metrics"] {
      for (name, count) in configuration[path: [section, "results"]]?.objectValue ?? [:] {
        sheet.append(name, count.shown, .plain)
      }
    }
    return sheet
  }

  /// Which twins it is for.
  static func kind(_ configuration: JSONValue) -> String {
    switch configuration["content"]?.objectValue?.keys.first {
    case ConfigurationContent.Kind.device.rawValue: "devices"
    case ConfigurationContent.Kind.module.rawValue: "modules"
    case ConfigurationContent.Kind.edge.rawValue: "edge"
    default: "-"
    }
  }
}

import ArgumentParser
import JSONTree

/// `orrery twin`: what the hub and a device agree on.
struct TwinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "twin",
    abstract: "Read twins, change tags and desired properties.",
    discussion: """
      Desired properties say how a device should be, reported ones how it says it is; tags are for \
      you, the device does not see them.
      """,
    subcommands: [TwinShow.self, TwinUpdate.self]
  )
}

/// The arguments that name a twin's owner.
struct TwinArguments: ParsableArguments {
  @Argument(help: ArgumentHelp("The device's ID.", valueName: "device"))
  var device: String

  @Option(help: ArgumentHelp("The twin of this module of the device.", valueName: "module"))
  var module: String?

  func validate() throws {
    try IdentityName.check(device: device)
    if let module { try IdentityName.check(module: module) }
  }

  /// Where it is.
  var path: IdentityPath { IdentityPath(device, module) }
}

struct TwinShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a twin.",
    discussion: """
        orrery twin show thermostat-1
        orrery twin show thermostat-1 -o json | jq .properties.reported
      """
  )

  @OptionGroup var target: TwinArguments
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let twin = try await client.get(target.path.twin, of: target.path)
      printer.show(twin) { $0.facts(TwinSheet.facts(twin)) }
    }
  }
}

struct TwinUpdate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update",
    abstract: "Change tags or desired properties.",
    discussion: """
      What you give is merged into what is there, and null deletes; with --replace it takes its \
      place, and what you do not give is emptied. A connected device hears of it at once.

        orrery twin update thermostat-1 --desired '{"telemetryInterval":10}'
        orrery twin update thermostat-1 --tags '{"site":"north","floor":null}'
        orrery twin update thermostat-1 --desired @desired.json --replace
        orrery twin update thermostat-1 '{"tags":{"site":"north"}}'
      """
  )

  @OptionGroup var target: TwinArguments

  @Argument(
    help: ArgumentHelp(
      "A part of a twin, with tags and properties.desired: JSON, @FILE or - (the input).",
      valueName: "patch"
    )
  )
  var patch: String?

  @Option(
    help: ArgumentHelp("Desired properties: JSON, @FILE or - (the input).", valueName: "json")
  )
  var desired: String?

  @Option(help: ArgumentHelp("Tags: JSON, @FILE or - (the input).", valueName: "json"))
  var tags: String?

  @Flag(help: "Replace tags and desired properties instead of merging.")
  var replace = false

  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard patch != nil || desired != nil || tags != nil else {
      throw ValidationError("say what to change: --desired, --tags, or a part of a twin")
    }
    if patch != nil, desired != nil || tags != nil {
      throw ValidationError("give a part of a twin or --desired and --tags, not both")
    }
  }

  func run() async throws {
    let body = try body()
    try await hub.withHub { client, printer in
      let request = HubRequest(replace ? .put : .patch, target.path.twin)
        .body(body)
        .ifMatch(condition.etag)
      let twin = try await client.perform(request, of: target.path).json()
      printer.show(twin) { $0.facts(TwinSheet.facts(twin)) }
    }
  }

  private func body() throws(CommandFailure) -> JSONValue {
    if let patch { return try InputText.object(patch, option: "the part of a twin") }
    var body: JSONObject = [:]
    if let tags { body["tags"] = try InputText.object(tags, option: "--tags") }
    if let desired {
      body["properties"] = ["desired": try InputText.object(desired, option: "--desired")]
    }
    return .object(body)
  }
}

/// Shows twins to people.
enum TwinSheet {
  /// State first, then each section's values by their dotted names.
  static func facts(_ twin: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    func text(_ name: String) -> String? { twin[name]?.stringValue }
    sheet.append("device", text("deviceId"))
    sheet.append("module", text("moduleId"))
    sheet.append("model", text("modelId"))
    sheet.append("status", text("status"))
    sheet.append("connection", text("connectionState"))
    sheet.append("last activity", text("lastActivityTime").map(ShownTime.text))
    sheet.append("version", twin["version"]?.shown)
    sheet.append("etag", text("etag"))
    section("tags", twin["tags"], &sheet)
    section("desired", twin[path: ["properties", "desired"]], &sheet)
    section("reported", twin[path: ["properties", "reported"]], &sheet)
    return sheet
  }

  private static func section(_ name: String, _ value: JSONValue?, _ sheet: inout FactSheet) {
    for leaf in value?.leaves() ?? [] {
      sheet.append("\(name).\(Cell.visible(leaf.name))", leaf.value.shown, .plain)
    }
  }
}

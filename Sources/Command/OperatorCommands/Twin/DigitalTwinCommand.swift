import ArgumentParser
import JSONTree

/// `orrery digital-twin`: devices as their models describe them.
struct DigitalTwinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digital-twin",
    abstract: "Work with devices by the properties, components and commands of their models.",
    discussion: """
      A digital twin is the device twin seen through the model that the device announced: one value \
      for each property, with what is desired of it beside it.
      """,
    subcommands: [DigitalTwinShow.self, DigitalTwinUpdate.self, DigitalTwinInvoke.self]
  )
}

/// The argument that names a digital twin.
struct DigitalTwinArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The device's ID.", valueName: "device"))
  var device: String

  func validate() throws { try IdentityName.check(device: device) }

  /// What messages call it.
  var identity: IdentityPath { IdentityPath(device) }

  /// Where it is.
  var path: [String] { ["digitaltwins", device] }

  /// Reads and prints it.
  func show(_ client: HubClient, _ printer: Printer) async throws {
    let twin = try await client.get(path, of: identity)
    printer.show(twin) { $0.facts(DigitalTwinSheet.facts(twin)) }
  }
}

struct DigitalTwinShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a digital twin.",
    discussion: """
        orrery digital-twin show thermostat-1
        orrery digital-twin show boiler-1 -o json | jq .thermostat1
      """
  )

  @OptionGroup var target: DigitalTwinArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in try await target.show(client, printer) }
  }
}

struct DigitalTwinUpdate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update",
    abstract: "Say what is desired of properties and components.",
    discussion: """
      The patch is a JSON Patch of add, replace and remove. A component that is set as a whole has \
      an empty object $metadata among its properties, and what was desired besides goes.

        orrery digital-twin update thermostat-1 \\
          '[{"op":"add","path":"/targetTemperature","value":21.5}]'
        orrery digital-twin update boiler-1 \\
          '[{"op":"remove","path":"/thermostat1/targetTemperature"}]'
        orrery digital-twin update boiler-1 @patch.json --etag AAAAAAAAAAE=
      """
  )

  @OptionGroup var target: DigitalTwinArgument

  @Argument(
    help: ArgumentHelp("The JSON Patch: JSON, @FILE or - (the input).", valueName: "patch")
  )
  var patch: String

  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let request = HubRequest(.patch, target.path)
      .body(try InputText.json(patch, option: "the patch"))
      .ifMatch(condition.etag)
    try await hub.withHub { client, printer in
      try await client.perform(request, of: target.identity)
      try await target.show(client, printer)
    }
  }
}

struct DigitalTwinInvoke: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invoke",
    abstract: "Invoke a command and print its answer.",
    discussion: """
      A device that is not connected is an error (exit status 6) unless you wait for it with \
      --connect-timeout; one that does not answer in time ends with 7.

        orrery digital-twin invoke thermostat-1 getMaxMinReport \\
          --payload '"2025-01-01T00:00:00Z"'
        orrery digital-twin invoke boiler-1 getMaxMinReport --component thermostat1
      """
  )

  @OptionGroup var target: DigitalTwinArgument

  @Argument(help: ArgumentHelp("The command's name.", valueName: "command"))
  var command: String

  @Option(help: ArgumentHelp("A command of this component.", valueName: "component"))
  var component: String?

  @OptionGroup var call: CallOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let place = target.path + (component.map { ["components", $0] } ?? []) + ["commands", command]
    var request = HubRequest(.post, place)
      .query("responseTimeoutInSeconds", String(call.responseTimeout.seconds))
      .query("connectTimeoutInSeconds", String(call.connectTimeout.seconds))
      .timeout(seconds: call.waitSeconds)
    if let payload = try call.json() { request = request.body(payload) }
    try await hub.withHub { [request] client, printer in
      let response = try await client.perform(
        request,
        of: target.identity,
        "command '\(command)'"
      )
      let status = response.header("x-ms-command-statuscode").flatMap { Int64($0) } ?? 0
      let answer: JSONValue = ["status": .int(status), "payload": try response.json()]
      try call.show(answer, of: target.identity, by: printer)
    }
  }
}

/// Shows digital twins to people.
enum DigitalTwinSheet {
  /// The model, then each property's value, and what is desired where it is another.
  static func facts(_ twin: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("device", twin["$dtId"]?.stringValue)
    sheet.append("model", twin[path: ["$metadata", "$model"]]?.stringValue)
    level(twin, "", &sheet)
    return sheet
  }

  private static func level(_ level: JSONValue, _ prefix: String, _ sheet: inout FactSheet) {
    for (name, value) in level.objectValue ?? [:] where !name.hasPrefix("$") {
      if value["$metadata"] != nil {
        self.level(value, prefix + name + ".", &sheet)
      } else {
        sheet.append(Cell.visible(prefix + name), value.shown, .plain)
      }
    }
    for (name, facts) in level["$metadata"]?.objectValue ?? [:] {
      guard let wanted = facts["desiredValue"], wanted != level[name] else { continue }
      sheet.append(Cell.visible(prefix + name) + " (desired)", wanted.shown, .plain)
    }
  }
}

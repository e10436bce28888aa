import ArgumentParser
import HubContract
import JSONTree

struct RoutingTest: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Try routes on a message that you make up.",
    discussion: """
      Without --route and --condition it shows the saved routes that the message would take. One \
      route or condition is true, false, or undefined where something is missing or of another \
      type. Nothing is sent. Without a content type the body counts as JSON.

        orrery routing test --body '{"temperature":31}' -p level=hot
        orrery routing test --route hot --body @message.json --fail
        orrery routing test --condition '$body.t > 30' --body '{"t":31}'
      """
  )

  @Option(help: ArgumentHelp("Try this saved route alone.", valueName: "name"))
  var route: String?

  @Option(
    help: ArgumentHelp("Try this condition, which need not be saved.", valueName: "condition")
  )
  var condition: String?

  @Option(
    help: ArgumentHelp(
      "Kind of message that the routes are for, such as DeviceMessages.",
      valueName: "source"
    ),
    completion: .list(EventSource.allCases.map(\.routeName))
  )
  var source: String?

  @Option(help: ArgumentHelp("The body: text, @FILE or - (the input).", valueName: "body"))
  var body: String?

  @Option(
    name: [.long, .customShort("p")],
    help: ArgumentHelp("An application property; give it again for more.", valueName: "name=value")
  )
  var property: [NamedValue] = []

  @Option(
    help: ArgumentHelp(
      "A system property, such as contentType=text/plain; give it again for more.",
      valueName: "name=value"
    )
  )
  var system: [NamedValue] = []

  @Option(
    help: ArgumentHelp("Twin of the sender: JSON, @FILE or - (the input).", valueName: "json")
  )
  var twin: String?

  @Flag(help: "Exit with 1 unless the route or condition is true.") var fail = false
  @OptionGroup var hub: HubOptions

  func validate() throws {
    if route != nil, condition != nil {
      throw ValidationError("give --route or --condition, not both")
    }
    if route != nil, source != nil {
      throw ValidationError("a saved route has its source; --source goes with --condition or alone")
    }
    if fail, route == nil, condition == nil {
      throw ValidationError("--fail goes with --route or --condition")
    }
    if let source, EventSource(routeName: source) == nil {
      let names = EventSource.allCases.map(\.routeName).joined(separator: ", ")
      throw ValidationError("--source is one of \(names)")
    }
  }

  func run() async throws {
    let message = try message()
    try await hub.withHub { client, printer in
      if let condition {
        let route: JSONValue = [
          "name": "tried", "source": .string(source ?? EventSource.telemetry.routeName),
          "condition": .string(condition), "endpointNames": ["events"],
        ]
        return try await tryOne(route, "--condition", message, client, printer)
      }
      if let name = route {
        let route = try await saved(name, client)
        return try await tryOne(route, "route '\(name)'", message, client, printer)
      }
      var body = message
      if let source { body["routingSource"] = .string(source) }
      let request = HubRequest(.post, RoutingCommand.path + ["routes", "$testall"])
        .body(.object(body))
      let answer = try await client.perform(request, "the message").json()
      let routes = answer["routes"]?.arrayValue ?? []
      printer.show(answer) {
        $0.table(RoutingSheet.matches(routes), none: "The message would take no route.")
      }
    }
  }

  /// What the message is, as the hub's calls that try routes take it.
  private func message() throws(CommandFailure) -> JSONObject {
    var message: JSONObject = [:]
    if let body {
      message["body"] = .string(String(decoding: try InputText.bytes(body), as: UTF8.self))
    }
    func texts(_ values: [NamedValue]) -> JSONValue {
      var texts: JSONObject = [:]
      for value in values { texts[value.name] = .string(value.value) }
      return .object(texts)
    }
    if !property.isEmpty { message["appProperties"] = texts(property) }
    if !system.isEmpty { message["systemProperties"] = texts(system) }
    var whole: JSONObject = ["message": .object(message)]
    if let twin { whole["twin"] = try InputText.object(twin, option: "--twin") }
    return whole
  }

  private func saved(_ name: String, _ client: HubClient) async throws -> JSONValue {
    let routing = try await client.get(RoutingCommand.path, RoutingCommand.subject)
    let routes = routing["routes"]?.arrayValue ?? []
    let wanted = name.lowercased()
    guard let route = routes.first(where: { $0["name"]?.stringValue?.lowercased() == wanted })
    else {
      let names = routes.compactMap { $0["name"]?.stringValue }
      throw CommandFailure(
        .notFound,
        "there is no route '\(name)'",
        remedy: names.isEmpty
          ? "No routes are saved." : "The saved ones: \(names.joined(separator: ", "))."
      )
    }
    return route
  }

  private func tryOne(
    _ route: JSONValue,
    _ subject: String,
    _ message: JSONObject,
    _ client: HubClient,
    _ printer: Printer
  ) async throws {
    var body = message
    body["route"] = route
    let request = HubRequest(.post, RoutingCommand.path + ["routes", "$testnew"])
      .body(.object(body))
    let answer = try await client.perform(request, subject).json()
    let errors = answer[path: ["details", "compilationErrors"]]?.arrayValue ?? []
    if let error = errors.first {
      throw CommandFailure(
        .failure,
        "\(subject): \(error["message"]?.shown ?? "-")".withoutFullStop
      )
    }
    let result = answer["result"]?.shown ?? "-"
    printer.show(answer) { printer in
      var sheet = FactSheet()
      sheet.append("result", result, result == "true" ? .good : .warning)
      printer.facts(sheet)
    }
    guard fail, result != "true" else { return }
    throw CommandFailure(.failure, "\(subject): the message does not take it")
  }
}

import ArgumentParser
import EdgeEngine
import JSONTree

/// `orrery routes test`, and `orrery-edge routes test`.
struct RoutesTest: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Try a message on the routes of a manifest, and say why it goes where it goes.",
    discussion: """
      Each route says whether its source matches, what each part of its condition comes to, and \
      whether a route before it has the message already. Nothing is sent.

        orrery routes test --manifest deployment.json --message \\
          '{"source":"/messages/modules/m/outputs/o",
            "properties":{"level":"5"}}'
        orrery routes test --manifest @routes.json --message @message.json -o json

      A message has source (/messages for a leaf device, /messages/modules/<m>[/outputs/<o>] or \
      /twinChangeNotifications), properties, systemProperties, body or bodyText, contentType and \
      contentEncoding. Conditions ask a body only if these two are application/json and utf-8.
      """
  )

  @Option(
    name: [.customLong("manifest"), .customLong("config")],
    help: ArgumentHelp(
      "The manifest: a file or - (the input); what is desired of $edgeHub alone will do.",
      valueName: "file"
    ),
    completion: .file(extensions: ["json"])
  )
  var manifest: String

  @Option(help: ArgumentHelp("The message: JSON, @FILE or - (the input).", valueName: "json"))
  var message = "{}"

  @Option(help: "lenient, or contract, which refuses what only Orrery understands.")
  var profile = "lenient"

  @Flag(help: "Show each part of a condition for routes that were taken, too.") var verbose = false

  @Flag(help: "Exit with 1 if the message goes nowhere.") var fail = false

  @Option(name: .shortAndLong, help: "table or json.")
  var output: OutputFormat?

  func run() throws {
    let file = manifest == "-" || manifest.hasPrefix("@") ? manifest : "@" + manifest
    let question: JSONValue = [
      "op": "test", "profile": .string(profile),
      "desired": Self.desired(try InputText.object(file, option: "--manifest")),
      "message": try InputText.object(message, option: "--message"),
    ]
    let answer = (try? JSON.parse(RouteQuestion.answer(JSON.bytes(question).span))) ?? .null
    if let problem = answer["error"]?["message"]?.stringValue {
      // What is wrong with the routes is wrong in the file; what is wrong with the message says so.
      let place = answer["accept"] == false ? InputText.place(of: file).map { "\($0): " } ?? "" : ""
      throw CommandFailure(.usage, place + problem.withoutFullStop)
    }
    Printer(output).show(answer) { show(answer, $0) }
    guard fail, answer["deliveries"]?.arrayValue?.isEmpty == true else { return }
    throw CommandFailure(.failure, "the message goes nowhere")
  }

  /// What is desired of `$edgeHub`, wherever a file has it.
  static func desired(_ file: JSONValue) -> JSONValue {
    let modules = file["modulesContent"] ?? file["content"]?["modulesContent"]
    return modules?["$edgeHub"]?["properties.desired"] ?? file["properties.desired"] ?? file
  }

  private func show(_ answer: JSONValue, _ printer: Printer) {
    let deliveries = answer["deliveries"]?.arrayValue ?? []
    if deliveries.isEmpty {
      printer.line("The message goes nowhere: it is dropped, and counted.")
    } else {
      var table = Table(["TO", "BY ROUTE", "PRIORITY", "SECONDS TO LIVE"])
      for delivery in deliveries {
        table.append(
          ["to", "route", "priority", "timeToLiveSecs"].map { Cell(delivery[$0]?.shown ?? "-") }
        )
      }
      printer.table(table, none: "")
    }
    for route in answer["routes"]?.arrayValue ?? [] {
      let isTaken = route["result"] == "taken"
      let name = Cell.visible(route["name"]?.stringValue ?? "")
      printer.line("\n\(name): \(Cell.visible(route["reason"]?.stringValue ?? ""))")
      guard !isTaken || verbose else { continue }
      for part in route["parts"]?.arrayValue ?? [] { printer.line(Self.line(part)) }
    }
    for warning in answer["warnings"]?.arrayValue ?? [] {
      printer.console.remark(Cell.visible("warning: \(warning.stringValue ?? "")"))
    }
  }

  /// One part of a condition: what is around it stands above, further left.
  private static func line(_ part: JSONValue) -> String {
    let depth = Int(part["depth"]?.int64Value ?? 0)
    let outcome =
      switch part["result"]?.stringValue {
      case "value": JSON.text(part["value"] ?? .null)
      case "notAsked": "not asked: what stands before it decides"
      default: "undefined"
      }
    let note = part["note"]?.stringValue.map { " (\($0))" } ?? ""
    let text = String(repeating: "  ", count: depth + 1) + (part["text"]?.stringValue ?? "")
    return Cell.visible("\(text)  →  \(outcome)\(note)")
  }
}

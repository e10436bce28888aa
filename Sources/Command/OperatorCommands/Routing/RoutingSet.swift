import ArgumentParser
import JSONTree

struct RoutingSet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Replace endpoints, routes and enrichments by those of a file.",
    discussion: """
      What would be added, changed and removed is shown first, and you are asked. Events that were \
      accepted before still go where they were meant to: an endpoint that is removed is draining \
      until it has got them.

        orrery routing set routing.json
        orrery routing set routing.json --dry-run -o json
        jq '.routes[0].isEnabled = false' routing.json | orrery routing set - --yes
      """
  )

  @Argument(
    help: ArgumentHelp("The whole routing as JSON; - is the input.", valueName: "file"),
    completion: .file(extensions: ["json"])
  )
  var file: String

  @Flag(help: "Show what would change, and change nothing.") var dryRun = false
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let wanted = try RoutingDocument.read(file)
    try await hub.withHub { client, printer in
      let read = try await client.perform(
        HubRequest(.get, RoutingCommand.path),
        RoutingCommand.subject
      )
      let current = RoutingDocument.normal(try read.json())
      let plan = RoutingPlan(from: current, to: wanted)
      if dryRun {
        return printer.show(plan.json) { printer in
          guard !plan.changes.isEmpty else {
            return printer.console.remark("Nothing would change.")
          }
          printer.console.writeOutput(plan.text(isColored: printer.console.isOutputColored))
        }
      }
      guard !plan.changes.isEmpty else {
        return printer.show(current) { $0.console.remark("Nothing to change.") }
      }
      printer.console.writeError(plan.text(isColored: printer.console.isErrorColored))
      try Confirmation.ask("Change the routing so?", isSure: yes)
      let request = HubRequest(.put, RoutingCommand.path)
        .body(wanted)
        .ifMatch(read.header("ETag"))
      let answer = try await client.perform(request, RoutingCommand.subject).json()
      printer.show(answer) { $0.line("Changed the routing: \(plan.summary).") }
    }
  }
}

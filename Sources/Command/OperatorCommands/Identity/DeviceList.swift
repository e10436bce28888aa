import ArgumentParser
import JSONTree

struct DeviceList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List devices.",
    discussion: """
      Up to a thousand come from the registry as they are. More, or only some, come from a query \
      over twins, page by page, which needs a policy with ServiceConnect:

        orrery device list
        orrery device list --where "connectionState = 'Connected'"
        orrery device list --all -o json | jq -r '.[].deviceId'
      """
  )

  @OptionGroup var page: PageOptions

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Only those that a query's condition holds for.", valueName: "condition")
  )
  var condition: String?

  @OptionGroup var hub: HubOptions

  /// The most that one request to the registry answers (contract §7.3).
  private static let registryLimit = 1000

  func run() async throws {
    try await hub.withHub { client, printer in
      let rows = try await rows(client)
      let none = condition == nil ? "There are no devices." : "There are no such devices."
      printer.show(.array(rows)) { $0.table(IdentitySheet.devices(rows), none: none) }
      if rows.count == page.limit, printer.isForPeople {
        printer.console.remark("There may be more: \(page.more)")
      }
    }
  }

  private func rows(_ client: HubClient) async throws -> [JSONValue] {
    if page.all || condition != nil || page.top > Self.registryLimit {
      // The condition has a line of its own, so that the hub counts its columns as people do.
      let clause = condition.map { " WHERE\n\($0)" } ?? ""
      let pages = Pages(
        client,
        query: "SELECT * FROM devices\(clause)",
        subject: condition == nil ? "the query" : "--where",
        limit: page.limit
      )
      do {
        return try await pages.all(progress: Progress("devices")).rows
      } catch let failure as CommandFailure where condition != nil {
        throw Self.relocated(failure)
      }
    }
    let request = HubRequest(.get, ["devices"]).query("top", String(page.top))
    return try await client.perform(request, "the list of devices").json().arrayValue ?? []
  }

  /// `failure` of the whole query, with its line counted from the beginning of the condition.
  private static func relocated(_ failure: CommandFailure) -> CommandFailure {
    let text = failure.problem
    guard let place = text.firstRange(of: " at line ") else { return failure }
    let digits = text[place.upperBound...].prefix { $0.isASCII && $0.isNumber }
    guard let line = Int(digits), line > 1, text[digits.endIndex...].hasPrefix(", column ") else {
      return failure
    }
    var relocated = failure
    relocated.problem.replaceSubrange(digits.startIndex..<digits.endIndex, with: String(line - 1))
    return relocated
  }
}

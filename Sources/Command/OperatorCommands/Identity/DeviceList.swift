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

  @Option(help: ArgumentHelp("At most so many.", valueName: "count"))
  var top = 100

  @Flag(help: "All of them.")
  var all = false

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Only those that a query's condition holds for.", valueName: "condition")
  )
  var condition: String?

  @OptionGroup var hub: HubOptions

  /// The most that one request to the registry answers (contract §7.3).
  private static let registryLimit = 1000

  func validate() throws {
    guard top > 0 else { throw ValidationError("--top must be at least 1") }
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let rows = try await rows(client)
      printer.show(.array(rows)) { $0.table(IdentitySheet.devices(rows)) }
      if !all, rows.count == top, printer.isForPeople {
        printer.console.remark("There may be more: --top \(top * 10), or --all.")
      }
    }
  }

  private func rows(_ client: HubClient) async throws -> [JSONValue] {
    if all || condition != nil || top > Self.registryLimit {
      let clause = condition.map { " WHERE \($0)" } ?? ""
      let pages = QueryPages(
        client,
        query: "SELECT * FROM devices\(clause)",
        limit: all ? nil : top
      )
      return try await pages.all(progress: Progress("devices"))
    }
    let request = HubRequest(.get, ["devices"]).query("top", String(top))
    return try await client.perform(request, "the list of devices").json().arrayValue ?? []
  }
}

import ArgumentParser
import JSONTree

/// `orrery routing`: where messages go.
struct RoutingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "routing",
    abstract: "Show, change and try the routes of messages.",
    discussion: """
      A route sends messages whose properties and body satisfy a condition to endpoints; what no \
      route takes goes where the fallback route says, which is the built-in stream at first. \
      Endpoints, routes and enrichments are one document that is changed as a whole:

        orrery routing show -o json > routing.json
        orrery routing set routing.json
        orrery routing test --body '{"temperature":31}' --property level=hot
      """,
    subcommands: [
      RoutingShow.self, RoutingSet.self, RoutingTest.self, RoutingHealth.self,
    ]
  )

  /// Where the configuration is.
  static let path = ["routing"]
  /// What messages call it.
  static let subject = "the routing"
}

struct RoutingShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show endpoints, routes and enrichments.",
    discussion: """
      JSON is the document that 'orrery routing set' takes.

        orrery routing show
        orrery routing show -o json > routing.json
      """
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let routing = try await client.get(RoutingCommand.path, RoutingCommand.subject)
      guard printer.isForPeople else { return printer.json(routing) }
      let health = try await client.endpointHealth()
      RoutingSheet.show(routing, health: health, printer)
    }
  }
}

struct RoutingHealth: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Show whether the endpoints take events, and why not.",
    discussion: """
      An endpoint is unknown until something was sent to it, then healthy, degraded, unhealthy after \
      three failures in a row, and dead after a day of failures.

        orrery routing health
      """
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let health = try await client.endpointHealth()
      printer.show(.array(health)) {
        $0.table(
          RoutingSheet.health(health),
          none: "There are no endpoints but the built-in one, events."
        )
      }
    }
  }
}

extension HubClient {
  /// What the hub says of each endpoint besides the built-in one.
  fileprivate func endpointHealth() async throws -> [JSONValue] {
    try await get(RoutingCommand.path + ["endpointsHealth"], "the endpoints' health")["value"]?
      .arrayValue ?? []
  }
}

import HubContract
import JSONTree
import Platform

/// The document that says where messages go, as a file holds it.
enum RoutingDocument {
  /// What may stand in it and in its `endpoints`.
  ///
  /// `drainingEndpoints` is what a hub shows, and means nothing to it.
  private static let members = [
    "endpoints", "routes", "fallbackRoute", "enrichments", "drainingEndpoints",
  ]
  private static let kinds = ["storageContainers", "eventStreams", "webhooks", "mqttTopics"]

  /// The document of `argument`, with everything in it that it leaves to the defaults.
  ///
  /// A member that nobody knows is refused: the hub would pass over it, and what a misspelt
  /// `routes` holds would be taken away.
  static func read(_ argument: String) throws(CommandFailure) -> JSONValue {
    let origin = argument == "-" ? "the input" : argument
    let given = try InputText.object(argument == "-" ? argument : "@\(argument)", option: origin)
    try check(given, members, origin)
    if let endpoints = given["endpoints"] { try check(endpoints, kinds, "\(origin): endpoints") }
    do throws(HubError) {
      return try RoutingConfiguration(json: given, quotas: limitless).json()
    } catch {
      throw CommandFailure(.usage, "\(origin): \(error.message)".withoutFullStop)
    }
  }

  /// A configuration as the hub tells it, in the same form as a document that was read.
  static func normal(_ told: JSONValue) -> JSONValue {
    (try? RoutingConfiguration(json: told, quotas: limitless).json()) ?? told
  }

  /// How many routes there may be is the hub's to say.
  private static var limitless: Quotas {
    var quotas = Quotas()
    (quotas.routes, quotas.customEndpoints, quotas.enrichments) = (.max, .max, .max)
    return quotas
  }

  private static func check(
    _ value: JSONValue,
    _ known: [String],
    _ origin: String
  ) throws(CommandFailure) {
    for name in value.objectValue?.keys ?? [] where !known.contains(name) {
      let near = Spelling.nearest(to: name, among: known)
      throw CommandFailure(
        .usage,
        "\(origin): there is no member '\(Cell.visible(name))'",
        remedy: near.map { "Did you mean '\($0)'?" } ?? "It has \(known.joined(separator: ", "))."
      )
    }
  }
}

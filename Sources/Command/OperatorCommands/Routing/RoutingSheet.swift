import JSONTree

/// Shows message routing to people.
enum RoutingSheet {
  /// All of a configuration, with the state of its endpoints.
  static func show(_ routing: JSONValue, health: [JSONValue], _ printer: Printer) {
    printer.table(endpoints(routing, health), none: "")
    printer.line("")
    printer.table(routes(routing), none: "")
    let enrichments = routing["enrichments"]?.arrayValue ?? []
    guard !enrichments.isEmpty else { return }
    printer.line("")
    var table = Table(["ENRICHMENT", "VALUE", "ENDPOINTS"])
    for enrichment in enrichments {
      table.append([
        Cell(enrichment["key"]?.shown ?? "-", .strong),
        Cell(enrichment["value"]?.shown ?? "-", .plain), Cell(names(enrichment), .plain),
      ])
    }
    printer.table(table, none: "")
  }

  private static func endpoints(_ routing: JSONValue, _ health: [JSONValue]) -> Table {
    var table = Table(["ENDPOINT", "KIND", "STATE", "SETTINGS"])
    table.append([
      Cell("events", .strong), Cell("built-in", .plain), Cell("-"), Cell("-"),
    ])
    for kind in routing["endpoints"]?.objectValue ?? [:] {
      for endpoint in kind.value.arrayValue ?? [] {
        let name = endpoint["name"]?.stringValue ?? "-"
        let state = health.first {
          $0["endpointId"]?.stringValue == name && $0["isDraining"] != true
        }
        table.append([
          Cell(name, .strong), Cell(word(kind.key), .plain), stateCell(state),
          Cell(settings(endpoint), .plain),
        ])
      }
    }
    for kind in routing["drainingEndpoints"]?.objectValue ?? [:] {
      for endpoint in kind.value.arrayValue ?? [] {
        table.append([
          Cell(endpoint["name"]?.shown ?? "-", .strong), Cell(word(kind.key), .plain),
          Cell("draining", .warning), Cell(settings(endpoint), .plain),
        ])
      }
    }
    return table
  }

  private static func stateCell(_ health: JSONValue?) -> Cell {
    let state = health?["healthStatus"]?.shown
    let isDraining = health?["isDraining"] == true
    return Cell((state ?? "-") + (isDraining ? ", draining" : ""), style(state))
  }

  private static func routes(_ routing: JSONValue) -> Table {
    var table = Table(["ROUTE", "SOURCE", "ENABLED", "ENDPOINTS", "CONDITION"])
    let all = (routing["routes"]?.arrayValue ?? []) + [routing["fallbackRoute"]].compactMap(\.self)
    for route in all {
      table.append([
        Cell(route["name"]?.shown ?? "-", .strong), Cell(route["source"]?.shown ?? "-", .plain),
        Cell(route["isEnabled"]?.shown ?? "-"), Cell(names(route), .plain),
        Cell(route["condition"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }

  /// The routes that a message takes.
  static func matches(_ routes: [JSONValue]) -> Table {
    var table = Table(["ROUTE", "ENDPOINTS", "CONDITION"])
    for route in routes.compactMap({ $0["properties"] }) {
      table.append([
        Cell(route["name"]?.shown ?? "-", .strong), Cell(names(route), .plain),
        Cell(route["condition"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }

  /// The states of endpoints.
  static func health(_ rows: [JSONValue]) -> Table {
    var table = Table(["ENDPOINT", "STATE", "LOST", "LAST SENT", "LAST TRIED", "LAST ERROR"])
    for row in rows {
      let lost = row["lostEventCount"]?.int64Value ?? 0
      let error = [
        row["lastKnownErrorTime"]?.stringValue.map(ShownTime.text),
        row["lastKnownError"]?.stringValue,
      ]
      table.append([
        Cell(row["endpointId"]?.shown ?? "-", .strong), stateCell(row),
        Cell(String(lost), lost > 0 ? .bad : .faint),
        Cell(ShownTime.text(row["lastSuccessfulSendAttemptTime"]?.stringValue)),
        Cell(ShownTime.text(row["lastSendAttemptTime"]?.stringValue)),
        Cell(error.compactMap(\.self).joined(separator: " "), .plain),
      ])
    }
    return table
  }

  private static func style(_ state: String?) -> Style {
    switch state {
    case "healthy"?: .good
    case "degraded"?: .warning
    case "unhealthy"?, "dead"?: .bad
    default: .faint
    }
  }

  /// The kind of an endpoint by the member of the configuration that it stands in.
  static func word(_ kind: String) -> String {
    switch kind {
    case "storageContainers": "storage"
    case "eventStreams": "stream"
    case "webhooks": "webhook"
    case "mqttTopics": "MQTT topic"
    default: kind
    }
  }

  /// What an endpoint has besides its name, in one line.
  static func settings(_ endpoint: JSONValue) -> String {
    let members = (endpoint.objectValue ?? [:]).filter { $0.key != "name" }
    guard !members.isEmpty else { return "-" }
    return members.map { "\($0.key)=\($0.value.shown)" }.joined(separator: " ")
  }

  private static func names(_ value: JSONValue) -> String {
    (value["endpointNames"]?.arrayValue ?? []).map(\.shown).joined(separator: ", ")
  }
}

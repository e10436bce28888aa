import ArgumentParser
import HubContract
import JSONTree

struct EdgeList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List edge devices with their connections, deployments and modules.",
    discussion: """
        orrery edge list
        orrery edge list -o json \\
          | jq -r '.[] | select(.deployment.isApplied | not) | .deviceId'
      """
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      var edges: [JSONValue] = []
      var continuation: String?
      let progress = Progress("edge devices")
      repeat {
        let request = HubRequest(.get, ["edges"]).header("x-ms-max-item-count", "1000")
          .header("x-ms-continuation", continuation)
        let response = try await client.perform(request, "the list of edge devices")
        edges += try response.json().arrayValue ?? []
        progress.show(edges.count)
        continuation = response.header("x-ms-continuation").flatMap { $0.isEmpty ? nil : $0 }
      } while continuation != nil
      progress.end()
      printer.show(.array(edges)) {
        $0.table(EdgeSheet.table(edges), none: "There are no edge devices.")
      }
    }
  }
}

struct EdgeShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show an edge device with its modules and the devices below it.",
    discussion: """
        orrery edge show gate-7
        orrery edge show gate-7 -o json | jq .modules
      """
  )

  @Argument(help: ArgumentHelp("The edge device's ID.", valueName: "device"))
  var device: String

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let edge = try await client.get(["edges", device], "edge device '\(device)'")
      printer.show(edge) { printer in
        printer.facts(EdgeSheet.facts(edge))
        printer.line("")
        printer.table(EdgeSheet.modules(edge), none: "It was given no modules.")
        printer.line("")
        printer.table(EdgeSheet.children(edge), none: "No devices are below it.")
      }
    }
  }
}

/// Lays out edge devices for people.
enum EdgeSheet {
  /// One line for each.
  static func table(_ edges: [JSONValue]) -> Table {
    var table = Table([
      "EDGE DEVICE", "AGENT", "HUB", "SINCE", "DEPLOYMENT", "UNWELL", "BELOW", "PARENT",
    ])
    for edge in edges {
      let unwell = edge["unwellModuleCount"]?.int64Value ?? 0
      table.append([
        Cell(edge["deviceId"]?.shown ?? "-", .strong),
        Cell(state(edge, "agent")),
        Cell(state(edge, "hub")),
        Cell(since(edge, "hub"), .plain),
        deployment(edge),
        Cell("\(unwell)", unwell == 0 ? .plain : .bad),
        Cell(below(edge), .plain),
        Cell(edge["parent"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }

  /// All about one, but for modules and children.
  static func facts(_ edge: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("edge device", edge["deviceId"]?.stringValue)
    sheet.append("status", edge["status"]?.stringValue)
    sheet.append("parent", edge["parent"]?.stringValue)
    for part in ["agent", "hub"] {
      sheet.append(part, state(edge, part))
      sheet.append("\(part) since", since(edge, part), .plain)
      let seen = edge[path: [part, "lastActivityTime"]]?.stringValue
      sheet.append("\(part) last seen", ShownTime.text(seen), .plain)
    }
    sheet.append("deployment", deployment(edge).text, deployment(edge).style)
    let versions = ["desiredVersion", "lastDesiredVersion"].map {
      edge[path: ["deployment", $0]]?.shown ?? "-"
    }
    sheet.append("wanted version", versions[0], .plain)
    sheet.append("reported version", versions[1], .plain)
    let description = edge[path: ["deployment", "description"]]?.stringValue ?? ""
    if !description.isEmpty { sheet.append("description", description, .warning) }
    sheet.append("devices below", below(edge), .plain)
    return sheet
  }

  /// Its modules.
  static func modules(_ edge: JSONValue) -> Table {
    var table = Table(["MODULE", "WANTED", "IS", "RESTARTS", "STARTED", "IMAGE"])
    for module in edge["modules"]?.arrayValue ?? [] {
      let status = module["runtimeStatus"]?.shown ?? "-"
      let isWell = status == "running" || module["desiredStatus"]?.stringValue != "running"
      table.append([
        Cell(module["name"]?.shown ?? "-", .strong),
        Cell(module["desiredStatus"]?.shown ?? "-", .plain),
        Cell(status, isWell ? .good : .bad),
        Cell(module["restartCount"]?.shown ?? "-", .plain),
        Cell(ShownTime.text(module["lastStartTimeUtc"]?.stringValue), .plain),
        Cell(module["image"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }

  /// Who is below it, each indented under its parent.
  static func children(_ edge: JSONValue) -> Table {
    var table = Table(["DEVICE BELOW", "CONNECTION", "LAST SEEN", "STATUS"])
    var depths = [edge["deviceId"]?.stringValue ?? "": 0]
    for child in edge["children"]?.arrayValue ?? [] {
      let id = child["deviceId"]?.stringValue ?? ""
      let depth = depths[child["parent"]?.stringValue ?? ""] ?? 0
      depths[id] = depth + 1
      let kind = child["isEdge"] == true ? " (edge)" : ""
      let seen = child[path: ["connection", "lastActivityTime"]]?.stringValue
      table.append([
        Cell(String(repeating: "  ", count: depth) + id + kind, .strong),
        Cell(state(child, "connection")),
        Cell(ShownTime.text(seen), .plain),
        Cell(child["status"]?.shown ?? "-"),
      ])
    }
    return table
  }

  private static func state(_ edge: JSONValue, _ part: String) -> String {
    edge[path: [part, "connectionState"]]?.shown ?? "-"
  }

  private static func since(_ edge: JSONValue, _ part: String) -> String {
    ShownTime.text(edge[path: [part, "connectionStateUpdatedTime"]]?.stringValue)
  }

  private static func below(_ edge: JSONValue) -> String {
    (edge["childCount"]?.shown ?? "-") + (edge["isChildCountCut"] == true ? " or more" : "")
  }

  private static func deployment(_ edge: JSONValue) -> Cell {
    if edge[path: ["deployment", "isApplied"]] == true { return Cell("applied", .good) }
    guard let code = edge[path: ["deployment", "code"]]?.int64Value else {
      return Cell("never reported", .faint)
    }
    return code == 200 ? Cell("pending", .warning) : Cell("failed (\(code))", .bad)
  }
}

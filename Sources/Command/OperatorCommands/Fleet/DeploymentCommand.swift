import ArgumentParser
import JSONTree

/// `orrery deployment`: what a deployment would do to edge devices.
struct DeploymentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deployment",
    abstract: "See what a deployment would do to edge devices before it is applied.",
    discussion: "Deployments are configurations: 'orrery configuration' makes and deletes them.",
    subcommands: [DeploymentPreview.self]
  )
}

struct DeploymentPreview: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "preview",
    abstract: "Tell which edge devices a manifest would change, and what is behind them.",
    discussion: """
      Takes what 'orrery configuration apply' takes and changes nothing. For each edge device it says \
      whether the deployment wins over the others that target it, which modules would start, be made \
      anew or stop, and how many devices are directly below.

        orrery deployment preview line-7 @deployment.json \\
          --target 'tags.line = 7' --priority 10
        orrery deployment preview line-7 @deployment.json --target '*' \\
          -o json | jq .totals
      """
  )

  @OptionGroup var change: ConfigurationChange
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let body = try await change.body(client)
      if let body, body[path: ["content", "modulesContent"]] == nil {
        throw CommandFailure(
          .usage,
          "\(change.target.subject) is no deployment: its content has no modulesContent",
          remedy: "'orrery configuration plan' tells what other configurations would change."
        )
      }
      let plan = try await change.target.plan(client, body)
      let radius = BlastRadius(plan)
      printer.show(radius.json) { printer in
        printer.line(radius.summary)
        printer.table(radius.table, none: "No edge device would change.")
      }
    }
  }
}

/// What a deployment would do, by edge device.
struct BlastRadius {
  private struct Edge {
    var state = "unchanged"
    var overrules: [String] = []
    var isConnected: Bool?
    var childCount: Int64 = 0
    var modules: [String: [String]] = [:]
    var newModules: [String] = []
    var changedTwins: [String] = []
    var refusals: [String] = []
  }

  private static let works = [("starts", "start"), ("restarts", "restart"), ("stops", "stop")]

  private var edges: [(id: String, edge: Edge)] = []
  private let configurationID: String
  private let targetedCount: Int64

  /// Reads a plan of the hub.
  init(_ plan: JSONValue) {
    configurationID = plan["configurationId"]?.stringValue ?? ""
    targetedCount = plan["deviceCount"]?.int64Value ?? 0
    for change in plan["changes"]?.arrayValue ?? [] {
      let id = change["deviceId"]?.stringValue ?? ""
      if edges.last?.id != id { edges.append((id, Edge())) }
      read(change, into: &edges[edges.count - 1].edge)
    }
  }

  private func read(_ change: JSONValue, into edge: inout Edge) {
    let module = change["moduleId"]?.stringValue
    for (id, status) in change["configurations"]?.objectValue ?? [:] {
      let (before, after) = (status["before"]?.stringValue, status["after"]?.stringValue)
      if id == configurationID, module == nil || edge.state == "unchanged" {
        edge.state = after == "Applied" ? "wins" : after == nil ? "leaves" : "loses"
      } else if id != configurationID, before == "Applied", after != "Applied",
        !edge.overrules.contains(id)
      {
        edge.overrules.append(id)
      }
    }
    if let count = change["childCount"]?.int64Value { edge.childCount = count }
    if let isConnected = change["isConnected"]?.boolValue { edge.isConnected = isConnected }
    for (name, _) in Self.works {
      let modules = (change[name]?.arrayValue ?? []).compactMap(\.stringValue)
      if !modules.isEmpty { edge.modules[name, default: []] += modules }
    }
    if change["isCreated"] == true, let module { edge.newModules.append(module) }
    if let module, change["desired"]?.objectValue?.isEmpty == false {
      edge.changedTwins.append(module)
    }
    if let refusal = change["refusal"]?.stringValue { edge.refusals.append(refusal) }
  }

  private func count(_ name: String) -> Int {
    edges.reduce(0) { $0 + ($1.edge.modules[name]?.count ?? 0) }
  }

  /// The object for programs.
  var json: JSONValue {
    func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
    let list = edges.map { id, edge -> JSONValue in
      [
        "deviceId": .string(id), "result": .string(edge.state),
        "overrules": texts(edge.overrules),
        "isConnected": edge.isConnected.map { .bool($0) } ?? .null,
        "childCount": .int(edge.childCount), "starts": texts(edge.modules["starts"] ?? []),
        "restarts": texts(edge.modules["restarts"] ?? []),
        "stops": texts(edge.modules["stops"] ?? []), "newModules": texts(edge.newModules),
        "changedTwins": texts(edge.changedTwins), "refusals": texts(edge.refusals),
      ]
    }
    return [
      "configurationId": .string(configurationID),
      "totals": [
        "targeted": .int(targetedCount), "changed": .int(Int64(edges.count)),
        "disconnected": .int(Int64(edges.count { $0.edge.isConnected == false })),
        "devicesBelow": .int(edges.reduce(0) { $0 + $1.edge.childCount }),
        "starts": .int(Int64(count("starts"))), "restarts": .int(Int64(count("restarts"))),
        "stops": .int(Int64(count("stops"))),
        "refused": .int(Int64(edges.count { !$0.edge.refusals.isEmpty })),
      ],
      "edges": .array(list),
    ]
  }

  /// The whole in a few sentences.
  var summary: String {
    let behind = edges.reduce(0) { $0 + $1.edge.childCount }
    let away = edges.count { $0.edge.isConnected == false }
    let works = Self.works.map { "\(count($0.0)) \($0.1)" }.joined(separator: ", ")
    var text =
      "'\(configurationID)' targets \(PlanSheet.counted(targetedCount, "device")); "
      + "\(PlanSheet.counted(Int64(edges.count), "edge device")) would change, with "
      + "\(PlanSheet.counted(behind, "device")) directly below. Modules: \(works)."
    if away > 0 { text += " Not connected now, and changed when they are back: \(away)." }
    return text
  }

  /// A line for each edge device that changes.
  var table: Table {
    var table = Table(["EDGE DEVICE", "RESULT", "CONNECTED", "BELOW", "CHANGE"])
    for (id, edge) in edges {
      var parts = Self.works.compactMap { name, word in
        edge.modules[name].map { "\(word) \($0.joined(separator: ", "))" }
      }
      let others = edge.changedTwins.filter { $0 != "$edgeAgent" }
      if !others.isEmpty { parts.append("twins of \(others.joined(separator: ", "))") }
      if !edge.overrules.isEmpty {
        parts.append("overrules \(edge.overrules.joined(separator: ", "))")
      }
      parts += edge.refusals.map { "refused: \($0)" }
      let style: Style =
        switch edge.state {
        case "wins": .good
        case "loses": .warning
        default: .plain
        }
      table.append([
        Cell(id, .strong), Cell(edge.state, style),
        Cell(edge.isConnected.map { $0 ? "yes" : "no" } ?? "-"),
        Cell("\(edge.childCount)", .plain),
        Cell(parts.isEmpty ? "-" : parts.joined(separator: "; "), .plain),
      ])
    }
    return table
  }
}

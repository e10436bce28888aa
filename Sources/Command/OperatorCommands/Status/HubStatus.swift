package import ArgumentParser
import JSONTree

/// `orrery hub status`: whether a hub is well and what it is doing.
package struct HubStatus: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show whether a hub is well and what it is doing.",
    discussion: """
      The exit status is 0 only for a hub that is ready, so that a script can wait for it:

        until orrery hub status -o json > /dev/null; do sleep 1; done
      """
  )

  @OptionGroup var hub: HubOptions

  package init() {}

  package func run() async throws {
    try await hub.withHub { client, printer in
      let registry = try await client.get(["statistics", "devices"], "the hub's statistics")
      let service = try await client.get(["statistics", "service"], "the hub's statistics")
      var status: JSONObject = ["hub": .string(client.connection.host)]
      for statistics in [registry, service] {
        for member in statistics.objectValue ?? [:] { status[member.key] = member.value }
      }
      let description = try? await client.get(["openapi.json"], "the hub's description")
      let version = description?[path: ["info", "version"]]?.stringValue
      if let version { status["apiVersion"] = .string(version) }
      let idScope = client.connection.idScope
      if let idScope { status["idScope"] = .string(idScope) }
      let readiness = await client.readiness()
      if let readiness { status["isReady"] = .bool(readiness.isReady) }
      let answer = JSONValue.object(status)
      printer.show(answer) { printer in
        var sheet = FactSheet()
        sheet.append("hub", answer["hub"]?.stringValue)
        sheet.append("API version", version)
        sheet.append("as", client.connection.policy)
        sheet.append("ID scope", idScope)
        sheet.append("devices", answer["totalDeviceCount"]?.shown)
        sheet.append("enabled", answer["enabledDeviceCount"]?.shown)
        sheet.append("disabled", answer["disabledDeviceCount"]?.shown)
        sheet.append("connected", answer["connectedDeviceCount"]?.shown)
        sheet.append(
          "health",
          readiness?.text ?? "unknown: /readyz of its listener for operators cannot be asked here",
          readiness.map { $0.isReady ? .good : .bad }
        )
        printer.facts(sheet)
      }
      if let readiness, !readiness.isReady {
        throw CommandFailure(.unreachable, "the hub is \(readiness.text)")
      }
    }
  }
}

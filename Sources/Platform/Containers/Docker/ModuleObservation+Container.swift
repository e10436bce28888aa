package import EdgeEngine
import HubContract
package import JSONTree

extension ModuleObservation {
  /// Reads what the engine says of a container; nil if that is no module, or cannot be read.
  package init?(container: JSONValue) {
    var labels: [String: String] = [:]
    for (key, value) in container["Config"]?["Labels"]?.objectValue ?? [:] {
      labels[key] = value.stringValue
    }
    guard let origin = ContainerBody.origin(labels: labels),
      let name = container["Name"]?.stringValue
    else { return nil }
    let state = container["State"] ?? .null
    self.init(
      name: name.hasPrefix("/") ? String(name.dropFirst()) : name,
      state: Self.state(state),
      statusDescription: Self.words(state),
      lastStart: Self.time(state["StartedAt"]),
      lastExit: Self.time(state["FinishedAt"]),
      imageHash: container["Image"]?.stringValue ?? "",
      image: origin.image,
      createOptions: origin.createOptions,
      environment: origin.environment
    )
  }

  /// Edge contract section 3.5.
  private static func state(_ state: JSONValue) -> State {
    switch state["Status"]?.stringValue {
    case "created", "configured", "initialized": return .created
    case "running", "paused":
      return state["Health"]?["Status"]?.stringValue == "unhealthy" ? .unhealthy : .running
    case "exited", "stopped":
      // Podman has it so for one that could not be started.
      return .exited(state["ExitCode"]?.int64Value ?? 0)
    case "dead", "removing": return .dead
    // Its own restart policy is never used, so this passes.
    case "restarting": return .running
    default: return .unknown
    }
  }

  private static func words(_ state: JSONValue) -> String {
    let status = state["Status"]?.stringValue ?? "unknown"
    if let error = state["Error"]?.stringValue, !error.isEmpty { return "\(status): \(error)" }
    if status == "running", let health = state["Health"]?["Status"]?.stringValue, health != "none" {
      return "\(status) (\(health))"
    }
    if state["OOMKilled"]?.boolValue == true { return "\(status): out of memory" }
    return status
  }

  /// "Never" is year 1 with the engines.
  private static func time(_ value: JSONValue?) -> Timestamp? {
    value?.stringValue.flatMap { Timestamp(iso8601: $0) }.flatMap { $0 > .epoch ? $0 : nil }
  }
}

package import JSONTree
import Platform

/// What the settings say of the agent (`[agent]`).
///
/// The vendor's agent is an image; ours is a process, so name, type, image and the like are read and
/// checked, and have no effect.
package struct AgentSettings: Equatable, Sendable {
  /// Environment variables that the agent knows (contract §11), by their names.
  package let environment: [String: String]

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["name", "type", "imagePullPolicy", "config", "env"])
    _ = try table?.text("name")
    _ = try table?.text("type")
    _ = try table?.word("imagePullPolicy", of: ["on-create", "On-Create", "never", "Never"])
    let config = try table?.table("config")
    try config?.refuse(otherThan: ["image", "createOptions", "auth", "digest"])
    _ = try config?.text("image")
    environment = try table?.variables("env") ?? [:]
  }
}

/// The container engine and its network (`[moby_runtime]`).
package struct ContainerEngineSettings: Equatable, Sendable {
  /// The engine's API: `unix://<path>` or `http://<host>:<port>`; or `crun:` and perhaps the path of crun,
  /// for no engine.
  package let uri: String
  /// The network that modules are in.
  package let network: String
  /// Whether that network has IPv6.
  package let hasIPv6: Bool
  /// The network's address management, as the engine takes it.
  package let addressManagement: JSONValue?
  /// Whether modules may be privileged, or have more capabilities than usual.
  package let allowsElevated: Bool

  init(_ table: SettingsTable?, allowsElevated: Bool) throws(SettingsFault) {
    try table?.refuse(otherThan: ["uri", "network", "content_trust"])
    let uri = try table?.text("uri") ?? "unix:///var/run/docker.sock"
    let isKnown =
      uri.hasPrefix("unix:///") || uri.hasPrefix("http://") || uri == Self.crun
      || uri.hasPrefix(Self.crun + "/")
    guard isKnown else {
      throw SettingsFault(
        "\(table?.file ?? ""): moby_runtime.uri must begin with unix:/// or http://, or be crun: or "
          + "crun:/path/of/crun, not \"\(uri)\""
      )
    }
    self.uri = uri
    self.allowsElevated = allowsElevated
    guard let table, table.value("network")?.objectValue != nil else {
      network = try table?.text("network") ?? "azure-iot-edge"
      hasIPv6 = false
      addressManagement = nil
      return
    }
    let inner = try table.table("network")
    try inner?.refuse(otherThan: ["name", "ipv6", "ipam"])
    network = try inner?.text("name") ?? "azure-iot-edge"
    hasIPv6 = try inner?.flag("ipv6") ?? false
    addressManagement = inner?.value("ipam")
  }
}

extension ContainerEngineSettings {
  private static let crun = "crun:"

  /// The path of crun, where that runs containers in place of an engine.
  package var crunPath: String? {
    guard uri.hasPrefix(Self.crun) else { return nil }
    let path = String(uri.dropFirst(Self.crun.count))
    guard path.isEmpty else { return path }
    let places = ["/usr/local/bin/crun", "/usr/bin/crun", "/usr/sbin/crun"]
    return places.first { PrivateFile.exists($0) } ?? "/usr/bin/crun"
  }
}

/// Removal of images that nobody uses (`[image_garbage_collection]`).
package struct ImageCollectionSettings: Equatable, Sendable {
  package let isEnabled: Bool
  /// Seconds between two removals.
  package let recurrenceSeconds: Int64
  /// Seconds for which an image must have been unused.
  package let ageSeconds: Int64
  /// Minutes after midnight at which the first removal of a day is.
  package let minuteOfDay: Int

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: [
      "enabled", "cleanup_recurrence", "image_age_cleanup_threshold", "cleanup_time",
    ])
    isEnabled = try table?.flag("enabled") ?? true
    // The bounds are the vendor's: at least a day, so that no image goes that is needed at once again.
    recurrenceSeconds = try table?.seconds("cleanup_recurrence", in: 86_400...31_536_000) ?? 86_400
    ageSeconds =
      try table?.seconds("image_age_cleanup_threshold", in: 0...31_536_000) ?? 7 * 86_400
    minuteOfDay = try Self.minute(table) ?? 0
  }

  private static func minute(_ table: SettingsTable?) throws(SettingsFault) -> Int? {
    guard let table, let text = try table.text("cleanup_time") else { return nil }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.count == 2 }), let hour = Int(parts[0]),
      let minute = Int(parts[1]), (0..<24).contains(hour), (0..<60).contains(minute)
    else { throw table.fault("cleanup_time", "must be a time of day like 00:00, not \"\(text)\"") }
    return hour * 60 + minute
  }
}

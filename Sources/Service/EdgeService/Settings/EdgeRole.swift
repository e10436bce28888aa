/// A process of the edge.
package enum EdgeRole: String, Sendable, CaseIterable {
  /// Owns identity, keys and certificates, and serves the workload API.
  case keys
  /// Runs the modules.
  case agent
  /// The local hub.
  case hub

  /// The user, and the group of that name, that it runs as where the supervisor runs as root.
  package var userName: String { "orrery-\(rawValue)" }
}

package import JSONTree

/// Which events to show.
package struct EventFilter: Sendable {
  /// Devices, as patterns; none means all.
  package var devices: [NamePattern] = []
  /// The module that sent it; nil means any or none.
  package var module: String?
  /// Application properties that it must have.
  package var properties: [NamedValue] = []
  /// Where it comes from, such as `twinChangeEvents`; nil means anywhere.
  package var source: String?

  /// Creates a filter that lets everything through.
  package init() {}

  /// The one device that is meant, if it is one: the hub can choose its events by itself.
  package var onlyDevice: String? { devices.count == 1 ? devices.first?.literal : nil }

  /// Whether `event`, as the hub renders it, is one to show.
  package func lets(_ event: JSONValue) -> Bool {
    let annotations = event["annotations"]
    func annotation(_ name: String) -> String? { annotations?["iothub-\(name)"]?.stringValue }
    if !devices.isEmpty {
      let device = annotation("connection-device-id") ?? ""
      guard devices.contains(where: { $0.matches(device) }) else { return false }
    }
    if let module, annotation("connection-module-id") != module { return false }
    if let source, annotation("message-source") != source { return false }
    let actual = event["applicationProperties"]
    return properties.allSatisfy { actual?[$0.name]?.stringValue == $0.value }
  }
}

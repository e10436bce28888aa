import HubContract

// The event streams that consumers can read.
extension RoutingService {
  /// The names of the built-in stream, in lower case (contract §8.3).
  static func builtInNames(of hubNames: [String]) -> Set<String> {
    let hosts = hubNames.map { $0.lowercased() }
    let labels = hosts.compactMap { $0.split(separator: ".").first.map(String.init) }
    return Set(hosts + labels + ["messages/events", RoutingConfiguration.builtInEndpoint])
  }

  /// The stream that consumers call `name`, whatever its case; nil if there is none.
  func stream(named name: String) -> EventStreamView? {
    let name = name.lowercased()
    if builtInNames.contains(name) { return .builtIn }
    let endpoint = configuration.endpoints.first {
      $0.kind == .eventStream && $0.name.lowercased() == name
    }
    return endpoint.map {
      EventStreamView($0.destination, beginnings: checkpoint($0).read() ?? [])
    }
  }

  /// Whether there still is the stream whose events have the mark `destination`.
  func serves(_ destination: EventDestinations) -> Bool {
    destination == .events
      || configuration.endpoints.contains {
        $0.kind == .eventStream && $0.destination == destination
      }
  }

  /// Refuses a stream that consumers could not tell from the built-in one.
  func checkStream(_ name: String) throws(HubError) {
    guard !builtInNames.contains(name.lowercased()) else {
      throw HubError(
        .argumentInvalid,
        "Endpoint \(name): that is a name of the built-in stream; choose another."
      )
    }
  }
}

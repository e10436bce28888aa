/// What an edge hub wants to get for a child, by the part of a filter behind the child's prefix.
public enum ChildFilter: Equatable, Sendable {
  /// What the same filter gives the child itself.
  case own
  /// Cloud-to-device messages, each with its lock.
  case devicebound
  /// Anything else: return code 0x80.
  case refused

  /// Reads `filter`, which stands behind the prefix of `topics`' identity.
  public init(_ filter: Span<UInt8>, of topics: DeviceTopics) {
    if filter.equals("devicebound/#") {
      self = topics.identity.moduleID == nil ? .devicebound : .refused
      return
    }
    switch topics.classify(filter: filter) {
    case .desiredPatches, .methods: self = .own
    case .devicebound, .twinResponses, .moduleInputs, .moduleAll, .refused: self = .refused
    }
  }
}

public import MessageLog

/// Why the store could not be opened or configured.
public enum StoreFault: Error, Equatable, Sendable {
  /// The endpoint's name is empty, or too long for a directory's.
  case endpointName(String)
  /// More endpoints than `EdgeStoreConfiguration.maximumEndpointCount`.
  case tooManyEndpoints(limit: Int)
  /// The directory of the queues can't be read or changed.
  case directory(LogDiskFault)
  /// The queue of this endpoint can't be opened or made.
  case queue(endpoint: String, LogFault)
}

/// One thing that opening the store found.
public enum StoreFinding: Equatable, Sendable {
  /// What the log of an endpoint found.
  case log(endpoint: String, LogFinding)
  /// The log of an endpoint could not be read; its directory was set aside, and the queue begins
  /// empty.
  case setAside(endpoint: String, LogFault)
  /// A directory that is no endpoint's; it is left alone.
  case foreignDirectory(String)
}

extension StoreFinding: CustomStringConvertible {
  /// What was found, in words.
  public var description: String {
    switch self {
    case .log(let endpoint, let finding): "queue \(endpoint): \(finding)"
    case .setAside(let endpoint, let fault):
      "queue \(endpoint): its files cannot be read (\(fault)); they were set aside, and the queue "
        + "begins empty"
    case .foreignDirectory(let name): "\(name): no queue of the store; left alone"
    }
  }
}

public import HubContract

/// What is the matter with a module, as it is reported (edge contract section 2.7).
public enum RuntimeStatus: String, Equatable, Sendable {
  case unknown, backoff, running, unhealthy, stopped, failed, dead
}

/// A module as the machine has it.
public struct ModuleObservation: Equatable, Sendable {
  /// What the engine says.
  public enum State: Equatable, Sendable {
    /// Made and never started.
    case created
    case running
    /// Running, and its own health check fails (edge contract section 16, DIFF 8).
    case unhealthy
    /// Ended with this code.
    case exited(Int64)
    /// Dead, or being removed.
    case dead
    /// The engine cannot tell.
    case unknown
  }

  /// The name on the machine.
  public let name: String
  /// What the engine says.
  public var state: State
  /// In the engine's words.
  public var statusDescription: String
  /// When it was started last.
  public var lastStart: Timestamp?
  /// When it ended last.
  public var lastExit: Timestamp?
  /// The image's hash.
  public var imageHash: String
  /// The image as the deployment named it.
  public var image: String
  /// What it was created with.
  public var createOptions: CreateOptions
  /// The variables of the deployment that it was created with.
  public var environment: [String: String]

  /// Describes a module.
  public init(
    name: String,
    state: State,
    statusDescription: String = "",
    lastStart: Timestamp? = nil,
    lastExit: Timestamp? = nil,
    imageHash: String = "",
    image: String,
    createOptions: CreateOptions = CreateOptions(),
    environment: [String: String] = [:]
  ) {
    self.name = name
    self.state = state
    self.statusDescription = statusDescription
    self.lastStart = lastStart
    self.lastExit = lastExit
    self.imageHash = imageHash
    self.image = image
    self.createOptions = createOptions
    self.environment = environment
  }

  /// The status without what only the restart rules know (edge contract section 3.5).
  public var status: RuntimeStatus {
    switch state {
    case .created, .exited(0): .stopped
    case .running: .running
    case .unhealthy: .unhealthy
    case .exited: .failed
    case .dead: .dead
    case .unknown: .unknown
    }
  }

  /// The code that it ended with last, 0 while there is none.
  public var exitCode: Int64 { if case .exited(let code) = state { code } else { 0 } }

  /// Whether it runs, well or not.
  var isRunning: Bool { state == .running || state == .unhealthy }

  /// Whether it was created as `configuration` says, as far as the machine can tell.
  func isMade(as configuration: ModuleConfiguration) -> Bool {
    image == configuration.image && createOptions == configuration.createOptions
      && environment == configuration.environment
  }
}

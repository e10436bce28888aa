/// One thing for the driver to do to the machine, in the order of the plan.
///
/// A step that fails stops no other; its failure is told to the agent, which tries again later.
public enum AgentStep: Equatable, Sendable {
  /// Begins to fetch an image and does not wait: `Agent.pullEnded` is told when it is over.
  case pull(image: String)
  /// Has the daemon replace the agent itself; its image is there.
  case updateAgent(ModuleConfiguration)
  /// Stops a module.
  case stop(String)
  /// Removes a module that is not running.
  case remove(String)
  /// Creates a module whose image is there, and starts it if it is wanted running.
  case create(ModuleConfiguration)
  /// Stops, removes, creates and, if it is wanted running, starts a module whose image is there.
  case replace(ModuleConfiguration)
  /// Starts a module that does not run.
  case start(String)
  /// Stops a module if it runs, and starts it.
  case restart(String)

  /// The module that it is done to, nil for an image.
  public var module: String? {
    switch self {
    case .pull: nil
    case .updateAgent(let module), .create(let module), .replace(let module): module.name
    case .stop(let name), .remove(let name), .start(let name), .restart(let name): name
    }
  }

  /// What it is, for a person; two attempts at the same thing have the same words.
  public var summary: String {
    switch self {
    case .pull(let image): "Fetching \(image)"
    case .updateAgent: "Updating edgeAgent"
    case .stop(let name): "Stopping \(name)"
    case .remove(let name): "Removing \(name)"
    case .create(let module): "Creating \(module.name)"
    case .replace(let module): "Replacing \(module.name)"
    case .start(let name): "Starting \(name)"
    case .restart(let name): "Restarting \(name)"
    }
  }
}

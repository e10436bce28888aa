package import Containers
package import EdgeEngine
import HubContract
import Logging
import Platform

extension ModuleAgent {
  /// Does a step and tells the rules how it went.
  func perform(_ step: AgentStep) async {
    if case .pull(let image) = step { return fetch(image) }
    logger.info("\(step.summary)")
    let now = Self.now()
    do {
      try await execute(step)
      agent.ended(step, failure: nil, now: Self.now())
    } catch {
      logger.error("\(step.summary) failed", metadata: ["error": "\(error)"])
      agent.ended(step, failure: "\(error)", now: Self.now())
    }
    metrics.performed(step, milliseconds: Self.now().milliseconds - now.milliseconds)
  }

  private func execute(_ step: AgentStep) async throws {
    // Hub and agent are processes of this program; what a manifest says of their images is met.
    if let module = step.module, agent.builtIns.contains(module) { return try await setHub(step) }
    switch step {
    case .pull, .updateAgent: return
    case .stop(let name): try await runtime(of: name).stop(name, within: Self.stopSeconds)
    case .remove(let name): try await remove(name)
    case .create(let module): try await create(module, body(of: module))
    case .replace(let module):
      let body = try await body(of: module)
      let old = runtime(of: module.name)
      try await old.stop(module.name, within: Self.stopSeconds)
      try await old.remove(module.name)
      try await create(module, body)
    case .start(let name): try await start(name, on: runtime(of: name))
    case .restart(let name): try await restartNow(name, on: runtime(of: name))
    }
  }

  /// Lets the local hub have the variables of the deployment.
  private func setHub(_ step: AgentStep) async throws {
    let hub: ModuleConfiguration
    switch step {
    case .create(let module), .replace(let module): hub = module
    case .pull, .updateAgent, .stop, .remove, .start, .restart: return
    }
    let variables = hub.environment
    // Also where there is no supervisor: then it has none.
    guard hub.name == ModuleConfiguration.edgeHub, variables != hubVariables ?? [:] else { return }
    if try await processes.setHubVariables(variables) { hubStart = Self.now() }
    hubVariables = variables
  }

  /// What runs a module, or is to run it.
  func runtime(of name: String) -> any ModuleRuntime {
    runtimes.runtime(homes[name] ?? agent.records[name]?.configuration.kind ?? .docker)
  }

  private func create(_ module: ModuleConfiguration, _ body: ContainerBody) async throws {
    let runtime = runtimes.runtime(module.kind)
    try await runtime.create(module.name, body)
    homes[module.name] = module.kind
    if module.status == .running { try await runtime.start(module.name) }
  }

  /// What a module is made of; with it an image that must not be run is refused.
  private func body(of module: ModuleConfiguration) async throws -> ContainerBody {
    guard let identity = identities[module.moduleID] else {
      throw RuntimeFault(.failed, "\(module.name) has no identity yet.")
    }
    let paths = surroundings.paths
    let isProcess = module.kind == .process
    var image = module.image
    if !isProcess {
      guard
        let source = agent.source(
          of: module.pinnedImage,
          ownCredentials: surroundings.credentials
        )
      else { throw RuntimeFault(.refused, Self.noImage(image)) }
      image = try await admitted(source)
    }
    let inside = "/var/run/iotedge"
    return ContainerBody(
      module,
      image: image,
      generationID: identity.generationID,
      surroundings: ModuleSurroundings(
        hubHostName: surroundings.identity.hubHostName,
        deviceID: surroundings.identity.deviceID,
        edgeHostName: surroundings.edgeHostName,
        parentHostName: surroundings.identity.parentHostName,
        workloadURI: isProcess
          ? "unix://\(paths.workloadSocket(of: module.moduleID))"
          : "unix://\(inside)/\(EdgePaths.socketName)",
        networkID: surroundings.networkID,
        upstreamProtocol: options.upstreamProtocol,
        runtimeLogLevel: options.runtimeLogLevel
      ),
      binds: isProcess
        ? []
        : [
          ContainerBody.Bind(
            host: paths.workloadDirectory(of: module.moduleID),
            container: inside
          )
        ],
      allowsElevation: surroundings.allowsElevation
    )
  }

  /// Removes a module, and the identity that the agent had made for it.
  private func remove(_ name: String) async throws {
    try await runtime(of: name).remove(name)
    homes[name] = nil
    guard agent.configuration?.allModules.contains(where: { $0.name == name }) == false else {
      return
    }
    var identity = identities[name]
    if identity == nil {
      identity = (try? await keys.modules())?.first { $0.moduleID == name }
    }
    guard identity?.managedBy == Self.managedBy else { return }
    do {
      try await keys.removeModule(name)
      identities[name] = nil
    } catch {
      // An identity too many harms nobody; without network it stays.
      logger.warning(
        "the identity of a removed module cannot be removed",
        metadata: ["module": "\(name)", "error": "\(error)"]
      )
    }
  }

  /// Stops and starts a module because somebody asks for it.
  ///
  /// Hub and agent are processes, which the supervisor starts again when they have ended.
  ///
  /// - Throws: `RuntimeFault`; not found if there is no such module.
  package func restart(_ name: String) async throws {
    if agent.builtIns.contains(name) {
      logger.info("restarts on request", metadata: ["module": "\(name)"])
      guard name == ModuleConfiguration.edgeHub else { return restartLater() }
      try await processes.restart(.hub)
      hubStart = Self.now()
      return poke()
    }
    try await observe()
    guard let kind = homes[name] else {
      throw RuntimeFault(.notFound, "There is no module \(name).")
    }
    try await restartNow(name, on: runtimes.runtime(kind))
    logger.info("restarted on request", metadata: ["module": "\(name)"])
    poke()
  }

  /// Has this process started anew, once who asked for that has the answer.
  private func restartLater() {
    Task { [processes, logger] in
      do {
        try await Pause.sleep(for: .seconds(1))
        try await processes.restart(.agent)
      } catch {
        logger.error("cannot be restarted", metadata: ["reason": "\(error)"])
      }
    }
  }

  /// Stops or starts a module because somebody asks for it; the next pass may undo that.
  package func set(_ name: String, running: Bool) async throws {
    guard !agent.builtIns.contains(name) else {
      throw RuntimeFault(.refused, "\(name) is a process of the edge, and always runs.")
    }
    try await observe()
    guard let kind = homes[name] else {
      throw RuntimeFault(.notFound, "There is no module \(name).")
    }
    let runtime = runtimes.runtime(kind)
    if running {
      try await start(name, on: runtime)
    } else {
      try await runtime.stop(name, within: Self.stopSeconds)
    }
  }

  /// The modules as they are now, each with its kind and status.
  package func modules() async throws -> [ModuleListing] {
    try await observe()
    let now = Self.now()
    return machine.sorted { $0.name < $1.name }.map { module in
      ModuleListing(
        module: module,
        kind: homes[module.name] ?? agent.records[module.name]?.configuration.kind ?? .process,
        status: agent.status(of: module, now: now)
      )
    }
  }

  /// The runtime of a module that is there.
  ///
  /// - Throws: `RuntimeFault` if there is none of that name.
  package func existing(_ name: String) async throws -> any ModuleRuntime {
    if homes[name] == nil { try await observe() }
    guard let kind = homes[name] else {
      throw RuntimeFault(.notFound, "There is no module \(name).")
    }
    return runtimes.runtime(kind)
  }

  /// The names of all modules whose logs can be read.
  package func loggedModules() async throws -> [String] {
    try await observe()
    return homes.keys.sorted()
  }
}

/// A module as lists show it.
package struct ModuleListing: Sendable {
  package let module: ModuleObservation
  package let kind: ModuleConfiguration.Kind
  package let status: RuntimeStatus
}

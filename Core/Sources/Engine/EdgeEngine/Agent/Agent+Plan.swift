public import HubContract

extension Agent {
  /// What to do now, in order (edge contract section 3.3).
  ///
  /// - Parameters:
  ///   - machine: all modules that there are.
  ///   - identityFaults: why modules, by name, have no identity; they are neither created nor
  ///     replaced.
  ///   - now: the time.
  /// - Returns: the steps in order; the driver tells of each how it ended.
  public mutating func plan(
    _ machine: [ModuleObservation],
    identityFaults: [String: String] = [:],
    now: Timestamp
  ) -> [AgentStep] {
    self.identityFaults = identityFaults
    guard let configuration else { return [] }
    var modules: [String: ModuleObservation] = [:]
    for module in machine { modules[module.name] = module }
    let wanted = ([configuration.edgeHub].compactMap { $0 } + configuration.modules)
    adopt(wanted, modules)
    clearRestarts(machine, now)

    var pass = Pass(modules: modules, now: now)
    let mayChange = updateMode == .nonBlocking || areAllImagesThere(&pass, configuration, wanted)
    // What is not wanted, and the agent, count as order 0.
    let orders = Set(wanted.map(\.startupOrder)).union([0]).sorted()
    for order in orders {
      let group = wanted.filter { $0.startupOrder == order }
      if mayChange {
        if order == 0 {
          planAgent(configuration.edgeAgent, &pass)
          planRemovals(machine, wanted, &pass)
        }
        for module in group { planDead(module, &pass) }
        for module in group { planChange(module, &pass) }
      }
      for module in group { planStatus(module, &pass) }
      // An earlier group's images come first, or it would not start first.
      pass.isHeld = pass.isHeld || pass.isFetching
    }
    // What no longer has to be done has no failure either.
    if mayChange { failures = failures.filter { pass.considered.contains($0.key) } }
    return pass.steps
  }

  /// What a pass knows and has decided so far.
  struct Pass {
    let modules: [String: ModuleObservation]
    let now: Timestamp
    var steps: [AgentStep] = []
    /// Whether the image of a module in this or an earlier group is being fetched.
    var isFetching = false
    /// Whether an earlier group waits for an image.
    var isHeld = false
    /// The modules that this pass has planned a change for.
    var changed: Set<String> = []
    /// The steps that are due, those among them that wait for another attempt.
    var considered: Set<String> = []
  }

  /// Takes modules that are as wanted, but of which nothing is kept, for deployed.
  private mutating func adopt(
    _ wanted: [ModuleConfiguration],
    _ modules: [String: ModuleObservation]
  ) {
    for module in wanted where records[module.name] == nil {
      if modules[module.name]?.isMade(as: module) == true {
        records[module.name] = ModuleRecord(module)
      }
    }
  }

  private mutating func clearRestarts(_ machine: [ModuleObservation], _ now: Timestamp) {
    for module in machine where restartRule.isWell(module, now: now) {
      records[module.name]?.restartCount = 0
    }
  }

  private mutating func planAgent(_ wanted: ModuleConfiguration?, _ pass: inout Pass) {
    guard let wanted, let current = pass.modules[wanted.name], !current.isMade(as: wanted),
      isImageThere(wanted, &pass)
    else { return }
    add(.updateAgent(wanted), &pass)
  }

  private mutating func planRemovals(
    _ machine: [ModuleObservation],
    _ wanted: [ModuleConfiguration],
    _ pass: inout Pass
  ) {
    let names = Set(wanted.map(\.name)).union([ModuleConfiguration.edgeAgent])
    for module in machine where !names.contains(module.name) {
      if module.isRunning { add(.stop(module.name), &pass) }
      add(.remove(module.name), &pass)
    }
    for name in records.keys where !names.contains(name) && pass.modules[name] == nil {
      records[name] = nil
    }
  }

  private mutating func planDead(_ module: ModuleConfiguration, _ pass: inout Pass) {
    guard pass.modules[module.name]?.state == .dead else { return }
    pass.changed.insert(module.name)
    add(.remove(module.name), &pass)
  }

  /// Creates what is not there and replaces what was deployed otherwise.
  private mutating func planChange(_ module: ModuleConfiguration, _ pass: inout Pass) {
    guard !pass.changed.contains(module.name) else { return }
    let exists = pass.modules[module.name] != nil
    if exists, var deployed = records[module.name]?.configuration {
      // A status that alone has changed needs no other container.
      deployed.status = module.status
      if deployed == module { return }
    }
    let step = exists ? AgentStep.replace(module) : .create(module)
    guard identityFaults[module.name] == nil, mayTry(step, &pass), !pass.isHeld,
      isImageThere(module, &pass)
    else { return }
    pass.changed.insert(module.name)
    pass.steps.append(step)
  }

  /// Starts, stops and restarts what is there.
  private mutating func planStatus(_ wanted: ModuleConfiguration, _ pass: inout Pass) {
    guard !pass.changed.contains(wanted.name), let module = pass.modules[wanted.name],
      let record = records[wanted.name]
    else { return }
    if wanted.status == .stopped {
      if module.isRunning {
        add(.stop(wanted.name), &pass)
      } else {
        records[wanted.name]?.configuration.status = .stopped
      }
      return
    }
    if record.configuration.status == .stopped {
      // Wanted stopped until now.
      if !module.isRunning, module.state != .dead { add(.start(wanted.name), &pass) }
      return
    }
    switch restartRule.decide(module, record, agentStart: start, now: pass.now) {
    case .leave, .wait, .exhausted: break
    case .start: add(.start(wanted.name), &pass)
    case .restart: add(.restart(wanted.name), &pass)
    }
  }

  /// Adds a step unless the last attempt at it has failed too recently.
  private func add(_ step: AgentStep, _ pass: inout Pass) {
    if mayTry(step, &pass) { pass.steps.append(step) }
  }

  /// Whether a step that is due has not failed too recently.
  private func mayTry(_ step: AgentStep, _ pass: inout Pass) -> Bool {
    pass.considered.insert(step.summary)
    guard let failure = failures[step.summary] else { return true }
    return failure.notBefore <= pass.now
  }

  // MARK: Images

  /// Whether a module can be created; if its image has to be fetched first, that is begun.
  private mutating func isImageThere(_ module: ModuleConfiguration, _ pass: inout Pass) -> Bool {
    guard module.kind == .docker, module.imagePullPolicy == .onCreate,
      !builtIns.contains(module.name)
    else { return true }
    switch pulls[module.pinnedImage] {
    case .done: return true
    case .underway: pass.isFetching = true
    case nil:
      let step = AgentStep.pull(image: module.pinnedImage)
      guard mayTry(step, &pass) else { return false }
      pulls[module.pinnedImage] = .underway
      pass.isFetching = true
      pass.steps.append(step)
    }
    return false
  }

  /// Whether all images of modules that have to be made are there; the missing ones are fetched.
  private mutating func areAllImagesThere(
    _ pass: inout Pass,
    _ configuration: AgentConfiguration,
    _ wanted: [ModuleConfiguration]
  ) -> Bool {
    var areThere = true
    if let agent = configuration.edgeAgent, let current = pass.modules[agent.name],
      !current.isMade(as: agent)
    {
      areThere = isImageThere(agent, &pass)
    }
    for module in wanted {
      if pass.modules[module.name] != nil, var deployed = records[module.name]?.configuration {
        deployed.status = module.status
        if deployed == module { continue }
      }
      areThere = isImageThere(module, &pass) && areThere
    }
    return areThere
  }
}

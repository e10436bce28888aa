import EdgeEngine
import HubContract
import JSONTree
import Testing

/// A machine that does what the agent plans.
struct FakeMachine {
  var agent: Agent
  var now = Timestamp(seconds: 100_000)
  var modules: [String: ModuleObservation] = [:]
  /// Images whose fetch has begun.
  var fetching: [String] = []
  /// Steps that fail, by their words.
  var broken: Set<String> = []

  init(_ configuration: AgentConfiguration? = nil, records: [String: ModuleRecord] = [:]) {
    agent = Agent(start: now, records: records)
    if let configuration { agent.deploy(configuration) }
  }

  var list: [ModuleObservation] { modules.values.sorted { $0.name < $1.name } }

  /// One pass; gives the words of its steps.
  mutating func pass(identityFaults: [String: String] = [:]) -> [String] {
    now = now.adding(seconds: 5)
    let steps = agent.plan(list, identityFaults: identityFaults, now: now)
    for step in steps {
      if case .pull(let image) = step {
        fetching.append(image)
        continue
      }
      if broken.contains(step.summary) {
        agent.ended(step, failure: "no way", now: now)
        continue
      }
      perform(step)
      agent.ended(step, failure: nil, now: now)
    }
    return steps.map(\.summary)
  }

  private mutating func perform(_ step: AgentStep) {
    switch step {
    case .pull: break
    case .updateAgent(let module), .create(let module), .replace(let module):
      let runs = module.status == .running
      modules[module.name] = ModuleObservation(
        name: module.name,
        state: runs ? .running : .created,
        lastStart: runs ? now : nil,
        image: module.image,
        createOptions: module.createOptions,
        environment: module.environment
      )
    case .stop(let name): end(name, .exited(0))
    case .remove(let name): modules[name] = nil
    case .start(let name), .restart(let name):
      modules[name]?.state = .running
      modules[name]?.lastStart = now
    }
  }

  mutating func end(_ name: String, _ state: ModuleObservation.State) {
    modules[name]?.state = state
    modules[name]?.lastExit = now
  }

  /// All fetches end well.
  mutating func fetched() {
    for image in fetching { agent.pullEnded(image: image, failure: nil, isPresent: true, now: now) }
    fetching = []
  }
}

@Suite("The agent's plan (edge contract 3.3, 3.4)")
struct AgentTests {
  /// A deployment of modules by name: start-up order, image, other members.
  static func deployment(
    _ modules: [String: (Int64, String, JSONObject)]
  ) throws -> AgentConfiguration {
    var members = JSONObject()
    for (name, (order, image, more)) in modules {
      var module: JSONObject = [
        "type": "docker", "status": "running", "restartPolicy": "always",
        "startupOrder": .int(order), "settings": ["image": .string(image)],
      ]
      for (key, value) in more { module[key] = value }
      members[name] = .object(module)
    }
    return try AgentConfiguration(desired: [
      "schemaVersion": "1.1", "runtime": ["type": "docker"], "systemModules": [:],
      "modules": .object(members),
    ])
  }

  @Test("images are fetched first, modules started in their order, and then all is quiet")
  func firstDeployment() throws {
    let configuration = try Self.deployment([
      "b": (1, "img-b", [:]), "a": (2, "img-a", [:]), "c": (2, "img-c", ["status": "stopped"]),
      "own": (2, "img-own", ["imagePullPolicy": "never"]),
    ])
    var machine = FakeMachine(configuration)
    #expect(machine.pass() == ["Fetching img-b"])
    #expect(machine.agent.status == nil)
    #expect(machine.pass() == [])
    machine.fetched()
    #expect(machine.pass() == ["Creating b", "Fetching img-a", "Fetching img-c", "Creating own"])
    machine.fetched()
    #expect(machine.pass() == ["Creating a", "Creating c"])
    #expect(machine.pass() == [])
    #expect(machine.agent.status == .ok)
    #expect(machine.modules["c"]?.state == .created)
    #expect(machine.modules["a"]?.state == .running)
  }

  @Test("what runs is restarted while an image is fetched (DIFF 6)")
  func restartDuringPull() throws {
    var machine = FakeMachine(try Self.deployment(["a": (0, "img-a", [:])]))
    _ = machine.pass()
    machine.fetched()
    _ = machine.pass()
    machine.agent.deploy(
      try Self.deployment(["a": (0, "img-a", [:]), "new": (0, "huge", [:])])
    )
    #expect(machine.pass() == ["Fetching huge"])
    machine.end("a", .exited(1))
    #expect(machine.pass() == [])
    #expect(machine.agent.status(of: machine.list[0], now: machine.now) == .backoff)
    #expect(machine.pass() == ["Restarting a"])
    #expect(machine.agent.records["a"]?.restartCount == 1)
    #expect(machine.agent.status == nil)
  }

  @Test("changes: replaced, removed, stopped, started; a status alone makes no new container")
  func changes() throws {
    let first = try Self.deployment([
      "a": (5, "1", [:]), "b": (5, "1", [:]), "gone": (5, "1", [:]), "c": (5, "1", [:]),
    ])
    var machine = FakeMachine(first)
    _ = machine.pass()
    machine.fetched()
    _ = machine.pass()
    machine.agent.deploy(
      try Self.deployment([
        "a": (5, "1", ["status": "stopped"]), "b": (5, "2", [:]), "c": (5, "1", ["version": "2"]),
      ])
    )
    // Image 1 is asked for anew: its tag may have moved.
    #expect(
      machine.pass() == [
        "Stopping gone", "Removing gone", "Fetching 2", "Fetching 1", "Stopping a",
      ]
    )
    #expect(machine.modules["gone"] == nil && machine.agent.records["gone"] == nil)
    machine.fetched()
    #expect(machine.pass() == ["Replacing b", "Replacing c"])
    #expect(machine.pass() == [])
    machine.agent.deploy(
      try Self.deployment([
        "a": (5, "1", [:]), "b": (5, "2", [:]), "c": (5, "1", ["version": "2"]),
      ])
    )
    #expect(machine.pass() == ["Starting a"])
    #expect(machine.agent.records["a"]?.restartCount == 0)
    #expect(machine.pass() == [])
    machine.end("b", .dead)
    #expect(machine.pass() == ["Removing b"])
    #expect(machine.pass() == ["Fetching 2"])
    machine.fetched()
    #expect(machine.pass() == ["Creating b"])
  }

  @Test("failures are retried with growing waits for ever, and named in the status (DIFF 7)")
  func failures() throws {
    var machine = FakeMachine(
      try Self.deployment([
        "a": (0, "1", ["imagePullPolicy": "never"]), "b": (9, "2", ["imagePullPolicy": "never"]),
      ])
    )
    machine.broken = ["Creating a"]
    // A step that fails stops no other.
    #expect(machine.pass() == ["Creating a", "Creating b"])
    #expect(machine.agent.status == DesiredStatus(.failed, "Creating a failed: no way"))
    var waits: [Int] = []
    for _ in 0..<7 {
      var passes = 1
      while machine.pass().isEmpty { passes += 1 }
      waits.append(passes * 5)
    }
    #expect(waits == [20, 40, 80, 160, 300, 300, 300])
    machine.agent.networkReturned()
    #expect(machine.pass() == ["Creating a"])
    #expect(machine.pass() == [])
    machine.broken = []
    machine.agent.networkReturned()
    #expect(machine.pass() == ["Creating a"])
    #expect(machine.agent.status == .ok)
    // Of what is no longer wanted no failure is told.
    machine.broken = ["Stopping a"]
    machine.agent.deploy(try Self.deployment(["b": (9, "2", ["imagePullPolicy": "never"])]))
    #expect(machine.pass() == ["Stopping a", "Removing a"])
    #expect(machine.pass() == [])
    #expect(machine.agent.status == .ok)
  }

  @Test("a module that cannot be created waits longer each time, though its image is fetched again")
  func failuresBehindPulls() throws {
    var machine = FakeMachine(try Self.deployment(["a": (0, "1", [:])]))
    machine.broken = ["Creating a"]
    var attempts: [Int64] = []
    for _ in 0..<40 {
      if machine.pass().contains("Creating a") { attempts.append(machine.now.seconds) }
      machine.fetched()
    }
    let waits = zip(attempts.dropFirst(), attempts).map { $0 - $1 }
    // Each fetch takes a pass.
    #expect(waits == [25, 45, 85])
    #expect(machine.agent.status == DesiredStatus(.failed, "Creating a failed: no way"))
  }

  @Test("an image that cannot be fetched: the local one is used (DIFF 1), else tried again")
  func pulls() throws {
    var machine = FakeMachine(try Self.deployment(["a": (0, "1", [:]), "b": (0, "2", [:])]))
    #expect(machine.pass() == ["Fetching 1", "Fetching 2"])
    machine.agent.pullEnded(image: "1", failure: "timed out", isPresent: true, now: machine.now)
    machine.agent.pullEnded(
      image: "2",
      failure: "timed out after 3 of 9 MB",
      isPresent: false,
      now: machine.now
    )
    #expect(machine.pass() == ["Creating a"])
    #expect(
      machine.agent.status == DesiredStatus(.failed, "Fetching 2 failed: timed out after 3 of 9 MB")
    )
    for _ in 0..<2 { #expect(machine.pass() == []) }
    #expect(machine.pass() == ["Fetching 2"])
    // A new deployment tries afresh.
    machine.agent.pullEnded(image: "2", failure: "x", isPresent: false, now: machine.now)
    #expect(machine.pass() == [])
    machine.agent.deploy(try Self.deployment(["a": (0, "1", [:]), "b": (1, "2", [:])]))
    #expect(machine.pass() == ["Fetching 2"])
  }

  @Test("WaitForAllPulls touches nothing that runs before all images are there")
  func waitForAllPulls() throws {
    var machine = FakeMachine(try Self.deployment(["a": (0, "1", [:]), "gone": (0, "1", [:])]))
    _ = machine.pass()
    machine.fetched()
    _ = machine.pass()
    machine.agent.updateMode = .waitForAllPulls
    machine.agent.deploy(
      try Self.deployment(["a": (0, "2", [:]), "new": (1, "3", [:]), "off": (1, "4", [:])])
    )
    #expect(machine.pass() == ["Fetching 2", "Fetching 3", "Fetching 4"])
    machine.agent.pullEnded(image: "2", failure: nil, isPresent: true, now: machine.now)
    machine.agent.pullEnded(image: "3", failure: nil, isPresent: true, now: machine.now)
    machine.agent.pullEnded(image: "4", failure: "away", isPresent: false, now: machine.now)
    #expect(machine.pass() == [])
    machine.end("a", .exited(1))
    #expect([machine.pass(), machine.pass()] == [[], ["Restarting a"]])
    #expect(machine.pass() == ["Fetching 4"])
    machine.fetched()
    #expect(
      machine.pass() == [
        "Stopping gone", "Removing gone", "Replacing a", "Creating new", "Creating off",
      ]
    )
  }

  @Test("modules without an identity are left out and named; others go on")
  func identities() throws {
    var machine = FakeMachine(
      try Self.deployment([
        "a": (0, "1", ["imagePullPolicy": "never"]), "b": (0, "2", ["imagePullPolicy": "never"]),
      ])
    )
    #expect(machine.pass(identityFaults: ["a": "no quota"]) == ["Creating b"])
    #expect(machine.agent.status == DesiredStatus(.failed, "a has no identity: no quota"))
    #expect(machine.pass() == ["Creating a"])
    #expect(machine.agent.status == .ok)
  }

  @Test("the agent itself is updated when its image, options or variables change")
  func itself() throws {
    func configuration(_ image: String, _ more: JSONObject = [:]) throws -> AgentConfiguration {
      var agent: JSONObject = ["type": "docker", "settings": ["image": .string(image)]]
      for (key, value) in more { agent[key] = value }
      return try AgentConfiguration(desired: [
        "schemaVersion": "1.1", "runtime": ["type": "docker"],
        "systemModules": ["edgeAgent": .object(agent)],
      ])
    }
    var machine = FakeMachine(try configuration("agent:1"))
    machine.modules["edgeAgent"] = ModuleObservation(
      name: "edgeAgent",
      state: .running,
      image: "agent:1"
    )
    #expect(machine.pass() == [])
    machine.agent.deploy(try configuration("agent:1", ["imagePullPolicy": "never"]))
    #expect(machine.pass() == [])
    machine.agent.deploy(try configuration("agent:2"))
    #expect(machine.pass() == ["Fetching agent:2"])
    machine.fetched()
    #expect(machine.pass() == ["Updating edgeAgent"])
    #expect(machine.pass() == [])
    machine.agent.deploy(try configuration("agent:2", ["env": ["A": ["value": "1"]]]))
    #expect(machine.pass() == ["Fetching agent:2"])
  }

  @Test("the source of an image: $upstream is the parent, credentials of the deployment go first")
  func sources() throws {
    let configuration = try AgentConfiguration(desired: AgentConfigurationTests.sample)
    var agent = FakeMachine(configuration).agent
    let own = [
      RegistryCredential(name: "x", address: "up", username: "u", password: "p"),
      RegistryCredential(name: "y", address: "other", username: "u", password: "p"),
    ]
    #expect(agent.source(of: "$upstream:443/a") == nil)
    #expect(agent.source(of: "plain")?.credential == nil)
    agent.parentHostName = "parent"
    let source = try #require(agent.source(of: "$upstream:443/a", ownCredentials: own))
    #expect(source.reference.description == "parent:443/a:latest")
    #expect(source.credential?.name == "up")
    let registry = "registry.example:5000"
    let rival = RegistryCredential(name: "z", address: registry, username: "u", password: "p")
    let image = "\(registry)/a"
    #expect(agent.source(of: image, ownCredentials: [rival])?.credential?.name == "own")
  }

  @Test("after a restart of the agent its records, or the machine, say what is deployed")
  func afterRestart() throws {
    let configuration = try Self.deployment(["a": (3, "1", ["version": "2"]), "b": (4, "2", [:])])
    var machine = FakeMachine(configuration)
    _ = machine.pass()
    machine.fetched()
    _ = machine.pass()
    machine.fetched()
    _ = machine.pass()
    machine.end("a", .exited(1))
    for _ in 0..<2 { _ = machine.pass() }
    #expect(machine.agent.records["a"]?.restartCount == 1)
    let kept = ModuleRecord.records(ModuleRecord.json(machine.agent.records))
    #expect(kept == machine.agent.records)
    #expect(kept["a"]?.lastRestart == machine.now)
    for records in [kept, [:], ModuleRecord.records(["a": ["configuration": 5], "b": 7])] {
      var next = FakeMachine(configuration, records: records)
      next.modules = machine.modules
      #expect(next.pass() == [])
      #expect(next.agent.records.keys.sorted() == ["a", "b"])
    }
    // Ten minutes of running clear the count.
    for _ in 0..<119 { _ = machine.pass() }
    #expect(machine.agent.records["a"]?.restartCount == 1)
    _ = machine.pass()
    #expect(machine.agent.records["a"]?.restartCount == 0)
  }
}

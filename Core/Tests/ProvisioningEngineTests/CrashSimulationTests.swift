import ByteIO
import HubContract
import HubEngine
import JSONTree
import ProvisioningEngine
import Simulation
import Testing

@Suite("Provisioning under crashes (simulation)")
struct CrashSimulationTests {
  /// Hubs, a service whose power fails, a driver that takes its steps, and devices that register.
  private struct World {
    struct Identity {
      let generation: Int
      var isEnabled = true
      /// Whether provisioning disabled it.
      var hasLeft = false
      var authentication: Authentication
      var tags: JSONObject = [:]

      var prior: PriorIdentity {
        PriorIdentity(
          generationID: "\(generation)",
          status: isEnabled ? .enabled : .disabled,
          statusReason: hasLeft ? "left" : nil,
          authentication: authentication,
          isEdge: false
        )
      }
    }

    /// What the hubs hold, which outlives every crash of the service.
    final class Hubs {
      var identities: [String: [String: Identity]] = [:]
      /// How often the service looked into the hub that is its own.
      var lookCount = 0
    }

    var service: TestService
    var random: SeededGenerator
    let registries: Hubs
    var hubs: [String: [String: Identity]] {
      get { registries.identities }
      nonmutating set { registries.identities = newValue }
    }
    /// What devices were told, by operation.
    var answers: [String: JSONValue] = [:]
    var operations: Set<String> = []
    let devices = ["d1", "d2", "d3"]
    var generation = 0
    /// Identities that an operator made, by their generations.
    var handMade: Set<Int> = []
    /// Devices that an operator disabled.
    var stopped: Set<String> = []
    /// Transactions that were undone, identities that left a hub, and those that were given back.
    var undoneCount = 0
    var moveCount = 0
    var givenBackCount = 0

    init(seed: UInt64) throws {
      random = SeededGenerator(seed: seed)
      let registries = Hubs()
      self.registries = registries
      service = TestService { hub, device in
        // The hub "a" shares the service's process, the others are asked.
        guard hub == "a" else { return nil }
        registries.lookCount += 1
        return .inspected(registries.identities[hub]?[device]?.prior)
      }
      service.engine.storage.begin()
      try service.put(.group("g"), body("a"))
      service.engine.storage.commit()
    }

    func body(_ hub: String) -> String {
      #"""
      {"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":
      {"certificate":"R"}}}},"allocationPolicy":"static","iotHubs":["\#(hub)"],
      "initialTwin":{"tags":{"from":"\#(hub)"}}}
      """#
    }

    mutating func chance(_ percent: Int) -> Bool {
      Int.random(in: 0..<100, using: &random) < percent
    }

    /// Runs a command in a transaction; false if the power failed before it was durable.
    mutating func transact(_ body: (inout TestService) throws -> Void) throws -> Bool {
      service.engine.storage.begin()
      if chance(8) {
        service.engine.storage.accessesUntilFault = Int.random(in: 0...4, using: &random)
      }
      do {
        try body(&service)
      } catch {
        guard service.engine.fault != nil else {
          service.engine.storage.rollback()
          throw error
        }
        service.engine.storage.rollback()
        service.engine.transactionUndone()
        undoneCount += 1
        return false
      }
      // A cut just before the commit.
      if chance(8) {
        service.engine.storage.rollback()
        undoneCount += 1
        return false
      }
      service.engine.storage.accessesUntilFault = nil
      service.engine.storage.commit()
      return true
    }

    mutating func turn() throws {
      service.now = service.now.adding(seconds: 1)
      switch Int.random(in: 0..<20, using: &random) {
      case 0...1:
        let hub = ["a", "b", "c"].randomElement(using: &random) ?? "a"
        let text = body(hub)
        _ = try transact { try $0.put(.group("g"), text, ifMatch: "*") }
      case 2...7:
        let device = devices.randomElement(using: &random) ?? "d1"
        let letter: Character = ["d", "e", "f"].randomElement(using: &random) ?? "d"
        let credential = try leaf(letter, device, signers: [("R", 1)])
        var id: String?
        let isDurable = try transact { id = try $0.register(device, credential).id }
        if isDurable, let id { operations.insert(id) }
      case 8...9: try ask()
      case 10: try operate()
      default:
        guard let id = try service.engine.view.runningOperations().randomElement(using: &random)
        else { return }
        try step(id)
      }
      try check()
    }

    /// What an operator does at the hubs with a device that is not just being assigned.
    mutating func operate() throws {
      let device = devices.randomElement(using: &random) ?? "d1"
      guard try service.engine.storage.runningOperation(of: device) == nil else { return }
      for hub in ["a", "b", "c"] where hubs[hub]?[device] == nil {
        generation += 1
        handMade.insert(generation)
        hubs[hub, default: [:]][device] = Identity(
          generation: generation,
          authentication: .certificateAuthority
        )
      }
      guard let home = (try? service.engine.view.registration(device))?.assignedHub,
        hubs[home]?[device]?.hasLeft == false
      else { return }
      if stopped.remove(device) == nil, chance(50) { stopped.insert(device) }
      hubs[home]?[device]?.isEnabled = !stopped.contains(device)
    }

    /// One step of an operation; the crash may come before it, or between it and its record.
    mutating func step(_ id: String) throws {
      guard let action = try service.engine.nextAction(id), !chance(5) else { return }
      let result = perform(action.step)
      if chance(10) { return }
      let now = service.now
      _ = try transact {
        _ = try $0.engine.record(result, for: id, attempt: action.attempt, now: now)
      }
    }

    /// What a hub does; now and then it does it and the answer is lost, or does nothing.
    mutating func perform(_ step: ProvisioningAction.Step) -> ProvisioningResult {
      if chance(15) { return .unavailable }
      let result = carryOut(step)
      return chance(10) ? .unavailable : result
    }

    mutating func carryOut(_ step: ProvisioningAction.Step) -> ProvisioningResult {
      switch step {
      case .allocate, .issue: return .done
      case .inspect(let hub, let device): return .inspected(hubs[hub]?[device]?.prior)
      case .detach(let hub, let device):
        guard let identity = hubs[hub]?[device] else { return .detached(nil) }
        if identity.isEnabled {
          hubs[hub]?[device]?.isEnabled = false
          hubs[hub]?[device]?.hasLeft = true
        }
        return .detached(
          DetachedIdentity(
            twin: InitialTwin(tags: identity.tags),
            status: identity.isEnabled || identity.hasLeft ? .enabled : .disabled
          )
        )
      case .install(let hub, let assignment):
        if chance(10) { return .refused(HubError(.tooManyDevices, "")) }
        let old = hubs[hub]?[assignment.deviceID]
        let twin = assignment.twin?.tags ?? [:]
        generation += 1
        var identity = Identity(
          generation: old?.generation ?? generation,
          isEnabled: assignment.status == .enabled,
          authentication: assignment.authentication,
          tags: assignment.keepsTwin ? old?.tags ?? twin : twin
        )
        if let old, !old.hasLeft, assignment.keepsTwin || !old.isEnabled {
          identity.isEnabled = old.isEnabled
        }
        hubs[hub, default: [:]][assignment.deviceID] = identity
        return .done
      case .remove(let hub, let device):
        if hubs[hub]?.removeValue(forKey: device) != nil { moveCount += 1 }
        return .done
      case .withdraw(let hub, let device, let prior):
        guard let identity = hubs[hub]?[device] else { return .done }
        guard let prior, prior.generationID == "\(identity.generation)" else {
          #expect(!handMade.contains(identity.generation), "an operator's identity is deleted")
          hubs[hub]?[device] = nil
          return .done
        }
        givenBackCount += 1
        hubs[hub]?[device]?.isEnabled = prior.status == .enabled
        hubs[hub]?[device]?.hasLeft = prior.statusReason != nil
        hubs[hub]?[device]?.authentication = prior.authentication
        return .done
      case .reattach(let hub, let device):
        guard hubs[hub]?[device]?.hasLeft == true else { return .done }
        hubs[hub]?[device]?.hasLeft = false
        hubs[hub]?[device]?.isEnabled = true
        return .done
      }
    }

    mutating func ask() throws {
      guard let id = operations.randomElement(using: &random) else { return }
      for device in devices {
        guard let operation = try? service.engine.view.operation(id, of: device),
          operation.isFinished
        else { continue }
        if let told = answers[id] {
          #expect(told == operation.json, "an answer changed")
        }
        answers[id] = operation.json
      }
    }

    func check() throws {
      for device in devices {
        // The device has no credential for what an operator made until that is assigned to it.
        let homes = hubs.filter {
          guard let identity = $0.value[device] else { return false }
          return identity.isEnabled && identity.authentication != .certificateAuthority
        }.keys
        #expect(homes.count <= 1, "\(device) is enabled at \(homes)")
        #expect(homes.isEmpty || !stopped.contains(device), "\(device) was disabled")
      }
    }

    /// Everything comes to an end, and each device is where it was told to be.
    mutating func settle() throws {
      var turns = 0
      while let id = try service.engine.view.runningOperations().first {
        turns += 1
        try #require(turns < 2000, "an operation without end")
        try step(id)
        try check()
      }
      for id in operations {
        var found = 0
        for device in devices where (try? service.engine.view.operation(id, of: device)) != nil {
          found += 1
        }
        #expect(found == 1, "an operation is gone")
      }
      for device in devices {
        guard let state = try? service.engine.view.registration(device) else { continue }
        #expect(state.status == .assigned || state.status == .failed)
        guard let hub = state.assignedHub else { continue }
        for (other, identities) in hubs where other != hub {
          guard let identity = identities[device], identity.isEnabled else { continue }
          #expect(identity.authentication == .certificateAuthority)
        }
        guard state.status == .assigned else { continue }
        let identity = hubs[hub]?[device]
        #expect(identity?.isEnabled == !stopped.contains(device))
        guard case .certificate(let leaf, _) = state.proof else { continue }
        guard case .selfSigned(let primary, _)? = identity?.authentication else {
          Issue.record("no certificate at the hub")
          continue
        }
        #expect(primary == leaf.sha256)
      }
    }
  }

  @Test("a device is enabled at one hub at most, and an answer once given stays")
  func crashes() throws {
    var (undone, moves, operations, givenBack, looks) = (0, 0, 0, 0, 0)
    for seed in 0..<40 as Range<UInt64> {
      var world = try World(seed: seed)
      do {
        for _ in 0..<350 { try world.turn() }
        try world.settle()
      } catch {
        Issue.record("seed \(seed): \(error)")
        return
      }
      undone += world.undoneCount
      moves += world.moveCount
      operations += world.operations.count
      givenBack += world.givenBackCount
      looks += world.registries.lookCount
    }
    // A net that catches nothing proves nothing.
    #expect(undone > 500)
    #expect(moves > 300)
    #expect(operations > 1000)
    #expect(givenBack > 10)
    #expect(looks > 100)
  }
}

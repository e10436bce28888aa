import HubContract
import HubEngine
import Logging
import Platform
import Synchronization

/// Says where the hub has to commit a fault that a tester asked for.
///
/// While none is armed, which is always so in a hub that is not for tests, asking costs one look at a
/// flag.
final class FaultInjector: Sendable {
  /// Whether this hub may be asked for faults at all.
  let isAllowed: Bool
  private let isArmed = Atomic<Bool>(false)
  private let plan = Mutex(FaultPlan())
  private let logger: Logger

  init(isAllowed: Bool, logger: Logger) {
    self.isAllowed = isAllowed
    self.logger = logger
  }

  /// How often faults of one kind have struck.
  subscript(kind: InjectedFault.Kind) -> Int { plan.withLock { $0.strikes[kind] ?? 0 } }

  /// The faults that are armed, in their order.
  var armed: [FaultPlan.Armed] { change { $0.armed(now: SystemClock.now()) } }

  /// Arms `fault`, in place of the one of the same name.
  ///
  /// - Throws: 429004 if as many are armed as may.
  func arm(_ fault: InjectedFault) throws(HubError) {
    let refusal = change { plan -> HubError? in
      do throws(HubError) {
        try plan.arm(fault, now: SystemClock.now())
        return nil
      } catch {
        return error
      }
    }
    if let refusal { throw refusal }
    logger.notice("fault armed", metadata: ["fault": "\(fault.name)", "kind": "\(fault.kind)"])
  }

  /// Removes the fault called `name`; false if there is none.
  func disarm(_ name: String) -> Bool { change { $0.disarm(name) } }

  /// Removes all of them.
  func disarmAll() { change { $0.disarmAll() } }

  /// The fault that has to be committed here and now; nil for none.
  func strike(
    _ kind: InjectedFault.Kind,
    deviceID: @autoclosure () -> String? = nil,
    path: String? = nil
  ) -> InjectedFault? {
    guard isArmed.load(ordering: .relaxed) else { return nil }
    let deviceID = deviceID()
    return change {
      $0.strike(
        kind,
        deviceID: deviceID,
        path: path,
        now: SystemClock.now(),
        chance: Double.random(in: 0..<1)
      )
    }
  }

  /// Waits as long as the fault that strikes says, if one does.
  func delay(_ kind: InjectedFault.Kind, deviceID: String? = nil, path: String? = nil) async {
    guard let fault = strike(kind, deviceID: deviceID, path: path) else { return }
    try? await Pause.sleep(for: .milliseconds(Int64(clamping: fault.delayMilliseconds)))
  }

  /// The faults that strike by themselves and are due.
  func due() -> [InjectedFault] {
    guard isArmed.load(ordering: .relaxed) else { return [] }
    return change { $0.due(now: SystemClock.now()) { Double.random(in: 0..<1) } }
  }

  /// By how many seconds the hub's clock has to be wrong.
  var clockShift: Int64 {
    guard isArmed.load(ordering: .relaxed) else { return 0 }
    return change { $0.clockShift(now: SystemClock.now()) }
  }

  private func change<Value>(_ body: (inout FaultPlan) -> Value) -> Value {
    plan.withLock { plan in
      defer { isArmed.store(!plan.isEmpty, ordering: .relaxed) }
      return body(&plan)
    }
  }
}

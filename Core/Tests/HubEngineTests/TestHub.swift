import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

/// A hub over memory with a clock that the test moves, and no randomness.
struct TestHub {
  var engine: HubEngine<SimHubStorage>
  var now = Timestamp(seconds: 1_800_000_000)

  init(quotas: Quotas = Quotas(), rules: CloudToDeviceRules = CloudToDeviceRules()) {
    let counter = Counter()
    engine = HubEngine(
      storage: SimHubStorage(),
      quotas: quotas,
      cloudToDeviceRules: rules,
      entropy: counter.bytes
    )
  }

  mutating func device(
    _ id: String,
    isEdge: Bool = false,
    scope: String? = nil
  ) throws(HubError) -> DeviceIdentity {
    try engine.putDevice(
      DeviceIdentityRequest(deviceID: id, isEdge: isEdge, deviceScope: scope),
      ifMatch: .absent,
      now: now
    )
  }

  mutating func module(_ device: String, _ id: String) throws(HubError) -> ModuleIdentity {
    try engine.putModule(
      ModuleIdentityRequest(deviceID: device, moduleID: id),
      ifMatch: .absent,
      now: now
    )
  }

  /// The twin as the service sees it.
  func twin(
    _ key: IdentityKey,
    facts: ConnectionFacts = ConnectionFacts()
  ) throws -> JSONValue {
    try JSON.parse(engine.view.twin(key, facts: facts).body)
  }

  /// The effects since the last call, events left out.
  mutating func effects() -> [HubEffect] {
    engine.takeEffects().filter { if case .event = $0 { false } else { true } }
  }

  /// The events since the last call.
  mutating func events() -> [HubEvent] {
    engine.takeEffects().compactMap { if case .event(let event) = $0 { event } else { nil } }
  }
}

/// Bytes that never repeat, in place of entropy.
private final class Counter {
  private var count: UInt64 = 0

  func bytes(_ wanted: Int) -> [UInt8] {
    count += 1
    var bytes = [UInt8](repeating: 0, count: wanted)
    for index in 0..<min(8, wanted) {
      bytes[index] = UInt8(truncatingIfNeeded: count >> (8 * index))
    }
    return bytes
  }
}

/// The refusal's code, nil if there was none.
func code(_ body: () throws(HubError) -> Void) -> HubErrorCode? {
  do {
    try body()
    return nil
  } catch {
    return error.code
  }
}

/// JSON from a literal text.
func json(_ text: String) throws -> JSONValue { try JSON.parse(text) }

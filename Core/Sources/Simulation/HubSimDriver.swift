import HubContract
import HubEngine
import JSONTree

/// The driver of a simulated hub: what the Platform does around the engine, in its simplest form.
///
/// Requests gather until the next commit. Then each runs in one transaction, and only when that is
/// durable are they answered and their effects carried out. What the hub itself owes (giving held
/// messages back, completing them, handing out the next) is tried again when a commit fails.
struct HubSimDriver {
  enum Work {
    case request(HubSimRequest)
    case uplink(HubSimConnection, HubSimUplink)
    /// A connection is gone.
    case release(HubSimConnection)
    /// A device's queue may have something for its connection.
    case pump(device: Int)
    /// Events of the hub's own are in the log.
    case forgetEvents(through: UInt64)
  }

  enum Output {
    case answer(HubSimRequest, Bool)
    case send(HubSimConnection, HubSimDownlink)
  }

  static let window = 4
  let mistake: HubSimMistake?
  var engine: HubEngine<SimHubStorage>
  /// Work that waits for the next commit.
  var pending: [Work] = []
  /// The connection of each connected device.
  var connections: [Int: HubSimConnection] = [:]
  /// The number of each connection, which begins anew with the hub.
  var numbers: [HubSimConnection: UInt64] = [:]
  /// Messages that each connection holds.
  var held: [HubSimConnection: Int] = [:]
  /// The hub's own events in the log, which a power cut leaves as it is.
  private(set) var log: [OutgoingEvent] = []
  /// The last of them, as long as it is remembered.
  private var appended: UInt64 = 0
  /// What a mistaken driver has forgotten before it is in the log.
  private var forgotten: [OutgoingEvent] = []

  init(mistake: HubSimMistake?, engine: HubEngine<SimHubStorage>) {
    self.mistake = mistake
    self.engine = engine
  }

  /// A hub where everything that happens is an event.
  static func routes() -> RoutingTable {
    var configuration = RoutingConfiguration()
    configuration.routes = HubEvent.sources.map {
      Route(name: $0.routeName, source: $0, endpointNames: ["events"])
    }
    // The checker misses the events if it is none.
    return (try? RoutingTable(configuration, hubName: "hub")) ?? .builtIn
  }

  static func deviceID(_ index: Int) -> String { "device-\(index)" }

  /// Another connection, from now on its device's only one.
  mutating func accepted(_ connection: HubSimConnection) {
    numbers[connection] = UInt64(numbers.count) + 1
    connections[connection.device] = connection
  }

  private func number(of connection: HubSimConnection) -> ConnectionID {
    ConnectionID(numbers[connection] ?? 0)
  }

  /// The power is gone, and with it all that was in memory.
  mutating func cutPower() {
    engine.storage.cutPower()
    engine.transactionUndone()
    pending = []
    connections = [:]
    numbers = [:]
    held = [:]
    appended = 0
    forgotten = []
  }

  /// Appends the events that wait to the log.
  mutating func moveEvents() {
    if !forgotten.isEmpty { log += forgotten }
    forgotten = []
    let events = engine.storage.durable.outgoingEvents.filter { $0.sequence > appended }
    guard let last = events.last else { return }
    appended = last.sequence
    pending.append(.forgetEvents(through: last.sequence))
    if mistake == .forgetsEventsBeforeAppending { forgotten = events } else { log += events }
  }

  /// A connection is gone, or another has taken its place.
  mutating func lost(_ connection: HubSimConnection) {
    if connections[connection.device] == connection { connections[connection.device] = nil }
    held[connection] = nil
    pending.append(.release(connection))
  }

  /// Runs all that waits in one transaction and commits it.
  mutating func commit(now: Timestamp) -> [Output] {
    let batch = pending
    pending = []
    engine.storage.begin()
    var outputs: [Output] = []
    for work in batch {
      outputs += run(work, now: now)
      if engine.fault != nil { break }
    }
    guard let effects = engine.commit() else {
      if mistake != .answersBeforeCommit { outputs = [] }
      return outputs + failed(batch)
    }
    let caused = carryOut(effects)
    return mistake == .carriesOutBeforeAnswering ? caused + outputs : outputs + caused
  }

  private mutating func run(_ work: Work, now: Timestamp) -> [Output] {
    switch work {
    case .request(let request):
      do throws(HubError) {
        try run(request, now: now)
        return [.answer(request, true)]
      } catch {
        // A second try of a creation that was not answered finds the device.
        return [.answer(request, error.code == .deviceAlreadyExists)]
      }
    case .uplink(let connection, let uplink):
      return (try? run(uplink, of: connection, now: now)) ?? []
    case .release(let connection):
      let key = IdentityKey(deviceID: Self.deviceID(connection.device))
      try? engine.releaseCloudToDevice(
        of: key.deviceID,
        holder: number(of: connection),
        now: now
      )
      try? engine.disconnected(key, lastActivity: now, now: now)
      return []
    case .forgetEvents(let sequence):
      try? engine.eventsAppended(through: sequence)
      return []
    case .pump(let device):
      guard let connection = connections[device] else { return [] }
      let messages = try? engine.takeCloudToDevice(
        of: Self.deviceID(device),
        limit: Self.window - (held[connection] ?? 0),
        holder: number(of: connection),
        hold: .connection,
        now: now
      )
      return (messages ?? []).map { .send(connection, .message($0)) }
    }
  }

  private mutating func run(_ request: HubSimRequest, now: Timestamp) throws(HubError) {
    let key = IdentityKey(deviceID: Self.deviceID(request.device))
    switch request {
    case .create:
      _ = try engine.putDevice(
        DeviceIdentityRequest(deviceID: key.deviceID),
        ifMatch: .absent,
        now: now
      )
    case .update(_, let number):
      _ = try engine.putDevice(
        DeviceIdentityRequest(deviceID: key.deviceID, statusReason: String(number)),
        ifMatch: .any,
        now: now
      )
    case .patchDesired(_, let number):
      let other = "k\(number % 5)"
      let value: JSONValue = number % 3 == 0 ? .null : .object(["v": .int(number)])
      _ = try engine.updateTwin(
        key,
        TwinUpdate(desired: .set(["n": .int(number), other: value])),
        replacing: false,
        ifMatch: .any,
        now: now
      )
    case .enqueue(_, let number):
      _ = try engine.enqueue(
        CloudToDeviceRequest(recipient: key, body: [UInt8](String(number).utf8)),
        now: now
      )
    }
  }

  private mutating func run(
    _ uplink: HubSimUplink,
    of connection: HubSimConnection,
    now: Timestamp
  ) throws(HubError) -> [Output] {
    let key = IdentityKey(deviceID: Self.deviceID(connection.device))
    switch uplink {
    case .connect:
      try engine.connected(key, now: now)
      let row = try engine.view.device(key.deviceID)
      guard row.identity.status == .enabled else { return [] }
      return [.send(connection, .connected)]
    case .getTwin:
      return [.send(connection, .twin(try engine.view.twinForClient(key)))]
    case .patchReported(let value):
      _ = try engine.patchReported(key, ["n": .int(value)], now: now)
      return [.send(connection, .reportedAnswer(value, isDone: true))]
    case .complete(let token):
      try engine.completeCloudToDevice(of: key.deviceID, token: token, now: now)
      return []
    }
  }

  /// The transaction was undone: answers what can be answered, keeps what must happen.
  private mutating func failed(_ batch: [Work]) -> [Output] {
    var outputs: [Output] = []
    var owed: [Work] = []
    for work in batch {
      switch work {
      case .request(let request): outputs.append(.answer(request, false))
      case .uplink(let connection, .patchReported(let value)):
        outputs.append(.send(connection, .reportedAnswer(value, isDone: false)))
      case .pump where mistake == .forgetsFailedPumps: break
      case .uplink(_, .complete), .release, .pump, .forgetEvents: owed.append(work)
      case .uplink: break
      }
    }
    pending = owed + pending
    return outputs
  }

  private mutating func carryOut(_ effects: [HubEffect]) -> [Output] {
    var outputs: [Output] = []
    for effect in effects {
      switch effect {
      case .desiredChanged(let change):
        for connection in connections.values
        where Self.deviceID(connection.device) == change.key.deviceID {
          outputs.append(.send(connection, .desired(change.body)))
        }
      case .cloudToDeviceAvailable(let deviceID):
        for device in connections.keys where Self.deviceID(device) == deviceID {
          pending.append(.pump(device: device))
        }
      default: break
      }
    }
    return outputs
  }
}

/// A fault in the driver that the checkers must find; it is how they are themselves tested.
public enum HubSimMistake: Sendable, CaseIterable {
  /// Answers whether or not the commit succeeds.
  case answersBeforeCommit
  /// Forgets to give back what was held before a restart.
  case keepsHoldsAtRestart
  /// Carries out what a transaction causes before it answers the commands, so that a device hears
  /// of a version and then gets the answer to an earlier question.
  case carriesOutBeforeAnswering
  /// Does not try again to hand out messages when the commit failed.
  case forgetsFailedPumps
  /// Removes events from the storage before they are in the log.
  case forgetsEventsBeforeAppending
}

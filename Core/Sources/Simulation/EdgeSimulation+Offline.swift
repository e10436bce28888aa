import ByteIO
import EdgeEngine
import HubContract

extension EdgeSimulation {
  /// Prepares a case for the offline table: nothing fails but what it names.
  public init(seed: UInt64, offline: EdgeOfflineCase) {
    self.init(seed: seed, days: offline.days + 1, powerCuts: 0, mistake: nil, offline: offline)
  }

  /// What happens in `offline`.
  mutating func plan(_ offline: EdgeOfflineCase) {
    // The senders take turns.
    let turn = Self.day / UInt64(max(offline.messagesPerDay, 1))
    for sender in senders.indices {
      scheduler.schedule(.produce(sender), afterMilliseconds: turn * UInt64(sender) + 60_000)
    }
    for twin in twins.indices {
      schedule(.reportTwin(twin), within: 4 * Self.day)
      schedule(.changeDesired(twin), within: 4 * Self.day)
    }
    scheduler.schedule(.powerOn, afterMilliseconds: 0)
    scheduler.schedule(.linkUp, afterMilliseconds: 1)
    scheduler.schedule(.linkDown, afterMilliseconds: Self.day)
    scheduler.schedule(.upkeep, afterMilliseconds: 2)
    let all = UInt64(offline.days + 1) * Self.day * 19 / 20
    for _ in 0..<offline.powerCuts { schedule(.powerCut, within: all) }
    if case .set(let times) = offline.clock {
      for _ in 0..<times { schedule(.clockStep, within: all) }
    }
  }

  /// One message of a sender in `offline`, and when the next one comes.
  mutating func produce(_ index: Int, _ offline: EdgeOfflineCase) {
    senders[index].produce(1)
    send([index])
    let turn = Self.day / UInt64(max(offline.messagesPerDay, 1))
    scheduler.schedule(.produce(index), afterMilliseconds: turn * UInt64(senders.count))
  }
}

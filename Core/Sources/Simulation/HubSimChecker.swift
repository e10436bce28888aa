import HubContract
import HubEngine
import JSONTree

/// What the hub has acknowledged, compared with what it has: at every commit and restart.
struct HubSimChecker {
  /// The devices whose creation was acknowledged.
  private(set) var created: Set<Int> = []
  private var updates: [Int: Int64] = [:]
  private var desired: [Int: Int64] = [:]
  private var versions: [Int: UInt64] = [:]
  private var enqueued: [Int: Set<String>] = [:]
  private var numbers: [[UInt8]: Int64] = [:]
  private(set) var acknowledgedCount = 0

  /// A back end was told that its request is done.
  mutating func acknowledged(_ request: HubSimRequest) {
    acknowledgedCount += 1
    switch request {
    case .create(let device): created.insert(device)
    case .update(let device, let number):
      updates[device] = max(updates[device] ?? 0, number)
    case .patchDesired(let device, let number):
      desired[device] = max(desired[device] ?? 0, number)
    case .enqueue(let device, let number):
      enqueued[device, default: []].insert(String(number))
    }
  }

  /// Compares what was acknowledged with what is durable.
  ///
  /// - Returns: the first rule that is broken, nil if all hold.
  mutating func broken(_ tables: HubTables, _ devices: [HubSimDevice]) -> String? {
    for device in devices {
      let id = HubSimDriver.deviceID(device.index)
      guard let identity = tables.devices[id] else {
        if created.contains(device.index) { return "\(id) was created and is gone" }
        continue
      }
      let key = IdentityKey(deviceID: id)
      guard let twin = tables.twins[key] else { return "\(id) has no twin" }
      let reason = identity.statusReason.flatMap { Int64($0) } ?? 0
      if reason < updates[device.index] ?? 0 {
        return "\(id): update \(updates[device.index] ?? 0) was acknowledged, \(reason) is there"
      }
      if let wanted = desired[device.index], number(twin.desired) < wanted {
        return "\(id): desired \(wanted) was acknowledged, \(number(twin.desired)) is there"
      }
      if twin.desired.version < versions[device.index] ?? 0 {
        return "\(id): the desired version went back"
      }
      versions[device.index] = twin.desired.version
      if device.desiredVersion > twin.desired.version {
        return "\(id): the device was told of version \(device.desiredVersion) that is not durable"
      }
      if number(twin.reported) < device.reportedAcknowledged {
        return "\(id): reported \(device.reportedAcknowledged) was acknowledged and is gone"
      }
      let waiting = tables.cloudToDevice.filter { $0.deviceID == id }
      let known = Set(waiting.map { String(decoding: $0.body, as: UTF8.self) })
        .union(device.received)
      if let lost = enqueued[device.index]?.subtracting(known).min() {
        return "\(id): message \(lost) was acknowledged and is gone"
      }
    }
    return nil
  }

  /// Compares the copies once nothing is under way any more.
  ///
  /// - Returns: the first that differ, nil if all agree.
  mutating func diverged(_ tables: HubTables, _ devices: [HubSimDevice]) -> String? {
    for device in devices {
      let id = HubSimDriver.deviceID(device.index)
      guard let twin = tables.twins[IdentityKey(deviceID: id)] else {
        return "\(id) does not exist in the end"
      }
      guard device.isConnected else { return "\(id) is not connected in the end" }
      guard device.desiredVersion == twin.desired.version,
        (try? JSON.parse(twin.desired.properties))?.objectValue == device.desired
      else {
        return "\(id) has desired version \(device.desiredVersion), the hub \(twin.desired.version)"
      }
      guard number(twin.reported) == device.reported else {
        return "\(id) reports \(device.reported), the hub has \(number(twin.reported))"
      }
      let waiting = tables.cloudToDevice.count { $0.deviceID == id }
      guard waiting == 0 else { return "\(waiting) messages wait for \(id) in the end" }
      if let lost = enqueued[device.index]?.subtracting(device.received).min() {
        return "\(id) never got message \(lost)"
      }
    }
    return nil
  }

  /// The property `n`, parsed once for each text.
  private mutating func number(_ section: TwinSection) -> Int64 {
    if let known = numbers[section.properties] { return known }
    let number = (try? JSON.parse(section.properties))?["n"]?.int64Value ?? 0
    numbers[section.properties] = number
    return number
  }
}

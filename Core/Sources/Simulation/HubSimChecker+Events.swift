import ByteIO
import HubContract
import HubEngine

extension HubSimChecker {
  /// Compares the hub's own events in the log with what has happened.
  ///
  /// The first time that events arrive they do so in order, without a gap; they may come again.
  ///
  /// - Returns: the first that is missing, nil if all are there.
  func missingEvent(_ tables: HubTables, _ log: [OutgoingEvent]) -> String? {
    var created: Set<String> = []
    var versions: [String: UInt64] = [:]
    var connections: [String: UInt64] = [:]
    for event in log {
      let id = event.deviceID
      let record = event.record
      guard let view = try? EventView(record.span) else { return "an event of \(id) is none" }
      switch view.source {
      case .deviceLifecycle: created.insert(id)
      case .twinChange:
        // {"version":n,… A new twin has version 2.
        let digits = view.body.array().dropFirst(11).prefix { (0x30...0x39).contains($0) }
        let version = UInt64(String(decoding: digits, as: UTF8.self)) ?? 0
        let last = versions[id] ?? 2
        if version > last + 1 { return "\(id): no event of version \(last + 1)" }
        versions[id] = max(last, version)
      case .deviceConnectionState:
        // {"sequenceNumber":"…64 digits"}
        let digits = view.body.array().dropLast(2).suffix(16)
        let number = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
        let last = connections[id] ?? 0
        if number > last + 1 { return "\(id): no event of connection \(last + 1)" }
        connections[id] = max(last, number)
      default: return "an event of \(view.source.name)"
      }
    }
    for (id, device) in tables.devices {
      if !created.contains(id) { return "\(id): no event of its creation" }
      if tables.twins[device.key]?.version != versions[id] ?? 2 {
        return "\(id): no event of its last version"
      }
      if tables.connections[device.key]?.sequenceNumber ?? 0 != connections[id] ?? 0 {
        return "\(id): no event of its last connection"
      }
    }
    return tables.outgoingEvents.isEmpty ? nil : "events wait for the log in the end"
  }
}

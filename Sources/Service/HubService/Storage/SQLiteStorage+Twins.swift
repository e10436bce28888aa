import GRDB
import HubContract
import HubEngine
import JSONTree

extension SQLiteStorage {
  func twin(_ key: IdentityKey) throws(StorageFault) -> TwinRecord? {
    try first(
      Self.selectTwin + " WHERE t.device = ? AND t.module = ?",
      [key.deviceID, key.moduleColumn],
      Self.twin
    )
  }

  func twinKeys(
    holding property: PropertyFingerprint,
    after key: IdentityKey?,
    limit: Int
  ) throws(StorageFault) -> [IdentityKey] {
    try all(
      """
      SELECT device, module FROM twin_property
      WHERE fingerprint = ? AND (device, module) > (?, ?) ORDER BY device, module LIMIT ?
      """,
      [property.rawValue, key?.deviceID ?? "", key?.moduleColumn ?? "", limit]
    ) { row in IdentityKey(device: row[0], moduleColumn: row[1]) }
  }

  mutating func put(_ twin: TwinRecord) throws(StorageFault) {
    try changeProperties(from: try self.twin(twin.key), to: twin)
    try execute(
      "INSERT OR REPLACE INTO twin VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [
        twin.key.deviceID, twin.key.moduleColumn, Int64(bitPattern: twin.etagCounter),
        Int64(bitPattern: twin.version), blob(twin.tags), blob(twin.desired.properties),
        blob(twin.desired.metadata), Int64(bitPattern: twin.desired.version),
        blob(twin.reported.properties), blob(twin.reported.metadata),
        Int64(bitPattern: twin.reported.version), twin.modelID,
      ]
    )
  }

  mutating func deleteTwin(_ key: IdentityKey) throws(StorageFault) {
    guard let twin = try self.twin(key) else { return }
    try changeProperties(from: twin, to: nil)
    try setConfigurationState(nil, of: key)
    try execute(
      "DELETE FROM twin WHERE device = ? AND module = ?",
      [key.deviceID, key.moduleColumn]
    )
  }

  /// Brings the index of properties from one twin to the next.
  private func changeProperties(
    from old: TwinRecord?,
    to new: TwinRecord?
  ) throws(StorageFault) {
    guard let key = (new ?? old)?.key else { return }
    let change = PropertyFingerprint.changes(from: old, to: new)
    // One statement for all: a statement costs more than the entry that it writes.
    if !change.removed.isEmpty {
      try execute(
        """
        DELETE FROM twin_property
        WHERE fingerprint IN (SELECT value FROM json_each(?)) AND device = ? AND module = ?
        """,
        [list(change.removed), key.deviceID, key.moduleColumn]
      )
    }
    if !change.added.isEmpty {
      try execute(
        "INSERT OR IGNORE INTO twin_property SELECT value, ?, ? FROM json_each(?)",
        [key.deviceID, key.moduleColumn, list(change.added)]
      )
    }
  }

  /// The fingerprints as a JSON array.
  private func list(_ properties: Set<PropertyFingerprint>) -> String {
    "[" + properties.map { String($0.rawValue) }.joined(separator: ",") + "]"
  }

  /// Fills the index of properties from the twins that are there.
  func listProperties() throws(StorageFault) {
    try attempt { database in
      let twins = try Row.fetchCursor(database, sql: Self.selectTwin)
      while let row = try twins.next() { try changeProperties(from: nil, to: Self.twin(row)) }
    }
  }

  func connection(of key: IdentityKey) throws(StorageFault) -> ConnectionRecord? {
    try row(
      "SELECT * FROM connection WHERE device = ? AND module = ?",
      [key.deviceID, key.moduleColumn]
    ).map {
      ConnectionRecord(
        stateUpdatedTime: $0.time("state_time"),
        lastActivityTime: $0.time("activity_time"),
        sequenceNumber: $0.number("sequence")
      )
    }
  }

  mutating func setConnection(
    _ connection: ConnectionRecord?,
    of key: IdentityKey
  ) throws(StorageFault) {
    guard let connection else {
      return try execute(
        "DELETE FROM connection WHERE device = ? AND module = ?",
        [key.deviceID, key.moduleColumn]
      )
    }
    try execute(
      "INSERT OR REPLACE INTO connection VALUES (?, ?, ?, ?, ?)",
      [
        key.deviceID, key.moduleColumn, connection.stateUpdatedTime.ticks,
        connection.lastActivityTime.ticks, Int64(bitPattern: connection.sequenceNumber),
      ]
    )
  }

  func subscriptions(of key: IdentityKey) throws(StorageFault) -> [SessionSubscription]? {
    guard
      let row = try row(
        "SELECT filters FROM subscription WHERE device = ? AND module = ?",
        [key.deviceID, key.moduleColumn]
      )
    else { return nil }
    let text: String = row["filters"]
    guard let object = (try? JSON.parse(text))?.objectValue else {
      throw .corrupt("session of \(key)")
    }
    return object.map { filter, quality in
      SessionSubscription(filter: filter, quality: quality.int64Value == 1 ? 1 : 0)
    }
  }

  mutating func setSubscriptions(
    _ subscriptions: [SessionSubscription]?,
    of key: IdentityKey
  ) throws(StorageFault) {
    guard let subscriptions else {
      return try execute(
        "DELETE FROM subscription WHERE device = ? AND module = ?",
        [key.deviceID, key.moduleColumn]
      )
    }
    var object = JSONObject()
    for subscription in subscriptions {
      object[subscription.filter] = .int(Int64(subscription.quality))
    }
    try execute(
      "INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)",
      [key.deviceID, key.moduleColumn, JSON.text(.object(object))]
    )
  }
}

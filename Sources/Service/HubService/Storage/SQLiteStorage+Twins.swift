import GRDB
import HubContract
import HubEngine
import JSONTree

extension SQLiteStorage {
  func twin(_ key: IdentityKey) throws(StorageFault) -> TwinRecord? {
    try row(
      "SELECT * FROM twin WHERE device = ? AND module = ?",
      [key.deviceID, key.moduleColumn]
    ).map { Self.twin($0, etag: "etag") }
  }

  mutating func put(_ twin: TwinRecord) throws(StorageFault) {
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
    try execute(
      "DELETE FROM twin WHERE device = ? AND module = ?",
      [key.deviceID, key.moduleColumn]
    )
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

  static func twin(_ row: Row, etag: String) -> TwinRecord {
    TwinRecord(
      key: IdentityKey(device: row["device"], moduleColumn: row["module"]),
      etagCounter: row.number(etag),
      version: row.number("version"),
      tags: row.bytes("tags"),
      desired: TwinSection(
        properties: row.bytes("desired"),
        metadata: row.bytes("desired_metadata"),
        version: row.number("desired_version")
      ),
      reported: TwinSection(
        properties: row.bytes("reported"),
        metadata: row.bytes("reported_metadata"),
        version: row.number("reported_version")
      ),
      modelID: row["model"]
    )
  }
}

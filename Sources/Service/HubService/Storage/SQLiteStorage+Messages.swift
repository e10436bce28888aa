import Foundation
import GRDB
import HubContract
import HubEngine

extension SQLiteStorage {
  /// Bytes as the value of a BLOB column.
  func blob(_ bytes: [UInt8]) -> Data { Data(bytes) }

  func cloudToDeviceCount(of deviceID: String) throws(StorageFault) -> Int {
    try row("SELECT count(*) AS n FROM cloud_to_device WHERE device = ?", [deviceID])?["n"] ?? 0
  }

  func cloudToDevice(
    _ filter: CloudToDeviceFilter,
    limit: Int
  ) throws(StorageFault) -> [CloudToDeviceMessage] {
    let condition: String
    var arguments: StatementArguments
    switch filter {
    case .queued(let device): (condition, arguments) = ("device = ?", [device])
    case .available(let device):
      (condition, arguments) = ("device = ? AND token IS NULL", [device])
    case .delivered(let device, let token):
      (condition, arguments) = ("device = ? AND token = ?", [device, blob(token.bytes)])
    case .held(let device, let holder):
      condition = "device = ? AND holder = ? AND token IS NOT NULL"
      arguments = [device, Int64(bitPattern: holder.rawValue)]
    case .allHeld: (condition, arguments) = ("token IS NOT NULL", [])
    case .expired(let time):
      (condition, arguments) = ("expiry <= ? AND token IS NULL", [time.ticks])
    case .lapsed(let time):
      (condition, arguments) = ("until IS NOT NULL AND until <= ?", [time.ticks])
    }
    arguments += [limit]
    let found = try rows(
      "SELECT * FROM cloud_to_device WHERE \(condition) ORDER BY sequence LIMIT ?",
      arguments
    )
    return try map(found, Self.message)
  }

  func nextCloudToDeviceDeadline() throws(StorageFault) -> Timestamp? {
    let row = try row(
      """
      SELECT (SELECT min(expiry) FROM cloud_to_device WHERE token IS NULL) AS expiry,
        (SELECT min(until) FROM cloud_to_device WHERE until IS NOT NULL) AS until
      """,
      []
    )
    let times = [row?["expiry"] as Int64?, row?["until"] as Int64?].compactMap { $0 }
    return times.min().map { Timestamp(ticks: $0) }
  }

  mutating func append(_ message: CloudToDeviceMessage) throws(StorageFault) -> UInt64 {
    try execute(
      """
      INSERT INTO cloud_to_device (device, message, acknowledgement, enqueued, expiry, properties,
        body, deliveries, token, holder, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        message.deviceID, message.messageID, message.acknowledgement.rawValue,
        message.enqueuedTime.ticks, message.expiryTime.ticks, blob(message.properties),
        blob(message.body), message.deliveryCount, message.lock.map { blob($0.token.bytes) },
        message.lock.map { Int64(bitPattern: $0.holder.rawValue) }, message.lock?.until?.ticks,
      ]
    )
    return UInt64(bitPattern: database.lastInsertedRowID)
  }

  mutating func setDelivery(
    count: Int,
    lock: CloudToDeviceMessage.Lock?,
    deviceID: String,
    sequence: UInt64
  ) throws(StorageFault) {
    try execute(
      """
      UPDATE cloud_to_device SET deliveries = ?, token = ?, holder = ?, until = ?
      WHERE sequence = ? AND device = ?
      """,
      [
        count, lock.map { blob($0.token.bytes) },
        lock.map { Int64(bitPattern: $0.holder.rawValue) }, lock?.until?.ticks,
        Int64(bitPattern: sequence), deviceID,
      ]
    )
  }

  mutating func deleteCloudToDevice(deviceID: String, sequence: UInt64) throws(StorageFault) {
    try execute(
      "DELETE FROM cloud_to_device WHERE sequence = ? AND device = ?",
      [Int64(bitPattern: sequence), deviceID]
    )
  }

  func feedback(after sequence: UInt64, limit: Int) throws(StorageFault) -> [FeedbackRecord] {
    let found = try rows(
      "SELECT * FROM feedback WHERE sequence > ? ORDER BY sequence LIMIT ?",
      [Int64(bitPattern: sequence), limit]
    )
    return try map(found) { row throws(StorageFault) in
      let status: String = row["status"]
      guard let status = FeedbackRecord.Status(rawValue: status) else {
        throw .corrupt("feedback \(row.number("sequence"))")
      }
      return FeedbackRecord(
        sequence: row.number("sequence"),
        originalMessageID: row["message"],
        enqueuedTime: row.time("enqueued"),
        status: status,
        deviceID: row["device"],
        deviceGenerationID: row["generation"]
      )
    }
  }

  mutating func append(_ record: FeedbackRecord) throws(StorageFault) -> UInt64 {
    try execute(
      """
      INSERT INTO feedback (message, enqueued, status, device, generation)
      VALUES (?, ?, ?, ?, ?)
      """,
      [
        record.originalMessageID, record.enqueuedTime.ticks, record.status.rawValue,
        record.deviceID, record.deviceGenerationID,
      ]
    )
    return UInt64(bitPattern: database.lastInsertedRowID)
  }

  mutating func deleteFeedback(_ sequences: [UInt64]) throws(StorageFault) {
    for sequence in sequences {
      try execute("DELETE FROM feedback WHERE sequence = ?", [Int64(bitPattern: sequence)])
    }
  }

  func outgoingEvents(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [OutgoingEvent] {
    try all(
      "SELECT * FROM outgoing_event WHERE sequence > ? ORDER BY sequence LIMIT ?",
      [Int64(bitPattern: sequence), limit]
    ) { row in
      OutgoingEvent(
        sequence: row.number("sequence"),
        deviceID: row["device"],
        record: row.bytes("record")
      )
    }
  }

  func lastOutgoingEvent() throws(StorageFault) -> UInt64? {
    try first("SELECT sequence FROM outgoing_event ORDER BY sequence DESC LIMIT 1", []) { row in
      row.number(0)
    }
  }

  mutating func append(_ event: OutgoingEvent) throws(StorageFault) {
    try execute(
      "INSERT INTO outgoing_event (device, record) VALUES (?, ?)",
      [event.deviceID, blob(event.record)]
    )
  }

  mutating func deleteOutgoingEvents(through sequence: UInt64) throws(StorageFault) {
    try execute(
      "DELETE FROM outgoing_event WHERE sequence <= ?",
      [Int64(bitPattern: sequence)]
    )
  }

  private static func message(_ row: Row) throws(StorageFault) -> CloudToDeviceMessage {
    let sequence = row.number("sequence")
    let acknowledgement: String = row["acknowledgement"]
    guard let acknowledgement = CloudToDeviceAcknowledgement(rawValue: acknowledgement) else {
      throw .corrupt("cloud-to-device message \(sequence)")
    }
    var lock: CloudToDeviceMessage.Lock?
    if let holder: Int64 = row["holder"] {
      guard let token = LockToken(bytes: row.bytes("token")) else {
        throw .corrupt("lock of cloud-to-device message \(sequence)")
      }
      let until: Int64? = row["until"]
      lock = CloudToDeviceMessage.Lock(
        token: token,
        holder: ConnectionID(UInt64(bitPattern: holder)),
        until: until.map { Timestamp(ticks: $0) }
      )
    }
    return CloudToDeviceMessage(
      deviceID: row["device"],
      sequence: sequence,
      messageID: row["message"],
      acknowledgement: acknowledgement,
      enqueuedTime: row.time("enqueued"),
      expiryTime: row.time("expiry"),
      properties: row.bytes("properties"),
      body: row.bytes("body"),
      deliveryCount: row["deliveries"],
      lock: lock
    )
  }
}

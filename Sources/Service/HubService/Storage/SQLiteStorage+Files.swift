import GRDB
import HubContract
import HubEngine

extension SQLiteStorage: FileStorage {
  func blob(_ key: BlobKey) throws(StorageFault) -> BlobRecord? {
    try first(
      "SELECT container, name, document FROM blob WHERE container = ? AND name = ?",
      [key.container, key.name],
      Self.blob
    )
  }

  func blobs(
    in container: String,
    prefix: String,
    after name: String?,
    limit: Int
  ) throws(StorageFault) -> [BlobRecord] {
    // Names with the prefix stand together: from the prefix on to the last that can follow it.
    try all(
      """
      SELECT container, name, document FROM blob
      WHERE container = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?
      """,
      [container, prefix, prefix + "\u{10FFFF}", name ?? "", limit],
      Self.blob
    )
  }

  func content(of key: BlobKey) throws(StorageFault) -> [BlobPart] {
    try all(
      Self.selectPart + " WHERE container = ? AND name = ? AND position >= 0 ORDER BY position",
      [key.container, key.name],
      Self.part
    )
  }

  func waitingBlocks(of key: BlobKey) throws(StorageFault) -> [BlobPart] {
    try all(
      Self.selectPart + " WHERE container = ? AND name = ? AND position IS NULL ORDER BY block",
      [key.container, key.name],
      Self.part
    )
  }

  func waitingBlock(_ id: String, of key: BlobKey) throws(StorageFault) -> BlobPart? {
    try first(
      Self.selectPart + " WHERE container = ? AND name = ? AND position IS NULL AND block = ?",
      [key.container, key.name, id],
      Self.part
    )
  }

  func contentCount(of key: BlobKey) throws(StorageFault) -> Int {
    // Positions have no gaps.
    try row(
      "SELECT max(position) + 1 AS n FROM blob_part WHERE container = ? AND name = ?",
      [key.container, key.name]
    )?["n"] ?? 0
  }

  func part(_ file: String) throws(StorageFault) -> BlobPart? {
    try first(Self.selectPart + " WHERE file = ?", [file], Self.part)
  }

  func waitingBlocks(before time: Timestamp, limit: Int) throws(StorageFault) -> [BlobPart] {
    try all(
      Self.selectPart
        + " WHERE position IS NULL AND container IS NOT NULL AND time < ? ORDER BY time LIMIT ?",
      [time.ticks, limit],
      Self.part
    )
  }

  func garbage(limit: Int) throws(StorageFault) -> [BlobPart] {
    try all(Self.selectPart + " WHERE container IS NULL LIMIT ?", [limit], Self.part)
  }

  func partCost() throws(StorageFault) -> Int64 {
    try row("SELECT sum(max(1, (size + 4095) / 4096) * 4096) AS n FROM blob_part", [])?["n"] ?? 0
  }

  func upload(_ correlationID: String) throws(StorageFault) -> FileUpload? {
    try first("SELECT * FROM upload WHERE id = ?", [correlationID], Self.upload)
  }

  func uploadCount(of deviceID: String, after time: Timestamp) throws(StorageFault) -> Int {
    try row(
      "SELECT count(*) AS n FROM upload WHERE device = ? AND expiry > ?",
      [deviceID, time.ticks]
    )?["n"] ?? 0
  }

  func uploads(endedBefore time: Timestamp, limit: Int) throws(StorageFault) -> [FileUpload] {
    try all(
      "SELECT * FROM upload WHERE expiry < ? ORDER BY expiry LIMIT ?",
      [time.ticks, limit],
      Self.upload
    )
  }

  func fileNotifications(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [FileNotification] {
    try all(
      "SELECT * FROM file_notification WHERE sequence > ? ORDER BY sequence LIMIT ?",
      [Int64(bitPattern: sequence), limit]
    ) { row throws(StorageFault) in
      FileNotification(
        sequence: row.number("sequence"),
        deviceID: row["device"],
        key: try Self.key(row["container"], row["name"]),
        byteCount: row["size"],
        lastUpdatedTime: row.time("updated"),
        enqueuedTime: row.time("enqueued"),
        deliveryCount: row["deliveries"]
      )
    }
  }

  mutating func put(_ blob: BlobRecord) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO blob VALUES (?, ?, ?)",
      [blob.key.container, blob.key.name, self.blob(blob.document)]
    )
  }

  mutating func deleteBlob(_ key: BlobKey) throws(StorageFault) {
    try execute(
      "DELETE FROM blob WHERE container = ? AND name = ?",
      [key.container, key.name]
    )
  }

  mutating func put(_ part: BlobPart) throws(StorageFault) {
    let key: BlobKey?
    var place: Int?
    switch part.role {
    case .content(let blob, let position): (key, place) = (blob, position)
    case .waiting(let blob): key = blob
    case .garbage: key = nil
    }
    try execute(
      "INSERT OR REPLACE INTO blob_part VALUES (?, ?, ?, ?, ?, ?, ?)",
      [
        part.file, key?.container, key?.name, place, part.block, part.byteCount, part.time.ticks,
      ]
    )
  }

  mutating func discard(contentOf key: BlobKey) throws(StorageFault) {
    try execute(Self.discard + " AND position >= 0", [key.container, key.name])
  }

  mutating func discard(waitingFor key: BlobKey) throws(StorageFault) {
    try execute(Self.discard + " AND position IS NULL", [key.container, key.name])
  }

  mutating func deletePart(_ file: String) throws(StorageFault) {
    try execute("DELETE FROM blob_part WHERE file = ?", [file])
  }

  mutating func put(_ upload: FileUpload) throws(StorageFault) {
    try execute(
      "INSERT INTO upload VALUES (?, ?, ?, ?, ?)",
      [
        upload.correlationID, upload.deviceID, upload.key.container, upload.key.name,
        upload.expiryTime.ticks,
      ]
    )
  }

  mutating func deleteUpload(_ correlationID: String) throws(StorageFault) {
    try execute("DELETE FROM upload WHERE id = ?", [correlationID])
  }

  mutating func append(_ notification: FileNotification) throws(StorageFault) -> UInt64 {
    try execute(
      """
      INSERT INTO file_notification (device, container, name, size, updated, enqueued, deliveries)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """,
      [
        notification.deviceID, notification.key.container, notification.key.name,
        notification.byteCount, notification.lastUpdatedTime.ticks,
        notification.enqueuedTime.ticks, notification.deliveryCount,
      ]
    )
    return UInt64(bitPattern: database.lastInsertedRowID)
  }

  mutating func setDeliveryCount(
    _ count: Int,
    ofFileNotification sequence: UInt64
  ) throws(StorageFault) {
    try execute(
      "UPDATE file_notification SET deliveries = ? WHERE sequence = ?",
      [count, Int64(bitPattern: sequence)]
    )
  }

  mutating func deleteFileNotification(_ sequence: UInt64) throws(StorageFault) {
    try execute(
      "DELETE FROM file_notification WHERE sequence = ?",
      [Int64(bitPattern: sequence)]
    )
  }

  func transfers() throws(StorageFault) -> [TransferJob] {
    try all("SELECT document FROM transfer", []) { row throws(StorageFault) in
      guard let job = TransferJob(document: row.bytes(0)) else {
        throw .corrupt("export or import")
      }
      return job
    }
  }

  mutating func put(_ transfer: TransferJob) throws(StorageFault) {
    try execute(
      "INSERT OR REPLACE INTO transfer VALUES (?, ?)",
      [transfer.id, blob(transfer.document)]
    )
  }

  mutating func deleteTransfer(_ id: String) throws(StorageFault) {
    try execute("DELETE FROM transfer WHERE id = ?", [id])
  }

  private static let selectPart =
    "SELECT file, container, name, position, block, size, time FROM blob_part"
  private static let discard =
    "UPDATE blob_part SET container = NULL, name = NULL, position = NULL"
    + " WHERE container = ? AND name = ?"

  private static func key(_ container: String, _ name: String) throws(StorageFault) -> BlobKey {
    guard let key = BlobKey(container: container, name: name) else {
      throw .corrupt("name of a blob")
    }
    return key
  }

  private static func blob(_ row: Row) throws(StorageFault) -> BlobRecord {
    let key = try key(row[0], row[1])
    guard let blob = BlobRecord(key: key, document: row.bytes(2)) else {
      throw .corrupt("blob \(key.name)")
    }
    return blob
  }

  private static func part(_ row: Row) throws(StorageFault) -> BlobPart {
    var role = BlobPart.Role.garbage
    if let container: String = row[1] {
      let key = try key(container, row[2])
      let position: Int? = row[3]
      role = position.map { .content(key, position: $0) } ?? .waiting(key)
    }
    return BlobPart(
      file: row[0],
      role: role,
      block: row[4],
      byteCount: row[5],
      time: Timestamp(ticks: row[6])
    )
  }

  private static func upload(_ row: Row) throws(StorageFault) -> FileUpload {
    FileUpload(
      correlationID: row["id"],
      deviceID: row["device"],
      key: try key(row["container"], row["name"]),
      expiryTime: row.time("expiry")
    )
  }
}

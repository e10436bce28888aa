public import HubContract
public import HubEngine

extension SimHubStorage: FileStorage {
  /// The blob called `key`.
  public func blob(_ key: BlobKey) throws(StorageFault) -> BlobRecord? { tables.blobs[key] }

  /// Blobs of a container by name.
  public func blobs(
    in container: String,
    prefix: String,
    after name: String?,
    limit: Int
  ) throws(StorageFault) -> [BlobRecord] {
    let found = tables.blobs.values.filter { blob in
      blob.key.container == container && blob.key.name.utf8.starts(with: prefix.utf8)
        && (name.map { HubTables.ordinal($0, blob.key.name) } ?? true)
    }
    return Array(found.sorted { $0.key < $1.key }.prefix(limit))
  }

  /// The parts of a blob's content.
  public func content(of key: BlobKey) throws(StorageFault) -> [BlobPart] {
    let found = tables.blobParts.values.compactMap { part -> (Int, BlobPart)? in
      guard case .content(key, let position) = part.role else { return nil }
      return (position, part)
    }
    return found.sorted { $0.0 < $1.0 }.map(\.1)
  }

  /// The blocks that wait for a blob.
  public func waitingBlocks(of key: BlobKey) throws(StorageFault) -> [BlobPart] {
    tables.blobParts.values.filter { $0.role == .waiting(key) }
      .sorted { HubTables.ordinal($0.file, $1.file) }
  }

  /// One block that waits for a blob.
  public func waitingBlock(_ id: String, of key: BlobKey) throws(StorageFault) -> BlobPart? {
    try waitingBlocks(of: key).first { $0.block == id }
  }

  /// How many parts a blob has.
  public func contentCount(of key: BlobKey) throws(StorageFault) -> Int {
    try content(of: key).count
  }

  /// The part in a file.
  public func part(_ file: String) throws(StorageFault) -> BlobPart? { tables.blobParts[file] }

  /// Blocks that wait for long.
  public func waitingBlocks(
    before time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [BlobPart] {
    let found = tables.blobParts.values.filter { part in
      if case .waiting = part.role { part.time < time } else { false }
    }
    return Array(found.sorted { HubTables.ordinal($0.file, $1.file) }.prefix(limit))
  }

  /// Parts that are garbage.
  public func garbage(limit: Int) throws(StorageFault) -> [BlobPart] {
    let found = tables.blobParts.values.filter { $0.role == .garbage }
    return Array(found.sorted { HubTables.ordinal($0.file, $1.file) }.prefix(limit))
  }

  /// The cost of all parts.
  public func partCost() throws(StorageFault) -> Int64 {
    tables.blobParts.values.reduce(0) { $0 + BlobPart.cost(of: $1.byteCount) }
  }

  /// The upload called `correlationID`.
  public func upload(_ correlationID: String) throws(StorageFault) -> FileUpload? {
    tables.uploads[correlationID]
  }

  /// How many uploads of a device end after a time.
  public func uploadCount(
    of deviceID: String,
    after time: Timestamp
  ) throws(StorageFault) -> Int {
    tables.uploads.values.count { $0.deviceID == deviceID && $0.expiryTime > time }
  }

  /// Uploads that ended before a time.
  public func uploads(
    endedBefore time: Timestamp,
    limit: Int
  ) throws(StorageFault) -> [FileUpload] {
    let found = tables.uploads.values.filter { $0.expiryTime < time }
    return Array(
      found.sorted { ($0.expiryTime, $0.correlationID) < ($1.expiryTime, $1.correlationID) }
        .prefix(limit)
    )
  }

  /// Notifications in order.
  public func fileNotifications(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [FileNotification] {
    Array(tables.fileNotifications.lazy.filter { $0.sequence > sequence }.prefix(limit))
  }

  /// Creates or replaces a blob's record.
  public mutating func put(_ blob: BlobRecord) throws(StorageFault) {
    try write { $0.blobs[blob.key] = blob }
  }

  /// Deletes a blob's record alone.
  public mutating func deleteBlob(_ key: BlobKey) throws(StorageFault) {
    try write { $0.blobs[key] = nil }
  }

  /// Creates or replaces a part.
  public mutating func put(_ part: BlobPart) throws(StorageFault) {
    try write { $0.blobParts[part.file] = part }
  }

  /// Makes garbage of a blob's content.
  public mutating func discard(contentOf key: BlobKey) throws(StorageFault) {
    for part in try content(of: key) { try discard(part) }
  }

  /// Makes garbage of the blocks that wait for a blob.
  public mutating func discard(waitingFor key: BlobKey) throws(StorageFault) {
    for part in try waitingBlocks(of: key) { try discard(part) }
  }

  private mutating func discard(_ part: BlobPart) throws(StorageFault) {
    var part = part
    part.role = .garbage
    try put(part)
  }

  /// Forgets a part.
  public mutating func deletePart(_ file: String) throws(StorageFault) {
    try write { $0.blobParts[file] = nil }
  }

  /// Creates an upload.
  public mutating func put(_ upload: FileUpload) throws(StorageFault) {
    try write { $0.uploads[upload.correlationID] = upload }
  }

  /// Deletes an upload.
  public mutating func deleteUpload(_ correlationID: String) throws(StorageFault) {
    try write { $0.uploads[correlationID] = nil }
  }

  /// Appends a notification.
  public mutating func append(_ notification: FileNotification) throws(StorageFault) -> UInt64 {
    var notification = notification
    notification.sequence = tables.sequence + 1
    try write { [notification] in
      $0.sequence = notification.sequence
      $0.fileNotifications.append(notification)
    }
    return notification.sequence
  }

  /// Sets how often a notification was delivered.
  public mutating func setDeliveryCount(
    _ count: Int,
    ofFileNotification sequence: UInt64
  ) throws(StorageFault) {
    try write { tables in
      for index in tables.fileNotifications.indices
      where tables.fileNotifications[index].sequence == sequence {
        tables.fileNotifications[index].deliveryCount = count
      }
    }
  }

  /// Removes a notification.
  public mutating func deleteFileNotification(_ sequence: UInt64) throws(StorageFault) {
    try write { $0.fileNotifications.removeAll { $0.sequence == sequence } }
  }

  /// All exports and imports.
  public func transfers() throws(StorageFault) -> [TransferJob] {
    tables.transfers.values.sorted { HubTables.ordinal($0.id, $1.id) }
  }

  /// Creates or replaces an export or import.
  public mutating func put(_ transfer: TransferJob) throws(StorageFault) {
    try write { $0.transfers[transfer.id] = transfer }
  }

  /// Forgets an export or import.
  public mutating func deleteTransfer(_ id: String) throws(StorageFault) {
    try write { $0.transfers[id] = nil }
  }
}

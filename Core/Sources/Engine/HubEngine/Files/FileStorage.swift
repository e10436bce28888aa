public import HubContract

/// What the rules of files read, beside `HubStorageReader`.
///
/// Apart from it, so that a storage can do without. Keys are ordered by their bytes.
public protocol FileStorageReader: HubStorageReader {
  /// The blob called `key`.
  func blob(_ key: BlobKey) throws(StorageFault) -> BlobRecord?
  /// At most `limit` blobs of a container whose names begin with `prefix` and come after `name`, in
  /// their order.
  func blobs(
    in container: String,
    prefix: String,
    after name: String?,
    limit: Int
  ) throws(StorageFault) -> [BlobRecord]
  /// The parts of the blob's content, in their order.
  func content(of key: BlobKey) throws(StorageFault) -> [BlobPart]
  /// All blocks that wait for `key`.
  func waitingBlocks(of key: BlobKey) throws(StorageFault) -> [BlobPart]
  /// The block `id` that waits for `key`, in time that does not grow with the number of the others.
  func waitingBlock(_ id: String, of key: BlobKey) throws(StorageFault) -> BlobPart?
  /// How many parts the blob's content has.
  func contentCount(of key: BlobKey) throws(StorageFault) -> Int
  /// The part in `file`.
  func part(_ file: String) throws(StorageFault) -> BlobPart?
  /// At most `limit` blocks that wait since before `time`.
  func waitingBlocks(before time: Timestamp, limit: Int) throws(StorageFault) -> [BlobPart]
  /// At most `limit` parts that are garbage.
  func garbage(limit: Int) throws(StorageFault) -> [BlobPart]
  /// The cost of all parts together.
  func partCost() throws(StorageFault) -> Int64

  /// The upload called `correlationID`.
  func upload(_ correlationID: String) throws(StorageFault) -> FileUpload?
  /// How many uploads of a device end after `time`.
  func uploadCount(of deviceID: String, after time: Timestamp) throws(StorageFault) -> Int
  /// At most `limit` uploads that ended before `time`.
  func uploads(endedBefore time: Timestamp, limit: Int) throws(StorageFault) -> [FileUpload]

  /// The first `limit` notifications whose sequence is above `sequence`, in order.
  func fileNotifications(
    after sequence: UInt64,
    limit: Int
  ) throws(StorageFault) -> [FileNotification]

  /// All exports and imports that are remembered.
  func transfers() throws(StorageFault) -> [TransferJob]
}

/// What the rules of files read and write, in the transactions of `HubStorage`.
public protocol FileStorage: HubStorage, FileStorageReader {
  /// Creates or replaces a blob's record.
  mutating func put(_ blob: BlobRecord) throws(StorageFault)
  /// Deletes a blob's record alone.
  mutating func deleteBlob(_ key: BlobKey) throws(StorageFault)
  /// Creates or replaces a part.
  mutating func put(_ part: BlobPart) throws(StorageFault)
  /// Makes garbage of the whole content of a blob.
  mutating func discard(contentOf key: BlobKey) throws(StorageFault)
  /// Makes garbage of all blocks that wait for a blob.
  mutating func discard(waitingFor key: BlobKey) throws(StorageFault)
  /// Forgets a part.
  mutating func deletePart(_ file: String) throws(StorageFault)

  /// Creates an upload.
  mutating func put(_ upload: FileUpload) throws(StorageFault)
  /// Deletes an upload.
  mutating func deleteUpload(_ correlationID: String) throws(StorageFault)

  /// Appends a notification and answers the sequence given to it.
  mutating func append(_ notification: FileNotification) throws(StorageFault) -> UInt64
  /// Sets how often a notification was delivered.
  mutating func setDeliveryCount(
    _ count: Int,
    ofFileNotification sequence: UInt64
  ) throws(StorageFault)
  /// Removes a notification.
  mutating func deleteFileNotification(_ sequence: UInt64) throws(StorageFault)

  /// Creates or replaces an export or import.
  mutating func put(_ transfer: TransferJob) throws(StorageFault)
  /// Forgets an export or import.
  mutating func deleteTransfer(_ id: String) throws(StorageFault)
}

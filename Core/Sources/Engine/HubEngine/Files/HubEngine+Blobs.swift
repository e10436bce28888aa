public import HubContract

/// A write to a blob whose bytes are in files already.
public struct BlobWrite: Equatable, Sendable {
  /// Which blob.
  public var key: BlobKey
  /// What must hold of the blob as it is.
  public var conditions: BlobConditions
  /// Whether a blob that exists may be replaced.
  public var mayReplace: Bool
  /// What comes with the blob.
  public var properties: BlobRecord.Properties

  /// Creates a write.
  public init(
    key: BlobKey,
    conditions: BlobConditions = BlobConditions(),
    mayReplace: Bool = true,
    properties: BlobRecord.Properties = BlobRecord.Properties()
  ) {
    self.key = key
    self.conditions = conditions
    self.mayReplace = mayReplace
    self.properties = properties
  }
}

// What the blob endpoint does. A blob changes in one transaction, after its bytes are durable: whoever
// reads sees the old blob or the new one. Files that nothing names any more become garbage in it.
extension HubEngine where Storage: FileStorage {
  /// What a command of blobs answers, which a transaction may hold many of.
  public typealias BlobResult = Result<BlobRecord, BlobRefusal>

  /// Makes or replaces a blob with the bytes of one file, or with none.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func putBlob(
    _ write: BlobWrite,
    kind: BlobRecord.Kind,
    file: BlobPart?,
    now: Timestamp
  ) throws(HubError) -> BlobResult {
    let old = try blob(write.key)
    if let refusal = Self.refusal(of: write, over: old) { return .failure(refusal) }
    try discard(write.key)
    if var file {
      file.role = .content(write.key, position: 0)
      let part = file
      try stored { storage throws(StorageFault) in try storage.put(part) }
    }
    return .success(try record(write, kind, over: old, byteCount: file?.byteCount ?? 0, now: now))
  }

  /// Keeps a block until a block list names it; an earlier one of the same ID is given up.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func putBlock(_ block: BlobPart, of key: BlobKey) throws(HubError) {
    var block = block
    block.role = .waiting(key)
    let new = block
    let replaced = try stored { storage throws(StorageFault) in
      let old = try storage.waitingBlock(new.block, of: key)
      if var old {
        old.role = .garbage
        try storage.put(old)
      }
      try storage.put(new)
      return old != nil
    }
    if replaced { emit(.filesDiscarded) }
  }

  /// Makes a blob of the blocks that `list` names; all others are given up.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func putBlockList(
    _ write: BlobWrite,
    _ list: BlockList,
    now: Timestamp
  ) throws(HubError) -> BlobResult {
    let old = try blob(write.key)
    if let refusal = Self.refusal(of: write, over: old) { return .failure(refusal) }
    if let old, old.kind != .block { return .failure(.blobType) }
    let key = write.key
    let (waiting, committed) = try stored { storage throws(StorageFault) in
      (try storage.waitingBlocks(of: key), try storage.content(of: key))
    }
    let new = Dictionary(waiting.map { ($0.block, $0) }) { _, last in last }
    let kept = Dictionary(committed.map { ($0.block, $0) }) { first, _ in first }
    var parts: [BlobPart] = []
    var byteCount: Int64 = 0
    for entry in list.entries {
      let found =
        switch entry.source {
        case .committed: kept[entry.id]
        case .uncommitted: new[entry.id]
        case .latest: new[entry.id] ?? kept[entry.id]
        }
      guard var part = found else {
        return .failure(.blockList("There is no block \(entry.id) for this blob."))
      }
      part.role = .content(key, position: parts.count)
      byteCount += part.byteCount
      parts.append(part)
    }
    try discard(key)
    let content = parts
    try stored { storage throws(StorageFault) in
      for part in content { try storage.put(part) }
    }
    return .success(try record(write, .block, over: old, byteCount: byteCount, now: now))
  }

  /// Adds a block to the end of an append blob.
  ///
  /// - Parameters:
  ///   - block: the file with the block's bytes.
  ///   - write: which blob, and what must hold of it; its properties do not count.
  ///   - position: where the block must come to stand, nil: anywhere.
  ///   - limit: bytes that the blob may have then, nil: any number.
  ///   - now: the time.
  /// - Returns: the blob with the block.
  /// - Throws: only what the storage's faults become.
  public mutating func appendBlock(
    _ block: BlobPart,
    to write: BlobWrite,
    at position: Int64?,
    limit: Int64?,
    now: Timestamp
  ) throws(HubError) -> BlobResult {
    guard var blob = try blob(write.key) else { return .failure(.notFound) }
    guard blob.kind == .append else { return .failure(.blobType) }
    do throws(BlobRefusal) { try write.conditions.check(blob.etag) } catch {
      return .failure(error)
    }
    guard position == nil || position == blob.byteCount else {
      return .failure(
        BlobRefusal(
          412,
          "AppendPositionConditionNotMet",
          "The blob has \(blob.byteCount) bytes, not what x-ms-blob-condition-appendpos says."
        )
      )
    }
    guard limit.map({ blob.byteCount + block.byteCount <= $0 }) ?? true else {
      return .failure(
        BlobRefusal(
          412,
          "MaxBlobSizeConditionNotMet",
          "The blob would have more bytes than x-ms-blob-condition-maxsize allows."
        )
      )
    }
    let key = write.key
    let count = try stored { storage throws(StorageFault) in try storage.contentCount(of: key) }
    guard count < BlockList.limit else { return .failure(.blockCount) }
    var block = block
    block.role = .content(key, position: count)
    blob.byteCount += block.byteCount
    blob.modifiedTime = now
    blob.etag = try nextBlobETag()
    blob.properties.md5 = nil
    let (part, appended) = (block, blob)
    try stored { storage throws(StorageFault) in
      try storage.put(part)
      try storage.put(appended)
    }
    return .success(appended)
  }

  /// Deletes a blob and the blocks that wait for it.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func deleteBlob(
    _ key: BlobKey,
    conditions: BlobConditions
  ) throws(HubError) -> BlobResult {
    guard let blob = try blob(key) else { return .failure(.notFound) }
    do throws(BlobRefusal) { try conditions.check(blob.etag) } catch { return .failure(error) }
    try discard(key)
    try stored { storage throws(StorageFault) in try storage.deleteBlob(key) }
    return .success(blob)
  }

  /// Makes garbage of those of `parts` that no command has recorded.
  ///
  /// For files whose command failed with the storage: only a later transaction that is durable shows
  /// that the failed one is not.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func discardUnrecorded(_ parts: [BlobPart]) throws(HubError) {
    try stored { storage throws(StorageFault) in
      for var part in parts where try storage.part(part.file) == nil {
        part.role = .garbage
        try storage.put(part)
      }
    }
    emit(.filesDiscarded)
  }

  /// Forgets garbage whose files were removed.
  ///
  /// - Throws: only what the storage's faults become.
  public mutating func forgetGarbage(_ files: [String]) throws(HubError) {
    try stored { storage throws(StorageFault) in
      for file in files { try storage.deletePart(file) }
    }
  }

  private mutating func blob(_ key: BlobKey) throws(HubError) -> BlobRecord? {
    try stored { storage throws(StorageFault) in try storage.blob(key) }
  }

  private mutating func discard(_ key: BlobKey) throws(HubError) {
    try stored { storage throws(StorageFault) in
      try storage.discard(contentOf: key)
      try storage.discard(waitingFor: key)
    }
    emit(.filesDiscarded)
  }

  private static func refusal(of write: BlobWrite, over old: BlobRecord?) -> BlobRefusal? {
    do throws(BlobRefusal) { try write.conditions.check(old?.etag) } catch { return error }
    return old == nil || write.mayReplace ? nil : .overwrite
  }

  private mutating func record(
    _ write: BlobWrite,
    _ kind: BlobRecord.Kind,
    over old: BlobRecord?,
    byteCount: Int64,
    now: Timestamp
  ) throws(HubError) -> BlobRecord {
    let blob = BlobRecord(
      key: write.key,
      kind: kind,
      byteCount: byteCount,
      etag: try nextBlobETag(),
      createdTime: old?.createdTime ?? now,
      modifiedTime: now,
      properties: write.properties
    )
    try stored { storage throws(StorageFault) in try storage.put(blob) }
    return blob
  }

  /// The next ETag of a blob: in the form that the service's tools know.
  private mutating func nextBlobETag() throws(HubError) -> String {
    let next = try stored { storage throws(StorageFault) in
      let next = try storage.counter(.blobETag) &+ 1
      try storage.setCounter(.blobETag, to: next)
      return next
    }
    let digits = String(next, radix: 16, uppercase: true)
    return "0x" + String(repeating: "0", count: max(0, 15 - digits.utf8.count)) + digits
  }
}

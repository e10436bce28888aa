public import HubContract
internal import ByteIO

// What devices ask for and say of uploads (contract §5).
extension HubEngine where Storage: FileStorage {
  /// Begins an upload of `deviceID`, whose credential was checked.
  ///
  /// - Throws: 400004 for a name that no URL can carry, 403006 with too many open uploads.
  public mutating func beginUpload(
    of deviceID: String,
    _ request: FileUploadRequest,
    now: Timestamp
  ) throws(HubError) -> FileUpload {
    let name = "\(deviceID)/\(request.blobName)"
    guard let key = BlobKey(container: fileRules.container, name: name) else {
      throw HubError(
        .argumentInvalid,
        "blobName is not usable: with the device's ID before it, it has at most \(BlobKey.nameLimit) bytes, without control characters and backslashes, and no part between slashes is empty, . or .. ."
      )
    }
    let open = try stored { storage throws(StorageFault) in
      try storage.uploadCount(of: deviceID, after: now)
    }
    guard open < quotas.fileUploadsPerDevice else {
      throw HubError(
        .deviceMaximumActiveFileUploadLimitExceeded,
        "The device has \(open) open uploads; complete some of them, or wait until they end."
      )
    }
    let upload = FileUpload(
      correlationID: Hex.encode(random(16)),
      deviceID: deviceID,
      key: key,
      expiryTime: now.adding(seconds: fileRules.uploadSeconds)
    )
    try stored { storage throws(StorageFault) in try storage.put(upload) }
    return upload
  }

  /// Ends an upload; a successful one is told to services.
  ///
  /// What a failed one left of blocks is given up.
  ///
  /// - Throws: 400015 for another device's or no upload, 400016 for one whose time is over, 400003
  ///   where a file should be and is not.
  public mutating func completeUpload(
    of deviceID: String,
    _ outcome: FileUploadOutcome,
    now: Timestamp
  ) throws(HubError) {
    let found = try stored { storage throws(StorageFault) in
      try storage.upload(outcome.correlationID)
    }
    guard let upload = found, upload.deviceID == deviceID else {
      throw HubError(
        .invalidFileUploadCorrelationID,
        "The device has no upload of this correlationId, or has completed it already."
      )
    }
    guard upload.expiryTime > now else {
      throw HubError(
        .expiredFileUploadCorrelationID,
        "The upload ended at \(upload.expiryTime.iso8601); begin another one."
      )
    }
    if outcome.isSuccess {
      let blob = try stored { storage throws(StorageFault) in try storage.blob(upload.key) }
      guard let blob else {
        throw HubError(
          .invalidOperation,
          "There is no file \(upload.key.name): upload it first, or send isSuccess false."
        )
      }
      try notify(of: blob, from: deviceID, now: now)
    } else {
      try stored { storage throws(StorageFault) in try storage.discard(waitingFor: upload.key) }
      emit(.filesDiscarded)
    }
    try stored { storage throws(StorageFault) in
      try storage.deleteUpload(upload.correlationID)
    }
  }

  /// Forgets uploads that ended long ago, and gives up blocks that waited too long.
  ///
  /// - Returns: whether more is due already.
  /// - Throws: only what the storage's faults become.
  public mutating func sweepFiles(now: Timestamp, limit: Int = 256) throws(HubError) -> Bool {
    let ended = now.adding(seconds: -fileRules.expiredUploadSeconds)
    let oldest = now.adding(seconds: -fileRules.blockSeconds)
    let counts = try stored { storage throws(StorageFault) in
      let uploads = try storage.uploads(endedBefore: ended, limit: limit)
      for upload in uploads { try storage.deleteUpload(upload.correlationID) }
      let blocks = try storage.waitingBlocks(before: oldest, limit: limit)
      for var block in blocks {
        block.role = .garbage
        try storage.put(block)
      }
      return (uploads: uploads.count, blocks: blocks.count)
    }
    if counts.blocks > 0 { emit(.filesDiscarded) }
    let notifications = try sweepFileNotifications(now: now, limit: limit)
    return counts.uploads == limit || counts.blocks == limit || notifications
  }
}

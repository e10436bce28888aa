public import HubContract

extension HubView where Storage: FileStorageReader {
  /// A blob with the parts of its content in their order, as of one moment; nil if there is none.
  public func blob(_ key: BlobKey) throws(HubError) -> (record: BlobRecord, parts: [BlobPart])? {
    try stored { storage throws(StorageFault) in
      guard let record = try storage.blob(key) else { return nil }
      return (record, try storage.content(of: key))
    }
  }

  /// The blocks of the blob as it is, and those that wait for it.
  public func blocks(
    of key: BlobKey
  ) throws(HubError) -> (committed: [BlobPart], waiting: [BlobPart]) {
    try stored { storage throws(StorageFault) in
      (try storage.content(of: key), try storage.waitingBlocks(of: key))
    }
  }

  /// A page of a container's blobs in the order of their names, and whether more follow.
  public func blobs(
    in container: String,
    prefix: String = "",
    after name: String?,
    limit: Int
  ) throws(HubError) -> (blobs: [BlobRecord], hasMore: Bool) {
    let found = try stored { storage throws(StorageFault) in
      try storage.blobs(in: container, prefix: prefix, after: name, limit: limit + 1)
    }
    return (Array(found.prefix(limit)), found.count > limit)
  }

  /// At most `limit` files that nothing names any more.
  public func garbage(limit: Int) throws(HubError) -> [BlobPart] {
    try stored { storage throws(StorageFault) in try storage.garbage(limit: limit) }
  }

  /// Those of `files` that no part is in.
  public func unknown(_ files: [String]) throws(HubError) -> [String] {
    try stored { storage throws(StorageFault) in
      var unknown: [String] = []
      for file in files where try storage.part(file) == nil { unknown.append(file) }
      return unknown
    }
  }

  /// What all files cost together.
  public func partCost() throws(HubError) -> Int64 {
    try stored { storage throws(StorageFault) in try storage.partCost() }
  }
}

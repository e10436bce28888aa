internal import ByteIO

/// What has to be done to have a set in the slot that is not active.
public enum SlotDownload: Equatable, Sendable {
  /// The bytes of all files, in the manifest's order, are wanted from this place on.
  case from(UInt64)
  /// The set is there already.
  case ready
}

extension SlotStore {
  /// Begins to install a set, or goes on with it after a restart.
  ///
  /// The slot's former set is gone from here on.
  ///
  /// - Parameters:
  ///   - manifest: the signed manifest.
  ///   - allowsOlder: whether the owner asked for a set older than the active one, still not below
  ///     the floor.
  ///   - retriesFailed: whether a set that failed here may be tried again.
  /// - Returns: which bytes are wanted.
  /// - Throws: why the set is refused, or `disk`.
  public mutating func begin(
    _ manifest: [UInt8],
    allowsOlder: Bool = false,
    retriesFailed: Bool = false
  ) throws(SlotFault) -> SlotDownload {
    let (set, identity) = try admitted(manifest, allowsOlder: allowsOlder)
    switch record[spare] {
    case .trial: throw .trialUnderWay
    case .ready(identity), .good(identity): return .ready
    case .failed(identity, let failure) where !retriesFailed: throw .failedBefore(failure)
    case .writing(identity, let durable) where durable > 0:
      if try isThere(set, durable) {
        download = Download(
          set: set,
          identity: identity,
          byteCount: durable,
          durableByteCount: durable
        )
        return .from(durable)
      }
    case .empty, .writing, .ready, .good, .failed: break
    }
    try clear(for: set, identity, manifest)
    download = Download(set: set, identity: identity, byteCount: 0, durableByteCount: 0)
    return .from(0)
  }

  /// The set that a manifest describes, if it may be installed.
  private func admitted(
    _ manifest: [UInt8],
    allowsOlder: Bool
  ) throws(SlotFault) -> (ReleaseSet, SetIdentity) {
    guard manifest.count <= ReleaseSet.maximumManifestBytes else {
      throw .manifestTooLong(byteCount: manifest.count)
    }
    guard let set = trust.releaseSet(manifest) else { throw .untrustedManifest }
    guard set.isWellFormed, let byteCount = set.byteCount else { throw .malformedSet }
    guard set.release >= trust.floor else {
      throw .belowFloor(release: set.release, floor: trust.floor)
    }
    guard byteCount <= configuration.slotBytes else {
      throw .tooLarge(byteCount: byteCount, limit: configuration.slotBytes)
    }
    let digest = trust.digest(manifest)
    let identity = SetIdentity(release: set.release, floor: set.floor, digest: digest)
    if let active = record[record.active].identity {
      guard active != identity else { throw .alreadyActive }
      guard allowsOlder || set.release >= active.release else {
        throw .olderThanActive(release: set.release, active: active.release)
      }
    }
    return (set, identity)
  }

  /// Whether the files hold what the record says that they do.
  private func isThere(_ set: ReleaseSet, _ durable: UInt64) throws(SlotFault) -> Bool {
    do throws(SlotDiskFault) {
      guard durable <= set.byteCount ?? 0, try manifest(in: spare) != nil else { return false }
      var left = durable
      for file in set.files {
        let expected = min(left, file.byteCount)
        guard let count = try disk.byteCount(of: SlotNames.file(file.name, in: spare)),
          count >= expected
        else { return false }
        left -= expected
      }
      return true
    } catch {
      throw .disk(error)
    }
  }

  /// Empties the slot and puts the manifest there.
  private mutating func clear(
    for set: ReleaseSet,
    _ identity: SetIdentity,
    _ manifest: [UInt8]
  ) throws(SlotFault) {
    // First: whatever happens to the files after this, nobody takes them for a set.
    try take(.writing(identity, durableByteCount: 0), in: spare)
    do throws(SlotDiskFault) {
      let prefix = spare.rawValue + "."
      for name in try disk.list() where name.hasPrefix(prefix) { try disk.remove(name) }
      for file in set.files { try disk.create(SlotNames.file(file.name, in: spare)) }
      try disk.create(SlotNames.manifest(spare))
      try disk.write(manifest.span, to: SlotNames.manifest(spare), at: 0)
      try disk.sync(SlotNames.manifest(spare))
      try disk.syncDirectory()
    } catch {
      throw .disk(error)
    }
  }

  /// Writes the next bytes of the set.
  ///
  /// `offset` counts in all files, one behind the other. Now and then it makes durable what is there.
  ///
  /// - Throws: `nothingToWrite`, `outOfOrder`, `beyondSignedSize`, or `disk`, after which the same
  ///   bytes may be written again.
  public mutating func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(SlotFault) {
    guard var current = download else { throw .nothingToWrite }
    guard offset == current.byteCount else { throw .outOfOrder(expected: current.byteCount) }
    let total = current.set.byteCount ?? 0
    guard UInt64(bytes.count) <= total - offset else { throw .beyondSignedSize }
    var start: UInt64 = 0
    var written = 0
    for file in current.set.files {
      let end = start + file.byteCount
      let place = offset + UInt64(written)
      if written < bytes.count, place >= start, place < end {
        let count = Int(min(UInt64(bytes.count - written), end - place))
        do throws(SlotDiskFault) {
          try disk.write(
            bytes.extracting(written..<written + count),
            to: SlotNames.file(file.name, in: spare),
            at: place - start
          )
        } catch {
          throw .disk(error)
        }
        written += count
      }
      start = end
    }
    current.byteCount += UInt64(bytes.count)
    download = current
    if current.byteCount - current.durableByteCount >= configuration.checkpointBytes {
      try checkpoint()
    }
  }

  /// Makes durable what was written so far, so that a restart goes on behind it.
  ///
  /// - Throws: `nothingToWrite` or `disk`.
  public mutating func checkpoint() throws(SlotFault) {
    guard var current = download else { throw .nothingToWrite }
    guard current.byteCount > current.durableByteCount else { return }
    try sync(current)
    try take(.writing(current.identity, durableByteCount: current.byteCount), in: spare)
    current.durableByteCount = current.byteCount
    download = current
  }

  /// Syncs the files that were written to since the last checkpoint.
  private func sync(_ download: Download) throws(SlotFault) {
    var start: UInt64 = 0
    for file in download.set.files {
      let end = start + file.byteCount
      if end >= download.durableByteCount, start <= download.byteCount {
        do throws(SlotDiskFault) {
          try disk.sync(SlotNames.file(file.name, in: spare))
        } catch {
          throw .disk(error)
        }
      }
      start = end
    }
  }

  /// Ends a download: reads back every byte from the disk, and takes the set if all is as signed.
  ///
  /// - Throws: `nothingToWrite`, `incomplete`, `wrongDigest`, after which the slot is empty, or `disk`.
  public mutating func finish() throws(SlotFault) {
    guard let current = download else { throw .nothingToWrite }
    guard current.byteCount == current.set.byteCount else {
      throw .incomplete(byteCount: current.byteCount)
    }
    try sync(current)
    let wrong: String?
    do throws(SlotDiskFault) {
      wrong = try firstWrongFile(of: current.set, in: spare)
    } catch {
      throw .disk(error)
    }
    if let wrong {
      download = nil
      try take(.empty, in: spare)
      throw .wrongDigest(file: wrong)
    }
    try take(.ready(current.identity), in: spare)
    download = nil
  }

  /// Forgets a download, for instance because another set is wanted now.
  ///
  /// - Throws: `disk`.
  public mutating func abandon() throws(SlotFault) {
    guard case .writing = record[spare] else { return }
    download = nil
    try take(.empty, in: spare)
  }
}

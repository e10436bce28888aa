/// Why a step of an update was not taken; the slots are as they were unless it says otherwise.
public enum SlotFault: Error, Equatable, Sendable {
  /// The disk failed. What was under way can be tried again.
  case disk(SlotDiskFault)
  /// The manifest is longer than `ReleaseSet.maximumManifestBytes`.
  case manifestTooLong(byteCount: Int)
  /// The manifest is malformed, or not signed by whom the device trusts.
  case untrustedManifest
  /// The manifest breaks a limit of `ReleaseSet`.
  case malformedSet
  /// The set's release is below the rollback floor.
  case belowFloor(release: UInt64, floor: UInt64)
  /// The set's release is below that of the active set, and nobody asked for an older one.
  case olderThanActive(release: UInt64, active: UInt64)
  /// The set is the active one already.
  case alreadyActive
  /// The set failed on this device before, and nobody asked to try it again.
  case failedBefore(SlotFailure)
  /// The set is larger than a slot.
  case tooLarge(byteCount: UInt64, limit: UInt64)
  /// A trial is under way: it ends before anything else begins.
  case trialUnderWay
  /// No set is being written.
  case nothingToWrite
  /// Bytes do not follow those before: `expected` is the place in all files that comes next.
  case outOfOrder(expected: UInt64)
  /// More bytes than were signed.
  case beyondSignedSize
  /// Bytes are missing still: `byteCount` of them are there.
  case incomplete(byteCount: UInt64)
  /// A file is not what the manifest promises. The download has to begin again; the slot is empty.
  case wrongDigest(file: String)
  /// No whole set waits in the slot that is not active.
  case nothingToTry
  /// What runs is no trial, or another set than the one that is to be confirmed.
  case notOnTrial
  /// The rollback floor could not be raised; the next start does it.
  case floor
}

/// A hash over bytes that come in parts.
public protocol SlotDigest {
  /// Adds bytes.
  mutating func update(_ bytes: Span<UInt8>)
  /// The digest of all bytes that were added.
  consuming func finish() -> [UInt8]
}

/// Why the rollback floor could not be raised.
public struct FloorFault: Error, Equatable, Sendable {
  /// Creates the fault.
  public init() {}
}

/// What slots need of the root of trust: who signs, how bytes are hashed, and a counter that never
/// goes back.
public protocol SlotTrust {
  /// The hash by which files of a set are known.
  associatedtype Digest: SlotDigest

  /// The set that a manifest describes; nil if it is malformed or not signed by whom the device
  /// trusts.
  func releaseSet(_ manifest: [UInt8]) -> ReleaseSet?

  /// The digest of nothing.
  func makeDigest() -> Digest

  /// The lowest release that may run: a monotonic counter.
  var floor: UInt64 { get }

  /// Raises the counter durably; a value that is not above it changes nothing.
  func raiseFloor(to release: UInt64) throws(FloorFault)
}

extension SlotTrust {
  func digest(_ bytes: [UInt8]) -> [UInt8] {
    var digest = makeDigest()
    digest.update(bytes.span)
    return digest.finish()
  }
}

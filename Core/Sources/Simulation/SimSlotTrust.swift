import ByteIO
public import UpdateEngine

/// A hash for simulations: spreads well and proves nothing.
public struct SimDigest: SlotDigest {
  // Its table is made once: a digest is made for every file that is looked at.
  static let empty = CRC64()
  private var crc = Self.empty
  private var count: UInt64 = 0

  /// The digest of nothing.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: Span<UInt8>) {
    crc.update(bytes)
    count += UInt64(bytes.count)
  }

  /// Sixteen bytes.
  public consuming func finish() -> [UInt8] {
    var writer = ByteWriter(capacity: 16)
    writer.uint64(crc.checksum)
    writer.uint64(count)
    return writer.bytes
  }
}

/// A counter that only rises: what a chip would hold.
///
/// It remembers after how many calls of the disk each step was made, so that a power cut at any of
/// them knows what the counter had reached. One thread uses it.
public final class SimCounter {
  /// The value.
  public private(set) var value: UInt64
  /// Every step: the number of disk calls before it, and the value from then on.
  public private(set) var steps: [(after: Int, value: UInt64)] = []
  /// How many of the next steps fail.
  public var failures = 0
  private let disk: SimDisk

  /// Creates a counter that stands at `value`.
  public init(_ value: UInt64, beside disk: SimDisk) { (self.value, self.disk) = (value, disk) }

  /// Raises the counter; a lower value changes nothing.
  public func raise(to value: UInt64) throws(FloorFault) {
    guard failures == 0 else {
      failures -= 1
      throw FloorFault()
    }
    guard value > self.value else { return }
    self.value = value
    steps.append((disk.journalCount, value))
  }
}

/// A root of trust for simulations: it takes a manifest whose checksum is right for signed.
public struct SimSlotTrust: SlotTrust {
  /// The counter.
  public let counter: SimCounter

  /// Creates a root of trust.
  public init(_ counter: SimCounter) { self.counter = counter }

  /// The rollback floor.
  public var floor: UInt64 { counter.value }

  /// Raises the rollback floor.
  public func raiseFloor(to release: UInt64) throws(FloorFault) { try counter.raise(to: release) }

  /// The digest of nothing.
  public func makeDigest() -> SimDigest { SimDigest() }

  /// Reads what `manifest` wrote.
  public func releaseSet(_ manifest: [UInt8]) -> ReleaseSet? {
    guard manifest.count > 8 else { return nil }
    let body = Array(manifest.dropLast(8))
    guard Self.sealed(body) == manifest else { return nil }
    var reader = ByteReader(body.span)
    guard let release = reader.uint64(), let floor = reader.uint64(), let count = reader.uint8()
    else { return nil }
    var files: [ReleaseFile] = []
    for _ in 0..<count {
      guard let nameCount = reader.uint8(), let name = reader.range(Int(nameCount)),
        let byteCount = reader.uint64(), let digestCount = reader.uint8(),
        let digest = reader.range(Int(digestCount))
      else { return nil }
      files.append(
        ReleaseFile(
          name: String(decoding: body[name], as: UTF8.self),
          byteCount: byteCount,
          digest: Array(body[digest])
        )
      )
    }
    return ReleaseSet(release: release, floor: floor, files: files)
  }

  /// A manifest that counts as signed.
  public static func manifest(_ set: ReleaseSet) -> [UInt8] {
    var writer = ByteWriter()
    writer.uint64(set.release)
    writer.uint64(set.floor)
    writer.uint8(UInt8(truncatingIfNeeded: set.files.count))
    for file in set.files {
      writer.uint8(UInt8(truncatingIfNeeded: file.name.utf8.count))
      writer.utf8(file.name)
      writer.uint64(file.byteCount)
      writer.uint8(UInt8(truncatingIfNeeded: file.digest.count))
      writer.append(file.digest)
    }
    return sealed(writer.bytes)
  }

  private static func sealed(_ body: [UInt8]) -> [UInt8] {
    var crc = SimDigest.empty
    crc.update(body.span)
    var writer = ByteWriter()
    writer.append(body)
    writer.uint64(crc.checksum)
    return writer.bytes
  }
}

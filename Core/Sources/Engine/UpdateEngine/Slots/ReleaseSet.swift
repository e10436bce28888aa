/// One file of a set: what the manifest promises of it.
public struct ReleaseFile: Equatable, Sendable {
  /// Its name within the set: 1 to 64 of `a`–`z`, `0`–`9`, `.`, `_` and `-`, and no `.` first.
  public var name: String
  /// Its size in bytes, as signed: the most that is ever written.
  public var byteCount: UInt64
  /// Its digest.
  public var digest: [UInt8]

  /// Creates a promise.
  public init(name: String, byteCount: UInt64, digest: [UInt8]) {
    (self.name, self.byteCount, self.digest) = (name, byteCount, digest)
  }

  var isNameValid: Bool {
    guard (1...ReleaseSet.maximumNameBytes).contains(name.utf8.count),
      name.utf8.first != UInt8(ascii: ".")
    else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case 0x61...0x7A, 0x30...0x39, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
      default: false
      }
    }
  }
}

/// Everything that runs together: system, applications, real-time images.
///
/// It is installed as a whole or not at all.
public struct ReleaseSet: Equatable, Sendable {
  /// The longest name of a file, in bytes.
  public static let maximumNameBytes = 64
  /// The most files of a set; more are refused with `SlotFault.malformedSet`.
  public static let maximumFileCount = 64
  /// The longest manifest, in bytes; a longer one is refused unread.
  public static let maximumManifestBytes = 256 << 10
  /// The longest digest, in bytes: SHA-512's.
  public static let maximumDigestBytes = 64

  /// The release counter: it grows with every set that the owner publishes.
  public var release: UInt64
  /// What the rollback floor becomes once this set is confirmed; at most `release`.
  public var floor: UInt64
  /// The files, in the order in which they are written.
  public var files: [ReleaseFile]

  /// Creates a set.
  public init(release: UInt64, floor: UInt64, files: [ReleaseFile]) {
    (self.release, self.floor, self.files) = (release, floor, files)
  }

  /// The size of all files in bytes; nil if it does not fit 64 bits.
  public var byteCount: UInt64? {
    var sum: UInt64 = 0
    for file in files {
      let (next, overflow) = sum.addingReportingOverflow(file.byteCount)
      guard !overflow else { return nil }
      sum = next
    }
    return sum
  }

  var isWellFormed: Bool {
    guard release > 0, floor <= release, (1...Self.maximumFileCount).contains(files.count),
      byteCount != nil
    else { return false }
    var names: Set<String> = []
    return files.allSatisfy { file in
      file.isNameValid && (1...Self.maximumDigestBytes).contains(file.digest.count)
        && names.insert(file.name).inserted
    }
  }
}

/// The size of a block in which files are read back to be hashed.
let slotReadBytes = 256 << 10

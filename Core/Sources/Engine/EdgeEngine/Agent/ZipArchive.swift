/// A ZIP archive that is written file by file, as support bundles are.
///
/// All files together have to be less than 4 GiB, which is for the caller to see to.
public struct ZipArchive: Sendable {
  /// The files, each behind its header.
  private var files: [UInt8] = []
  private var directory: [UInt8] = []
  private var count: UInt32 = 0

  private static let endLength = 22
  private static let endMark: UInt32 = 0x0605_4B50

  /// An archive without files.
  public init() {}

  /// Goes on with an archive that this type has written; nil for anything else.
  public init?(continuing archive: [UInt8]) {
    guard archive.count >= Self.endLength else { return nil }
    let end = archive.count - Self.endLength
    func number(_ place: Int, _ width: Int) -> Int {
      (0..<width).reduce(0) { $0 | Int(archive[end + place + $1]) << (8 * $1) }
    }
    let (length, start) = (number(12, 4), number(16, 4))
    guard number(0, 4) == Int(Self.endMark), number(20, 2) == 0, start + length == end else {
      return nil
    }
    files = Array(archive[..<start])
    directory = Array(archive[start..<end])
    count = UInt32(number(10, 2))
  }

  /// Adds a file; its name is a path with `/`.
  public mutating func add(_ name: String, _ bytes: [UInt8]) {
    let name = Array(name.utf8.prefix(65_535))
    let packed = Deflate.compress(bytes)
    // Version 2.0, names in UTF-8, deflated, 1980-01-01.
    var facts = little(20, 2) + little(0x800, 2) + little(8, 2) + little(0, 2) + little(0x21, 2)
    facts += little(Deflate.checksum(bytes), 4) + little(UInt32(clamping: packed.count), 4)
    facts += little(UInt32(clamping: bytes.count), 4) + little(UInt32(name.count), 2) + little(0, 2)
    directory += little(0x0201_4B50, 4) + little(0x0314, 2) + facts + little(0, 2) + little(0, 2)
    // Made on Unix: a file that its owner alone may read.
    directory += little(0, 2) + little(0x8180_0000, 4) + little(UInt32(clamping: files.count), 4)
    directory += name
    files += little(0x0403_4B50, 4) + facts + name + packed
    count += 1
  }

  /// The archive.
  public var bytes: [UInt8] {
    files + directory + little(Self.endMark, 4) + little(0, 4) + little(count, 2) + little(count, 2)
      + little(UInt32(clamping: directory.count), 4) + little(UInt32(clamping: files.count), 4)
      + little(0, 2)
  }

  private func little(_ value: UInt32, _ count: Int) -> [UInt8] { Deflate.little(value, count) }
}

import EdgeEngine
import Testing

@Suite("ZIP archives")
struct ZipArchiveTests {
  private static func archive(_ files: [(String, String)]) -> ZipArchive {
    var archive = ZipArchive()
    for (name, text) in files { archive.add(name, Array(text.utf8)) }
    return archive
  }

  @Test("an archive has its directory where readers look for it")
  func directory() {
    let archive = Self.archive([("a/b.txt", "hello"), ("c", "")]).bytes
    #expect(archive.prefix(4) == [0x50, 0x4B, 3, 4])
    let end = archive.suffix(22)
    #expect(end.prefix(4) == [0x50, 0x4B, 5, 6])
    let number = { (at: Int, count: Int) in
      (0..<count).reduce(0) { $0 | Int(end[end.startIndex + at + $1]) << (8 * $1) }
    }
    #expect(number(10, 2) == 2)
    let start = number(16, 4)
    #expect(archive[start..<start + 4] == [0x50, 0x4B, 1, 2])
    #expect(start + number(12, 4) + 22 == archive.count)
  }

  @Test("one that is gone on with is as if it had been written at once")
  func continued() throws {
    let files = [("a/b.txt", "hello"), ("c", ""), ("é", "more")]
    for split in 0...files.count {
      let first = Self.archive(Array(files.prefix(split)))
      var second = try #require(ZipArchive(continuing: first.bytes))
      for (name, text) in files.dropFirst(split) { second.add(name, Array(text.utf8)) }
      #expect(second.bytes == Self.archive(files).bytes)
    }
  }

  @Test("what is no archive, or is cut anywhere, is not gone on with")
  func refused() {
    let whole = Self.archive([("a", "hello"), ("b", "you")]).bytes
    for count in 0..<whole.count {
      #expect(ZipArchive(continuing: Array(whole.prefix(count))) == nil)
    }
    #expect(ZipArchive(continuing: Array(repeating: 255, count: 64)) == nil)
    #expect(ZipArchive(continuing: whole + [0]) == nil)
  }
}

import Containers
import Testing

@Suite("Reading tar files (POSIX.1-2017, pax)")
struct TarReaderTests {
  private func read(_ bytes: [UInt8], portion: Int = 100) throws -> [(TarReader.Entry, String)] {
    var rest = bytes[...]
    var reader = TarReader {
      let part = rest.prefix(portion)
      rest = rest.dropFirst(part.count)
      return Array(part)
    }
    var found: [(TarReader.Entry, String)] = []
    while let entry = try reader.next() {
      var content: [UInt8] = []
      try reader.read { content += $0 }
      found.append((entry, String(decoding: content, as: UTF8.self)))
    }
    return found
  }

  private func fault(_ bytes: [UInt8]) -> String? {
    do {
      _ = try read(bytes)
      return nil
    } catch {
      return (error as? TarReader.Malformed)?.description ?? "\(error)"
    }
  }

  @Test("entries, their contents and what is said of them")
  func entries() throws {
    let long = String(repeating: "long/", count: 60) + "name"
    let bytes =
      Tar.entry("./bin/", type: "5", mode: "0000755")
      + Tar.entry("bin/app", content: String(repeating: "x", count: 1000), mode: "0004755")
      + Tar.entry("bin/sh", type: "2", target: "/bin/app")
      + Tar.entry("bin/other", type: "1", target: "bin/app")
      + Tar.entry("skipped", content: "two\n")
      + Tar.pax(["path": long, "uid": "70000", "mtime": "5.75", "other": "\u{0}"])
      + Tar.entry("short", content: "three")
      + Tar.entry("././@LongLink", type: "L", content: long + "\u{0}")
      + Tar.entry("short", content: "four")
      + Tar.end
    for portion in [1, 511, 512, 100_000] {
      let found = try read(bytes, portion: portion)
      let parts = long.split(separator: "/").map(String.init)
      #expect(
        found.map(\.0.path) == [
          ["bin"], ["bin", "app"], ["bin", "sh"], ["bin", "other"], ["skipped"], parts, parts,
        ]
      )
      #expect(found.map(\.0.kind).prefix(4) == [.directory, .file, .symbolicLink, .hardLink])
      #expect(found[1].0.mode == 0o4755)
      #expect(found[1].1.count == 1000)
      #expect(found[2].0.target == "/bin/app")
      #expect((found[5].0.user, found[5].0.modified) == (70_000, 6))
      #expect(found.map(\.1).suffix(3) == ["two\n", "three", "four"])
    }
  }

  @Test("what is no entry of an image is refused, with a text")
  func malformed() {
    let entry = Tar.entry("a", content: "text")
    var damaged = entry
    damaged[0] = 0x62
    let rows: [(String, [UInt8], String)] = [
      ("cut header", Array(entry.prefix(300)), "ends in the middle"),
      ("cut content", Array(entry.prefix(514)), "ends in the middle"),
      ("checksum", damaged, "checksum"),
      ("noise", [UInt8](repeating: 0x41, count: 512), "is no number"),
      ("absolute", Tar.entry("/etc/passwd"), "no path in the image"),
      ("above", Tar.entry("a/../../b"), "leads out"),
      ("device", Tar.entry("dev/sda", type: "4"), "device"),
      ("terminal", Tar.entry("dev/tty", type: "3"), "device"),
      ("sparse", Tar.entry("a", type: "S"), "not known"),
      ("link to nothing", Tar.entry("a", type: "2"), "link to nothing"),
      ("folder with content", Tar.entry("a", type: "5", content: "x"), "has a content"),
      (
        "long header", Tar.entry("a", type: "x", content: String(repeating: "1", count: 70_000)),
        "bytes"
      ),
      ("pax length", Tar.entry("a", type: "x", content: "99 path=b\n"), "pax header"),
      ("pax without end", Tar.entry("a", type: "x", content: "9 path=bc"), "pax header"),
      ("pax zero", Tar.pax(["path": "a\u{0}b"]) + entry, "a zero"),
      ("pax size", Tar.pax(["size": "-1"]) + entry, "impossible size"),
      ("pax owner", Tar.pax(["uid": "4294967295"]) + entry, "no user's number"),
      ("name alone", Tar.pax(["path": "a"]) + Tar.end, "no entry behind"),
      (
        "name",
        Tar.entry(String(repeating: "n", count: 90))
          + Tar.pax(["path": String(repeating: "n", count: 256)]) + entry, "too long"
      ),
    ]
    for (name, bytes, text) in rows {
      let fault = fault(bytes)
      #expect(fault?.contains(text) == true, "\(name): \(fault ?? "no fault")")
    }
  }

  @Test("no bytes whatever stop the program", arguments: [1, 2, 3, 4])
  func noise(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    func random() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    let good =
      Tar.pax(["path": "a/b", "size": "4"]) + Tar.entry("a", content: "text") + Tar.end
    for _ in 0..<500 {
      var bytes = good
      for _ in 0..<(1 + random() % 4) {
        bytes[Int(random()) % bytes.count] = UInt8(random() & 0xFF)
      }
      Tar.sum(&bytes)
      _ = fault(bytes)
    }
  }
}

/// Tar files for tests.
enum Tar {
  static let end = [UInt8](repeating: 0, count: 1024)

  static func entry(
    _ name: String,
    type: Character = "0",
    content: String = "",
    target: String = "",
    mode: String = "0000644"
  ) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    put(name, at: 0)
    put(mode, at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    let size = String(content.utf8.count, radix: 8)
    put(String(repeating: "0", count: 11 - size.count) + size, at: 124)
    put("00000000001", at: 136)
    put(String(type), at: 156)
    put(target, at: 157)
    put("ustar\u{0}00", at: 257)
    sum(&header)
    let content = Array(content.utf8)
    return header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// Sets the checksum of the header that bytes begin with.
  static func sum(_ bytes: inout [UInt8]) {
    for index in 148..<156 { bytes[index] = 0x20 }
    let sum = String(bytes.prefix(512).reduce(0) { $0 + Int($1) }, radix: 8)
    let text = String(repeating: "0", count: max(6 - sum.count, 0)) + sum
    for (index, byte) in text.utf8.enumerated() { bytes[148 + index] = byte }
    bytes[154] = 0
  }

  static func pax(_ records: [String: String]) -> [UInt8] {
    let text = records.sorted { $0.key < $1.key }.map { key, value in
      let rest = " \(key)=\(value)\n"
      var length = rest.utf8.count
      while "\(length)".utf8.count + rest.utf8.count != length { length += 1 }
      return "\(length)\(rest)"
    }
    return entry("pax", type: "x", content: text.joined())
  }
}

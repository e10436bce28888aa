import ByteIO
import Containers
import Glibc
import Platform
import Testing

@Suite("Unpacking the layers of an image (OCI image specification 1.1, layer)")
struct LayerUnpackerTests {
  /// Unpacks layers, and hands the folder on.
  private func unpack(
    _ layers: [[UInt8]],
    digest: String? = nil,
    _ body: (_ root: String, _ outside: String) throws -> Void = { _, _ in }
  ) throws {
    let folder = "/tmp/layers-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { PrivateFile.removeTree(folder) }
    try PrivateFile.makeDirectory(folder + "/outside")
    try PrivateFile.replace(folder + "/outside/kept", with: Array("kept".utf8))
    var files: [LayerUnpacker.Layer] = []
    for (number, content) in layers.enumerated() {
      let path = "\(folder)/layer\(number)"
      try PrivateFile.replace(path, with: content)
      let found = digest ?? "sha256:" + Hex.encode(Hashing.sha256(content))
      files.append(LayerUnpacker.Layer(path: path, digest: found, contentDigest: found))
    }
    defer { #expect(PrivateFile.exists(folder + "/outside/kept")) }
    try LayerUnpacker.unpack(files, to: folder + "/root")
    try body(folder + "/root", folder + "/outside")
  }

  private func text(_ path: String) -> String? {
    (try? PrivateFile.read(path)).map { String(decoding: $0, as: UTF8.self) }
  }

  private func names(_ path: String) throws -> [String] {
    try PrivateFile.entries(of: path).map(\.name).sorted()
  }

  private func fault(_ layers: [[UInt8]], digest: String? = nil) -> String {
    do {
      try unpack(layers, digest: digest)
      return "no fault"
    } catch {
      return "\(error)"
    }
  }

  @Test("files, links, modes, and folders that nobody names")
  func content() throws {
    let layer =
      Tar.entry("deep/er/file", content: "one", mode: "0004750")
      + Tar.entry("deep/link", type: "2", target: "../../../../etc/passwd")
      + Tar.entry("hard", type: "1", target: "deep/er/file")
      + Tar.entry("pipe", type: "6") + Tar.entry("tmp", type: "5", mode: "0001777") + Tar.end
    try unpack([layer]) { root, _ in
      #expect(text(root + "/hard") == "one")
      try #expect(names(root) == ["deep", "hard", "pipe", "tmp"])
      var information = stat()
      #expect(stat(root + "/deep/er/file", &information) == 0)
      #expect(information.st_mode & 0o7777 == 0o4750 && information.st_nlink == 2)
      // Whatever the umask is.
      for path in [root, root + "/deep"] {
        #expect(stat(path, &information) == 0 && information.st_mode & 0o7777 == 0o755)
      }
      #expect(stat(root + "/tmp", &information) == 0 && information.st_mode & 0o7777 == 0o1777)
      #expect(lstat(root + "/deep/link", &information) == 0)
      #expect(information.st_mode & S_IFMT == S_IFLNK)
    }
  }

  @Test("an upper layer replaces, and takes away what lower ones have and nothing else")
  func whiteouts() throws {
    let lower =
      Tar.entry("a/one", content: "1") + Tar.entry("a/two", content: "2")
      + Tar.entry("b/one", content: "1") + Tar.entry("b/c/d/e", content: "1")
      + Tar.entry("file", content: "old") + Tar.entry("tree/x/y", content: "1")
      + Tar.entry("now-folder", content: "1") + Tar.end
    let upper =
      // What a layer has itself stays, wherever the mark stands.
      Tar.entry("b/new", content: "new") + Tar.entry("b/.wh..wh..opq")
      + Tar.entry("a/.wh.one") + Tar.entry(".wh.tree") + Tar.entry("tree", content: "a file now")
      + Tar.entry("file", content: "new") + Tar.entry("now-folder/in", content: "in")
      + Tar.entry("none/.wh.gone") + Tar.end
    let folder = Tar.entry(".wh.now-folder") + Tar.end
    try unpack([lower, folder, upper]) { root, _ in
      try #expect(names(root) == ["a", "b", "file", "now-folder", "tree"])
      try #expect(names(root + "/a") == ["two"])
      try #expect(names(root + "/b") == ["new"])
      #expect(text(root + "/file") == "new")
      #expect(text(root + "/tree") == "a file now")
      #expect(text(root + "/now-folder/in") == "in")
    }
  }

  @Test("links of a layer lead nowhere but into the image")
  func escapes() throws {
    try unpack([
      Tar.entry("up", type: "2", target: "../outside") + Tar.entry("up2", type: "2", target: "/usr")
        + Tar.entry("usr/", type: "5") + Tar.entry("up2/in", content: "in") + Tar.end
    ]) { root, _ in
      #expect(text(root + "/usr/in") == "in")
    }
    let rows: [([[UInt8]], String)] = [
      ([Tar.entry("../outside/new", content: "x")], "leads out"),
      ([Tar.entry("h", type: "1", target: "../outside/kept")], "leads out"),
      ([Tar.entry("h", type: "1", target: "/etc/passwd")], "no path in the image"),
      (
        [
          Tar.entry("up", type: "2", target: "../outside")
            + Tar.entry("h", type: "1", target: "up/kept")
        ], "not there"
      ),
      // With the image as root the link's own target is missing there.
      (
        [Tar.entry("up", type: "2", target: "../outside") + Tar.entry("up/new", content: "x")],
        "cannot be unpacked"
      ),
      // Slashes that are a part of a longer character.
      (
        [
          Tar.entry("x\u{600}", type: "2", target: "../outside")
            + Tar.entry("x\u{600}/new", content: "x")
        ], "cannot be unpacked"
      ),
      ([Tar.entry("../\u{301}new", content: "x")], "leads out"),
      ([Tar.entry("/\u{301}new", content: "x")], "no path in the image"),
      ([Tar.entry("dev", type: "3")], "device"),
      ([Tar.entry(".wh...")], "no name"),
      ([Array("no tar file".utf8)], "ends in the middle"),
      ([[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0, 7]], "damaged"),
      ([[0x1F, 0x8B, 8, 0]], "too early"),
      ([[0x28, 0xB5, 0x2F, 0xFD, 0]], "zstd"),
    ]
    for (layers, text) in rows {
      let fault = fault(layers)
      #expect(fault.contains(text), "\(text): \(fault)")
    }
  }

  @Test("paths are cut where the kernel cuts them, and are not too deep")
  func parts() throws {
    #expect(try TarReader.parts("a\u{600}/./b/\u{301}c/") == ["a\u{600}", "b", "\u{301}c"])
    #expect(try TarReader.parts(String(repeating: "a/", count: 128)).count == 128)
    #expect(throws: TarReader.Malformed.self) {
      try TarReader.parts(String(repeating: "a/", count: 129))
    }
  }

  @Test("a whiteout of a link removes the link")
  func whiteoutOfLink() throws {
    try unpack([
      Tar.entry("l", type: "2", target: "../outside") + Tar.end, Tar.entry(".wh.l") + Tar.end,
    ]) { root, outside in
      try #expect(names(root).isEmpty)
      #expect(text(outside + "/kept") == "kept")
    }
  }

  @Test("what is not what its digest says is refused")
  func digests() {
    let other = "sha256:" + String(repeating: "0a", count: 32)
    #expect(fault([Tar.entry("a") + Tar.end], digest: other).contains("another digest"))
  }

  @Test("limits on what an image may hold")
  func limits() throws {
    let path = "/tmp/layer-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let content = Tar.entry("a", content: "text") + Tar.entry("b") + Tar.end
    try PrivateFile.replace(path, with: content)
    defer { PrivateFile.removeTree(path) }
    let digest = "sha256:" + Hex.encode(Hashing.sha256(content))
    let layer = LayerUnpacker.Layer(path: path, digest: digest, contentDigest: digest)
    var budget = LayerUnpacker.Budget()
    budget.entries = 1
    #expect(throws: RuntimeFault.self) { try LayerUnpacker.check(layer, &budget) }
    budget.entries = 2
    budget.bytes = 1000
    #expect(throws: RuntimeFault.self) { try LayerUnpacker.check(layer, &budget) }
    budget.bytes = 10_000
    #expect(throws: Never.self) { try LayerUnpacker.check(layer, &budget) }
  }
}

import Glibc
import Platform
import Testing

@Suite("Whole small files, and directories of them")
struct PrivateFileTests {
  @Test("of a link to a directory the link is removed, and nothing of what it leads to")
  func removesLinksThemselves() throws {
    let directory = try TemporaryDirectory()
    let (kept, link) = (directory.path + "/kept", directory.path + "/link")
    try PrivateFile.makeDirectory(kept + "/below")
    try PrivateFile.replace(kept + "/below/file", with: [1])
    for name in [link, link + "/", link + "//"] {
      #expect(symlink(kept, link) == 0)
      PrivateFile.removeTree(name)
      var information = stat()
      #expect(lstat(link, &information) != 0)
      #expect(PrivateFile.exists(kept + "/below/file"))
    }
  }

  @Test("of a directory all goes: files, links, and directories in it")
  func removesAll() throws {
    let directory = try TemporaryDirectory()
    let (kept, tree) = (directory.path + "/kept", directory.path + "/tree")
    try PrivateFile.replace(kept, with: [1])
    try PrivateFile.makeDirectory(tree + "/a/b")
    try PrivateFile.replace(tree + "/a/b/file", with: [1])
    #expect(symlink(directory.path, tree + "/a/up") == 0)
    #expect(symlink("nowhere", tree + "/broken") == 0)
    PrivateFile.removeTree(tree + "/")
    #expect(!PrivateFile.exists(tree))
    #expect(PrivateFile.exists(kept))
    PrivateFile.removeTree(kept)
    #expect(!PrivateFile.exists(kept))
  }

  @Test("a slash parts a path whatever stands behind it")
  func marks() throws {
    let directory = try TemporaryDirectory()
    let folder = directory.path + "/a/\u{301}b"
    try PrivateFile.makeDirectory(folder)
    #expect(PrivateFile.exists(folder) && PrivateFile.exists(directory.path + "/a"))
    let file = folder + "/\u{301}c"
    try PrivateFile.replace(file, with: [1])
    #expect(try PrivateFile.read(file) == [1])
    #expect(PrivateFile.directory(of: file) == folder)
    #expect(PrivateFile.exists(directory.path))
  }

  @Test(
    "the directory of a path",
    arguments: [
      ("name", "."), ("/name", "/"), ("a/name", "a"), ("/a/b/name", "/a/b"), ("a/", "a"),
    ]
  )
  func directory(of path: String, is expected: String) {
    #expect(PrivateFile.directory(of: path) == expected)
  }
}

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
}
